"""Confirmation: the finalists train again from fresh seeds and are judged on rows no trial has seen.

What wins a search has had luck, with its seed and with the validation rows. Its mean over other
seeds on other rows is what a user can expect.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict

from optimizers.training import train
from studies.data.prepare import Data
from studies.run import described
from studies.space import Space
from studies.spec import BOUNDS, StudySpec
from studies.verdict import FINALISTS, Trial, Verdict, finalists, judge
from studies.wave import Pending, WaveTrial, build_problem, tensors

LEADING = 8  # optimizers that a search confirms, the best ones; a comparison confirms all
FEWEST_SEEDS = 2  # that anything can be said from


Submit = Callable[[StudySpec, list[WaveTrial], float | None], Pending[list["Run"]]]
"""``submit(spec, runs, seconds_left)`` starts trainings of finalists, each from its seed."""


class Run(BaseModel):
    """One training of a finalist from a fresh seed.

    Attributes:
        number: of the trial that it was.
        outcome: ``stopped`` means that there was no time for its last epoch.
        validation: every metric after the last epoch; empty unless completed.
        test: likewise, on the test rows.
        rows: how many test rows there are.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    seed: int
    outcome: Literal["completed", "diverged", "stopped"]
    validation: dict[str, float]
    test: dict[str, float]
    rows: int


class Confirmation(BaseModel):
    """All runs of the finalists: each finalist with each seed.

    Attributes:
        seeds: in ascending order; the study's own is not among them.
        runs: by finalist, one a seed; best validation in the search first.
    """

    model_config = ConfigDict(frozen=True)

    seeds: list[int]
    runs: dict[int, list[Run]]

    def scores(
        self, metric: str, rows: Literal["validation", "test"]
    ) -> dict[int, list[float | None]]:
        """By finalist, one a seed; None for a run that diverged."""
        return {
            number: [
                getattr(run, rows)[metric] if run.outcome == "completed" else None for run in runs
            ]
            for number, runs in self.runs.items()
        }


def choose(spec: StudySpec, trials: Sequence[FrozenTrial]) -> list[int]:
    """The numbers of the finalists, best validation first.

    To compare optimizers: the best few of each, as the luck of tuning is seen from runners-up. To
    search: the best few of all and the best of each optimizer, as long as it is among the leading.
    """
    tried = _tried(spec, trials)
    ranked = finalists(spec.goal.direction, tried, max(1, len(trials)))
    if spec.question == "compare":
        return finalists(spec.goal.direction, tried)
    best: dict[str, int] = {}
    for number in ranked:
        best.setdefault(trials[number].params["optimizer"], number)
    chosen = {*ranked[:FINALISTS], *list(best.values())[:LEADING]}
    return [number for number in ranked if number in chosen]


def confirm(
    spec: StudySpec,
    finalists: Sequence[FrozenTrial],
    submit: Submit,
    seconds: float | None = None,
    in_flight: int = 1,
) -> Confirmation | None:
    """Train finalists again from fresh seeds, from fewer than asked for if time is short.

    Args:
        spec: resolved.
        finalists: as they were stored; at least one.
        submit: starts trainings.
        seconds: there are for it; None for any number.
        in_flight: parts under way at once.

    Returns:
        What came of it; None if there was no time for two seeds.
    """
    seeds = spec.confirmation.seeds
    if seconds is not None:
        one_seed = sum(trial.user_attrs["seconds"] for trial in finalists) / in_flight
        seeds = int(min(seeds, max(0.0, seconds) / one_seed))
    runs: list[Run] = []
    if seeds >= FEWEST_SEEDS:
        members = described(Space(spec), spec, finalists)
        fresh = [(spec.seed + each) % 2**32 for each in range(1, seeds + 1)]
        # Cut by seeds: every worker has the same mixture of short and long trainings.
        parts = [
            submit(
                spec,
                [replace(member, seed=s) for s in fresh[first::in_flight] for member in members],
                seconds,
            )
            for first in range(min(in_flight, seeds))
        ]
        runs = [run for part in parts for run in part.result()]
    return _gather([trial.number for trial in finalists], runs)


