"""Whatever else trains beside it, and however trials are cut into stacks, a trial is itself."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from optimizers.configuration import Batch, Configuration
from optimizers.models.mlp import MLP
from optimizers.objectives import CrossEntropy, SquaredError
from optimizers.problem import Examples, Problem
from optimizers.registry import RULES
from optimizers.stack import BLOW_UP, Outcome
from optimizers.training import train
from tests.optimizers.mixed import mixed
from tests.optimizers.peer import digits, network, train_plainly

TRAINING, VALIDATION = digits(slice(0, 150)), digits(slice(1000, 1101))
BATCHES: list[Batch] = ["full", "single", 64]  # 64 leaves a ragged end of 22
PROBLEMS: dict[str, Problem] = {
    "linear": MLP(64, 10, CrossEntropy()),
    "relu": MLP(64, 10, CrossEntropy(), (13,), "relu"),
    "tanh": MLP(64, 10, CrossEntropy(), (16, 9), "tanh"),
    "gelu and dropout": MLP(64, 10, CrossEntropy(), (32,), "gelu", dropout=0.3),
    "regression": MLP(64, 1, SquaredError(3.0), (5,)),
}

every_problem = pytest.mark.parametrize("name", PROBLEMS)
every_batch = pytest.mark.parametrize("batch", BATCHES, ids=str)


def examples(name: str, batch: Batch) -> tuple[Examples, Examples]:
    """Training and validation examples; fewer where every one is a step of its own."""
    rows = slice(0, 9 if batch == "single" else None)
    training = Examples(TRAINING.inputs[rows], TRAINING.targets[rows])
    if name != "regression":
        return training, VALIDATION
    return (
        Examples(training.inputs, training.targets / 9.0),
        Examples(VALIDATION.inputs, VALIDATION.targets / 9.0),
    )


def run(
    name: str,
    trials: Sequence[Configuration],
    *,
    seeds: Sequence[int] | int = 0,
    epochs: int = 2,
    batch: Batch = 64,
    **how: Any,
) -> list[Outcome]:
    """Train, and forget how long it took."""
    training, validation = examples(name, batch)
    outcomes = train(
        PROBLEMS[name], training, validation, trials, seeds=seeds, epochs=epochs, **how
    )
    assert all(outcome.seconds > 0 for outcome in outcomes)
    return [replace(outcome, seconds=0.0) for outcome in outcomes]


def sgd(learning_rate: float, batch: Batch = 64) -> Configuration:
    """Gradient descent at a constant rate."""
    return Configuration("sgd", {"learning_rate": learning_rate}, batch=batch)


@every_batch
@every_problem
def test_the_size_of_a_stack_changes_no_bit(name: str, batch: Batch) -> None:
    trials = mixed(batch)
    seeds = [trial % 3 for trial in range(len(trials))]
    wanted = run(name, trials, seeds=seeds, batch=batch, stack_trials=64)
    for size in (1, 3):
        found = run(name, trials, seeds=seeds, batch=batch, stack_trials=size)
        assert found == wanted


@every_problem
def test_weights_that_are_kept_are_those_that_were_judged(name: str) -> None:
    trials = [*(Configuration(rule, batch=64) for rule in RULES), sgd(1e12)]
    validation = examples(name, 64)[1].to(torch.device("cpu"), torch.float32)
    outcomes = run(name, trials, epochs=3, keep_weights=True, test=validation)
    for trial, outcome in zip(trials, outcomes, strict=True):
        if outcome.diverged_at is not None:
            assert outcome.weights == {}
            continue
        assert {n: tuple(w.shape) for n, w in outcome.weights.items()} == PROBLEMS[name].shapes
        alone = {name: weight[None] for name, weight in outcome.weights.items()}
        found = PROBLEMS[name].evaluate(alone, validation)
        judged = {metric: float(value[0]) for metric, value in found.items()}
        assert judged == pytest.approx(outcome.tested, rel=1e-5), trial.optimizer
    assert outcomes[-1].weights == {}
    assert run(name, trials[:1])[0].weights == {}


@pytest.mark.parametrize("name", ["linear", "relu", "tanh", "regression"])
def test_nor_does_it_in_double_precision(name: str) -> None:
    trials = mixed(64)
    wanted = run(name, trials, dtype=torch.float64)
    assert run(name, trials, dtype=torch.float64, stack_trials=1) == wanted


def test_gelu_in_double_precision_is_the_same_to_the_last_digits() -> None:
    """torch rounds the ends of a double-precision gelu otherwise than its middle."""
    trials = mixed(64)
    together = run("gelu and dropout", trials, dtype=torch.float64)
    alone = run("gelu and dropout", trials, dtype=torch.float64, stack_trials=1)
    for one, other in zip(together, alone, strict=True):
        assert one.metrics["loss"] == pytest.approx(other.metrics["loss"], rel=1e-12)


@every_problem
def test_a_mixed_stack_is_one_stack_a_rule(name: str) -> None:
    trials = mixed(64)
    together = run(name, trials)
    for rule in RULES:
        places = [place for place, trial in enumerate(trials) if trial.optimizer == rule]
        apart = run(name, [trials[place] for place in places])
        assert apart == [together[place] for place in places]


@every_problem
def test_several_seeds_in_one_stack_are_separate_runs(name: str) -> None:
    trials = [trial for trial in mixed(64)[:5] for _ in range(3)]
    seeds = [5, 0, 2**32 - 1] * 5
    together = run(name, trials, seeds=seeds)
    for seed in set(seeds):
        places = [place for place, other in enumerate(seeds) if other == seed]
        apart = run(name, [trials[place] for place in places], seeds=seed)
        assert apart == [together[place] for place in places]
    first = [outcome.metrics["loss"][-1] for outcome in together[:3]]
    assert len(set(first)) == 3


@every_problem
def test_the_same_trial_twice_is_twice_the_same(name: str) -> None:
    trials = mixed(64)
    assert run(name, trials * 2) == run(name, trials) * 2


@pytest.mark.parametrize("threads", [1, 2])
def test_a_large_stack_is_its_trials_one_by_one(threads: int) -> None:
    """Large enough that torch splits sums and products between threads."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(40_000, 6, generator=generator)
    data = Examples(inputs, inputs.sin().sum(1))
    problem = MLP(6, 1, SquaredError(), (12,), "tanh")
    trials = mixed("full")[:3]
    torch.set_num_threads(threads)
    together = train(problem, data, data, trials, epochs=3)
    alone = train(problem, data, data, trials, epochs=3, stack_trials=1)
    assert [o.metrics for o in together] == [o.metrics for o in alone]
    assert [o.training_loss for o in together] == [o.training_loss for o in alone]


