"""The study as a user would write it today: Optuna, a plain `torch.optim` loop, two processes.

Same data, same search space, same sampler, same number of epochs, evaluation after each of
them, every epoch's value reported to Optuna's SQLite storage. First weights and batches are those
that Fallline draws from the study's seed: their luck, of more weight on a small table than the last
hundred trials, is the same on both sides.
"""

import math
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import torch
from torch import nn

from optimizers.configuration import Configuration
from optimizers.torch_export import load, torch_export
from studies.data.prepare import Data
from studies.samplers.tpe import RANDOM_STARTS
from studies.space import Space
from studies.spec import StudySpec


@dataclass(frozen=True)
class Run:
    """A study of the peer.

    Attributes:
        seconds: for all trials; importing and starting processes left out.
        best: the lowest value.
        seconds_to_best: until the trial that reached it had ended.
    """

    seconds: float
    best: float
    seconds_to_best: float


def run_optuna(data: Data, spec: StudySpec, folder: Path, processes: int = 2) -> Run:
    """All of the spec's trials."""
    storage = f"sqlite:///{folder / 'optuna.db'}"
    # No trials are enqueued: two processes may pop the same one, and then both fail.
    study = optuna.create_study(storage=storage, study_name="peer", direction="minimize")
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    share = spec.budget.trials // processes
    workers = [
        # Every process of every study draws its own numbers.
        context.Process(target=_work, args=(data, spec, storage, share, seed, ready))
        for seed in range(spec.seed * processes, (spec.seed + 1) * processes)
    ]
    for worker in workers:
        worker.start()
    ready.wait()
    began, start = time.perf_counter(), datetime.now()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - began
    done = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    if len(done) < spec.budget.trials * 0.8 or any(worker.exitcode for worker in workers):
        raise RuntimeError(f"the peer completed {len(done)} of {spec.budget.trials} trials")
    best = study.best_trial
    assert best.datetime_complete is not None
    return Run(seconds, study.best_value, (best.datetime_complete - start).total_seconds())


def _work(data: Data, spec: StudySpec, storage: str, trials: int, seed: int, ready: Any) -> None:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = Space(spec)
    sampler = optuna.samplers.TPESampler(
        seed=seed,
        multivariate=False,
        constant_liar=True,
        n_startup_trials=len(space.defaults()) + RANDOM_STARTS,
    )
    study = optuna.load_study(study_name="peer", storage=storage, sampler=sampler)
    tensors = [
        torch.from_numpy(part)
        for part in (
            data.train.inputs,
            data.train.targets,
            data.validation.inputs,
            data.validation.targets,
        )
    ]

    make = partial(_network, tensors[0].shape[1], len(data.classes) or 1, spec)

    def objective(trial: optuna.Trial) -> float:
        configuration = space.suggest(trial)
        return train_plainly(
            configuration,
            make,
            spec.budget.epochs,
            tensors,
            trial.report,
            data.target_scale,
            spec.seed,
        )

    ready.wait()
    study.optimize(objective, n_trials=trials)


def train_plainly(
    configuration: Configuration,
    make: Callable[[], nn.Module],
    epochs: int,
    tensors: list[torch.Tensor],
    report: Callable[[float, int], None],
    target_scale: float = 1.0,
    seed: int = 0,
) -> float:
    """One trial in plain PyTorch; its validation log loss or RMSE after the last epoch."""
    inputs, targets, inputs_held_out, targets_held_out = tensors
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed + 2**32)
    model, classes = make(), not targets.is_floating_point()
    loss_function = nn.CrossEntropyLoss() if classes else _squared_error
    plain = load(torch_export(configuration))
    optimizer = plain.make_optimizer(model)
    batch = configuration.batch_size(len(inputs))
    scheduler = plain.make_scheduler(optimizer, epochs * -(-len(inputs) // batch))
    value = math.inf
    for epoch in range(1, epochs + 1):
        model.train()
        for rows in torch.split(torch.randperm(len(inputs), generator=order), batch):
            optimizer.zero_grad()
            loss = loss_function(model(inputs[rows]), targets[rows])
            loss.backward()
            optimizer.step()
            scheduler.step()
        model.eval()
        with torch.no_grad():
            value = float(loss_function(model(inputs_held_out), targets_held_out))
            value = value if classes else math.sqrt(value) * target_scale
        if not math.isfinite(value):
            raise optuna.TrialPruned
        report(value, epoch)
    return value


def _squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return nn.functional.mse_loss(outputs.squeeze(1), targets)


def _network(features: int, classes: int, spec: StudySpec) -> nn.Sequential:
    widths = [features, *spec.model.hidden]
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))