def run_confirmation(
    data: Data,
    spec: StudySpec,
    finalists: Sequence[WaveTrial],
    keep_going: Callable[[], bool] = lambda: True,
) -> list[Run]:
    """Train finalists to the end and test them; the same ones give the same runs, wherever.

    Args:
        data: the prepared table.
        spec: resolved.
        finalists: each once for every seed.
        keep_going: asked before every step; False ends the training there.
    """
    outcomes = train(
        build_problem(data, spec),
        tensors(data.train),
        tensors(data.validation),
        [each.configuration for each in finalists],
        epochs=spec.budget.epochs,
        seeds=[each.seed for each in finalists],
        test=tensors(data.test),
        keep_going=keep_going,
    )
    runs = []
    for each, outcome in zip(finalists, outcomes, strict=True):
        well = bool(outcome.tested) and np.isfinite(list(outcome.tested.values())).all()
        diverged = outcome.diverged_at is not None or bool(outcome.tested)
        runs.append(
            Run(
                number=each.number,
                seed=each.seed,
                outcome="completed" if well else "diverged" if diverged else "stopped",
                validation={n: v[-1] for n, v in outcome.metrics.items()} if well else {},
                test=outcome.tested if well else {},
                rows=len(data.test.inputs),
            )
        )
    return runs


def _gather(numbers: Sequence[int], runs: Sequence[Run]) -> Confirmation | None:
    """Every seed with which no run was stopped; None if these are too few to say anything."""
    stopped = {run.seed for run in runs if run.outcome == "stopped"}
    seeds = sorted({run.seed for run in runs} - stopped)
    if len(seeds) < FEWEST_SEEDS:
        return None
    found = {(run.number, run.seed): run for run in runs}
    return Confirmation(
        seeds=seeds,
        runs={number: [found[number, seed] for seed in seeds] for number in numbers},
    )


def conclude(spec: StudySpec, trials: Sequence[FrozenTrial], confirmation: Confirmation) -> Verdict:
    """What the confirmation allows to say of the optimizers that have finalists.

    Of optimizers as such only where they were compared: a search tunes its leaders and neglects the
    others, so it tells of the configurations that it found.

    Args:
        spec: resolved.
        trials: all of the study, in order of number.
        confirmation: of its finalists.
    """
    metric = spec.goal.name
    confirmed = confirmation.scores(metric, "test")
    rows = next(iter(confirmation.runs.values()))[0].rows
    tried = _tried(spec, trials)
    judged = {trials[number].params["optimizer"] for number in confirmed}
    silent = {t.optimizer for t in tried} - {t.optimizer for t in tried if t.completed}
    # All trials start from the same weights, so all have the same score before their first step.
    untrained = (t.user_attrs["untrained"] for t in trials if "untrained" in t.user_attrs)
    return judge(
        spec.goal.direction,
        [trial for trial in tried if trial.optimizer in judged | silent],
        confirmed,
        chance=next(untrained, None),
        bounds=BOUNDS[metric],
        grain=1 / rows if metric == "accuracy" else 0.0,
        about="optimizers" if spec.question == "compare" else "configurations",
    )


def recommend(spec: StudySpec, confirmation: Confirmation, verdict: Verdict) -> int:
    """The finalist to use: of the optimizers that nobody beats, the best by validation.

    By the mean over the fresh seeds, so that no luck with one seed decides; and not by the test
    rows, so that the score on them stays what a user can expect. One that diverged from any seed
    comes behind those that never did.
    """

    def rank(number: int) -> tuple[int, float, int]:
        runs = confirmation.runs[number]
        scores = [run.validation[spec.goal.name] for run in runs if run.outcome == "completed"]
        mean = float(np.mean(scores)) if scores else 0.0
        return len(runs) - len(scores), spec.goal.sign * mean, number

    optimizer = {finalist.number: finalist.optimizer for finalist in verdict.finalists}
    return min((n for n in confirmation.runs if optimizer[n] in verdict.leading), key=rank)


def _tried(spec: StudySpec, trials: Sequence[FrozenTrial]) -> list[Trial]:
    """As verdicts see them; a trial that was stopped says nothing of its configuration."""
    return [
        _seen(trial, spec.goal.name)
        for trial in trials
        if trial.state in {TrialState.COMPLETE, TrialState.PRUNED}
    ]


def _seen(trial: FrozenTrial, metric: str) -> Trial:
    optimizer = trial.params["optimizer"]
    if trial.state == TrialState.COMPLETE:
        return Trial(trial.number, optimizer, trial.values[0])
    if "dropped_at" in trial.user_attrs:
        return Trial(trial.number, optimizer, trial.user_attrs["metrics"][metric], dropped=True)
    return Trial(trial.number, optimizer, None)