def test_all_kinds_of_batches_mix_in_one_call() -> None:
    kinds: list[Batch] = ["full", 64, 150, "single", 1, 7]
    trials = [replace(trial, batch=kind) for trial in mixed(64)[:3] for kind in kinds]
    together = run("relu", trials, epochs=2)
    for kind in kinds:
        places = [place for place, trial in enumerate(trials) if trial.batch == kind]
        apart = run("relu", [trials[place] for place in places], epochs=2)
        assert apart == [together[place] for place in places]
    by_kind = {trial.batch: outcome for trial, outcome in zip(trials, together, strict=False)}
    assert by_kind["full"] == by_kind[150]
    assert by_kind["single"] == by_kind[1]


def test_a_batch_larger_than_the_data_is_all_of_it() -> None:
    assert run("relu", [sgd(0.1, 10**9)]) == run("relu", [sgd(0.1, "full")])


def test_outcomes_come_in_the_order_of_the_configurations() -> None:
    trials = mixed(64)
    outcomes = run("linear", trials)
    backwards = run("linear", trials[::-1])
    assert backwards == outcomes[::-1]
    assert len({tuple(outcome.metrics["loss"]) for outcome in outcomes}) == len(trials)


def test_every_epoch_is_measured() -> None:
    (outcome,) = run("relu", [sgd(0.1)], epochs=4)
    assert set(outcome.metrics) == set(outcome.untrained) == {"loss", "log_loss", "accuracy"}
    assert {len(curve) for curve in outcome.metrics.values()} == {4}
    assert len(outcome.training_loss) == 4
    assert outcome.diverged_at is None
    assert outcome.training_loss[-1] < outcome.training_loss[0]


