"""The schedule with a memory is torch's ReduceLROnPlateau, loss by loss and training by training."""

from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.optim import lr_scheduler

from optimizers.configuration import Configuration
from optimizers.models.mlp import MLP
from optimizers.objectives import CrossEntropy
from optimizers.schedules import Plateau, find_schedule
from optimizers.training import train
from tests.optimizers.peer import digits, network, train_plainly
from tests.optimizers.schedulers import watcher

TRIALS: list[Mapping[str, float]] = [
    {"learning_rate": 0.1, "gamma": 0.1, "patience": 0},
    {"learning_rate": 3.0, "gamma": 0.5, "patience": 2, "cooldown": 3},
    {"learning_rate": 1e-3, "gamma": 0.7, "patience": 1, "final": 0.01},
    {"learning_rate": 0.02, "gamma": 0.3, "patience": 3, "threshold": 0.2, "cooldown": 1},
    {"learning_rate": 1.0, "gamma": 0.0, "patience": 10, "threshold": 0.0},
]
DEFAULTS = {h.name: h.default for h in find_schedule("plateau").hyperparameters}


def started(trials: list[Mapping[str, float]]) -> Plateau:
    """The memory of so many trials before their first epoch."""
    each = [DEFAULTS | dict(trial) for trial in trials]
    return Plateau.start(
        {name: torch.tensor([h[name] for h in each], dtype=torch.float64) for name in each[0]}
    )


def torchs(trial: Mapping[str, float]) -> lr_scheduler.ReduceLROnPlateau:
    """torch's for one of them."""
    optimizer = torch.optim.SGD([torch.zeros(())], trial["learning_rate"])
    made = watcher("plateau", DEFAULTS | dict(trial), optimizer)
    assert made is not None
    return made


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), noise=st.sampled_from([0.0, 0.01, 1.0]))
def test_three_hundred_losses_do_what_they_do_in_torch(seed: int, noise: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    falling = torch.linspace(2, 0.1, 300, dtype=torch.float64)[:, None].square().expand(-1, 5)
    draws = torch.randn(300, 5, generator=generator, dtype=torch.float64)
    losses = (falling + noise * draws).abs()
    ours, theirs = started(TRIALS), [torchs(trial) for trial in TRIALS]
    for epoch, loss in enumerate(losses):
        ours.observe(loss, epoch + 1, 300)
        for each, value in zip(theirs, loss.tolist(), strict=True):
            each.step(value)
        assert ours.best.tolist() == [each.best for each in theirs]
        assert ours.bad.tolist() == [each.num_bad_epochs for each in theirs]
        assert ours.cooling.tolist() == [each.cooldown_counter for each in theirs]
        rates = [each.optimizer.param_groups[0]["lr"] for each in theirs]
        assert (ours.h["learning_rate"] * ours.factor).tolist() == pytest.approx(rates, rel=1e-14)


def test_a_drop_too_small_to_matter_is_left_out() -> None:
    ours, theirs = started(TRIALS[:1]), torchs(TRIALS[0])
    for epoch in range(20):
        ours.observe(torch.ones(1), epoch + 1, 20)
        theirs.step(1.0)
    (rate,) = (ours.h["learning_rate"] * ours.factor).tolist()
    assert rate == pytest.approx(1e-8)
    assert rate == pytest.approx(theirs.optimizer.param_groups[0]["lr"], rel=1e-14)


def test_nothing_counts_while_the_learning_rate_rises() -> None:
    plateau = started([{"learning_rate": 1.0, "patience": 0, "warmup": 0.5}] * 2)
    for epoch in range(5):
        plateau.observe(torch.ones(2), 10 * (epoch + 1), 100)
        assert plateau.best.isinf().all()
    for factor in (1.0, 0.1, 0.01):  # the first epoch to count sets the mark
        plateau.observe(torch.ones(2), 60, 100)
        assert plateau.factor.tolist() == pytest.approx([factor] * 2)


def test_those_who_stay_keep_their_memory() -> None:
    losses = torch.rand(40, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    together, rows = started(TRIALS), [1, 3, 4]
    alone = started([TRIALS[row] for row in rows])
    for epoch in range(40):
        if epoch == 17:
            together = together.kept(rows)
        seen = losses[epoch] if epoch < 17 else losses[epoch, rows]
        together.observe(seen, epoch + 1, 40)
        alone.observe(losses[epoch, rows], epoch + 1, 40)
    for name in ("factor", "best", "bad", "cooling"):
        mine: Tensor = getattr(together, name)
        assert torch.equal(mine, getattr(alone, name))


def test_whole_trainings_are_torchs_though_others_leave_and_follow_other_schedules() -> None:
    training, validation, epochs = digits(slice(0, 150)), digits(slice(1000, 1100)), 30
    quick = {"gamma": 0.5, "patience": 0, "threshold": 0.05}
    trials = [
        Configuration("sgd", {"learning_rate": 1e6}, "plateau", quick),  # leaves at once
        Configuration("sgd", {"learning_rate": 0.8}, "plateau", quick | {"cooldown": 2}),
        Configuration("sgd", {"learning_rate": 0.8}, "constant"),
        Configuration("sgd", {"learning_rate": 0.8}, "plateau", {"patience": 1, "threshold": 0.2}),
        Configuration("sgd", {"learning_rate": 0.8}, "cosine"),
        Configuration("adam", {"learning_rate": 0.02}, "plateau", quick | {"warmup": 0.2}),
        Configuration("adam", {"learning_rate": 0.02}, "plateau", quick | {"final": 0.2}),
        Configuration("adam", {"learning_rate": 0.02}, "constant"),
    ]
    outcomes = train(
        MLP(64, 10, CrossEntropy(), (16,), "tanh"),
        training,
        validation,
        trials,
        epochs=epochs,
        seeds=5,
        dtype=torch.float64,
    )
    assert outcomes[0].diverged_at is not None
    for trial, outcome in zip(trials[1:], outcomes[1:], strict=True):
        net = network((64, 16, 10), "tanh", 5)
        plain = train_plainly(net, training, validation, trial, epochs, 5)
        assert outcome.metrics["loss"] == pytest.approx(plain.validation, rel=1e-12)
    # It did something in all of them.
    assert len({tuple(outcome.metrics["loss"]) for outcome in outcomes[1:]}) == len(trials) - 1


def test_a_trial_without_company_comes_to_the_same() -> None:
    h: Mapping[str, float] = {"gamma": 0.3, "patience": 0, "threshold": 0.1, "warmup": 0.1}
    one = Configuration("adam", {"learning_rate": 0.03}, "plateau", h)
    others = [Configuration("adam", {"learning_rate": rate}) for rate in (0.01, 1e3)]
    found = [
        train(
            MLP(64, 10, CrossEntropy(), (12,)),
            digits(slice(0, 150), torch.float32),
            digits(slice(1000, 1100), torch.float32),
            trials,
            epochs=15,
        )[place]
        for trials, place in (([one], 0), ([*others, one], 2), ([one, *others], 0))
    ]
    assert found[0].metrics == found[1].metrics == found[2].metrics
