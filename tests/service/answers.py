"""Studies that nobody trained, and answers about them."""

from datetime import UTC, datetime

from optuna.trial import TrialState

from service.answer import Source, Subject
from studies.confirmation import Confirmation, choose
from studies.report import Report, report_on, view
from studies.search import Search
from studies.space import Space
from studies.spec import StudySpec
from tests.studies.pretend import ended, resolved
from tests.studies.test_confirmation import run

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}"
SPEC = resolved(
    target=HOSTILE,
    space={"optimizers": ["sgd", "adam", "momentum"], "schedules": ["constant", "linear"]},
    sampler="random",
)
SUBJECT = Subject(
    job="01a2-job",
    name=None,
    source=Source(HOSTILE, "ab" * 32, 1234, f"# {HOSTILE}", f"# {HOSTILE}!", has_model=True),
    spec=SPEC,
    warnings=[HOSTILE],
    seconds=12.34,
    ended=True,
    finished=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    trials=[],
)


def reported(
    spec: StudySpec = SPEC, *, confirmed: bool = True, count: int = 60
) -> tuple[Subject, Report]:
    """A study of so many trials; sgd's best fares best from fresh seeds, adam's worst."""
    search = Search(spec)
    trials = [ended(search.space, trial, goal=spec.goal) for trial in search.ask(count)]
    for trial in trials:
        dropped = "dropped" if "dropped_at" in trial.user_attrs else "diverged"
        completed = trial.state is TrialState.COMPLETE
        trial.set_user_attr("outcome", "completed" if completed else dropped)
        scores = {"log_loss": 0.5, "accuracy": 0.5, "loss": 0.5}
        trial.set_user_attr("metrics", scores | trial.user_attrs.get("metrics", {}))
        trial.set_user_attr("seconds", 0.5 + trial.number / 100)
        memory = {"sgd": 0}.get(trial.params["optimizer"], 800)
        trial.set_user_attr("state_bytes", memory)
        trial.set_user_attr("untrained", 0.1 if spec.goal.maximized else 2.5)
    confirmation = None
    if confirmed:
        sign = -1 if spec.goal.maximized else 1
        base = {"sgd": 0.4, "momentum": 0.5, "adam": 0.6}
        runs = {
            number: [
                run(
                    number,
                    seed,
                    0.5 + sign * (base[trials[number].params["optimizer"]] - 0.5) + 0.001 * seed,
                )
                for seed in (1, 2, 3)
            ]
            for number in choose(spec, trials)
        }
        confirmation = Confirmation(seeds=[1, 2, 3], runs=runs)
    space = Space(spec)
    shown = [view(trial, space) for trial in trials]
    subject = Subject(**vars(SUBJECT) | {"spec": spec, "trials": shown})
    return subject, report_on(spec, trials, confirmation)