def test_the_untrained_network_is_measured_first() -> None:
    outcomes = run("linear", [sgd(0.1), sgd(0.3)], seeds=[4, 5], dtype=torch.float64)
    for seed, outcome in zip((4, 5), outcomes, strict=True):
        answers = network((64, 10), "relu", seed).double()(VALIDATION.inputs)
        loss = torch.nn.functional.cross_entropy(answers, VALIDATION.targets)
        assert outcome.untrained["loss"] == pytest.approx(loss.item(), rel=1e-12)


def first_bad_step(trial: Configuration, epochs: int) -> int:
    """The first step of a plain loop whose loss is not finite or far above the untrained one."""
    net = network((64, 13, 10), "relu", 0)
    with torch.no_grad():
        answers = net.double()(VALIDATION.inputs)
        untrained = torch.nn.functional.cross_entropy(answers, VALIDATION.targets).item()
    losses = train_plainly(net, TRAINING, VALIDATION, trial, epochs, 0).step_losses
    return next(step for step, loss in enumerate(losses, 1) if not loss <= BLOW_UP * untrained)


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(sgd(1e300), id="not finite at once"),
        pytest.param(sgd(1e4), id="finite but far too high"),
        pytest.param(
            Configuration("sgd", {"learning_rate": 3e3}, "linear", {"warmup": 0.5}),
            id="while it warms up",
        ),
    ],
)
def test_a_diverging_trial_leaves_and_disturbs_nobody(lost: Configuration) -> None:
    trials, epochs, place = mixed(64), 5, 4
    without = run("relu", trials, epochs=epochs, dtype=torch.float64)
    assert all(outcome.diverged_at is None for outcome in without)
    outcomes = run(
        "relu", [*trials[:place], lost, *trials[place:]], epochs=epochs, dtype=torch.float64
    )
    gone = outcomes.pop(place)
    assert outcomes == without
    assert gone.diverged_at == first_bad_step(lost, epochs)
    finished = len(gone.training_loss)
    assert finished < epochs
    assert {len(curve) for curve in gone.metrics.values()} <= {finished}
    assert gone.untrained == without[0].untrained


BOLD = Configuration("adam", {"learning_rate": 2.0}, "cosine", batch="full")


def test_a_trial_that_overshoots_and_recovers_trains_on() -> None:
    """As the plain loop does; nothing tells beforehand which of them come back."""
    (outcome,) = run("relu", [BOLD], epochs=100, dtype=torch.float64)
    untrained = outcome.untrained["loss"]
    assert max(outcome.training_loss) > BLOW_UP * untrained
    assert outcome.diverged_at is None
    assert outcome.metrics["loss"][-1] < untrained
    plain = train_plainly(network((64, 13, 10), "relu", 0), TRAINING, VALIDATION, BOLD, 100, 0)
    assert outcome.training_loss == pytest.approx(plain.step_losses, rel=1e-6)


def test_one_that_has_not_recovered_at_its_end_has_diverged() -> None:
    (outcome,) = run("relu", [BOLD], epochs=10, dtype=torch.float64)
    losses = outcome.training_loss
    assert losses[-1] < max(losses)  # though it was on its way
    step = next(step for step, loss in enumerate(losses, 1) if loss > BLOW_UP * outcome.untrained["loss"])  # fmt: skip
    assert outcome.diverged_at == step


def test_divergence_is_noticed_in_an_epoch_after_good_ones() -> None:
    late = Configuration("sgd", {"learning_rate": 1e5}, "constant", {"warmup": 0.9}, "full")
    steady = sgd(0.1, "full")
    gone, kept = run("relu", [late, steady], epochs=20, dtype=torch.float64)
    assert gone.diverged_at is not None
    assert 1 < gone.diverged_at <= 20
    assert gone.diverged_at <= len(gone.metrics["loss"]) < 20  # it might have recovered
    assert [kept] == run("relu", [steady], epochs=20, dtype=torch.float64)


def test_a_blow_up_need_not_reach_infinity() -> None:
    (gone,) = run("linear", [sgd(1e4)])
    ceiling = BLOW_UP * gone.untrained["loss"]
    net = network((64, 10), "relu", 0)
    losses = train_plainly(net, TRAINING, VALIDATION, sgd(1e4), 1, 0).step_losses
    assert all(loss < float("inf") for loss in losses)
    assert sum(losses) / len(losses) > ceiling
    assert gone.diverged_at == 1 + next(i for i, loss in enumerate(losses) if loss > ceiling)


def test_a_weight_that_is_lost_after_the_last_loss_is_noticed_too() -> None:
    """The only step of the epoch had a good loss; what it did shows in the validation metrics."""
    (gone,) = run("relu", [sgd(1e300, "full")], epochs=2)
    assert gone.diverged_at == 1
    assert gone.metrics == {}


@pytest.mark.parametrize("size", [1, 2, 64])
def test_all_trials_may_diverge(size: int) -> None:
    outcomes = run("relu", [sgd(1e300), sgd(1e30), sgd(1e20)], stack_trials=size)
    assert [outcome.metrics for outcome in outcomes] == [{}] * 3
    assert [outcome.training_loss for outcome in outcomes] == [[]] * 3
    assert all(outcome.diverged_at in (2, 3) for outcome in outcomes)
    assert all(outcome.untrained["loss"] > 0 for outcome in outcomes)


def test_the_survivors_of_a_stack_train_on_alone() -> None:
    steady = mixed(64)[0]
    for others in ([sgd(1e300)], [sgd(1e300), sgd(1e20)]):
        assert run("relu", [*others, steady], epochs=4)[-1:] == run("relu", [steady], epochs=4)


def test_training_ends_when_nobody_wants_it_any_more() -> None:
    trials = sorted(mixed(64)[:4], key=lambda trial: trial.optimizer)  # as stacks are made
    # Three steps an epoch; an epoch that is left within is as if it had not begun.
    answers = iter([*[True] * 6, False, *[True] * 4, False])
    outcomes = run("relu", trials, epochs=5, stack_trials=2, keep_going=lambda: next(answers))
    assert [len(outcome.metrics["loss"]) for outcome in outcomes] == [2, 2, 1, 1]
    assert all(outcome.diverged_at is None for outcome in outcomes)
    whole = run("relu", trials, epochs=5)
    for short, full in zip(outcomes, whole, strict=True):
        reached = len(short.metrics["loss"])
        assert short.metrics["loss"] == full.metrics["loss"][:reached]


def test_training_may_end_before_it_began() -> None:
    outcomes = run("relu", [sgd(0.1)] * 2, keep_going=lambda: False)
    assert [outcome.metrics for outcome in outcomes] == [{}, {}]
    assert outcomes[0].untrained["loss"] > 0


def test_test_examples_are_judged_once_by_the_final_weights() -> None:
    trials = [*mixed(64)[:6], sgd(1e300)]
    outcomes = run("relu", trials, test=VALIDATION)
    for outcome in outcomes[:-1]:
        last = {name: values[-1] for name, values in outcome.metrics.items()}
        assert outcome.tested == last  # the test examples are the validation examples here
    assert outcomes[-1].tested == {}
    for tested, untested in zip(outcomes, run("relu", trials), strict=True):
        assert untested.tested == {}
        assert tested.metrics == untested.metrics


def test_a_training_that_was_ended_early_is_not_tested() -> None:
    answers = iter([True] * 5 + [False])
    (outcome,) = run("relu", [sgd(0.1)], test=VALIDATION, keep_going=lambda: next(answers))
    assert (len(outcome.metrics["loss"]), outcome.tested) == (1, {})
