"""Ordinary modules: stacked they are themselves, in plain PyTorch and as the written MLP."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optimizers.configuration import Batch, Configuration
from optimizers.errors import InvalidProblem
from optimizers.models.mlp import MLP
from optimizers.models.module import EVALUATION_ROWS, StackedModule
from optimizers.objectives import CrossEntropy, SquaredError
from optimizers.problem import Examples
from optimizers.training import train
from tests.optimizers.mixed import mixed
from tests.optimizers.peer import digits, train_plainly

TRAINING, VALIDATION = digits(slice(0, 150)), digits(slice(1000, 1101))
TRIALS, BATCH = 5, 13


class Tied(nn.Module):
    """Two layers that share one weight, and a last one."""

    def __init__(self) -> None:
        super().__init__()
        self.there, self.back = nn.Linear(64, 64), nn.Linear(64, 64)
        self.back.weight = self.there.weight
        self.last = nn.Linear(64, 10)

    def forward(self, rows: Tensor) -> Tensor:
        answers: Tensor = self.last(self.back(torch.tanh(self.there(rows))))
        return answers


class Positions(nn.Module):
    """Tokens with a constant buffer beside them."""

    place: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.token, self.last = nn.Embedding(17, 3), nn.Linear(3, 10)
        self.register_buffer("place", torch.linspace(0, 1, 64)[:, None])

    def forward(self, rows: Tensor) -> Tensor:
        answers: Tensor = self.last((self.token((16 * rows).long()) * self.place).mean(1))
        return answers


def frozen() -> nn.Module:
    """A network whose first layer stays as it is."""
    first = nn.Linear(64, 12).requires_grad_(False)
    for tensor in first.parameters():
        tensor.copy_(torch.arange(float(tensor.numel())).cos().view_as(tensor))
    return nn.Sequential(first, nn.ReLU(), nn.Linear(12, 10))


NETS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(64, 10),
    "mlp": lambda: nn.Sequential(nn.Linear(64, 13), nn.ReLU(), nn.Linear(13, 10)),
    "convolutions": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 4, 3, padding=1),
        nn.GroupNorm(2, 4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24, 10),
    ),
    "layer norm": lambda: nn.Sequential(
        nn.Linear(64, 16), nn.LayerNorm(16), nn.Tanh(), nn.Dropout(0.0), nn.Linear(16, 10)
    ),
    "tied": Tied,
    "positions": Positions,
    "frozen": frozen,
}
every_net = pytest.mark.parametrize("name", NETS)


def stacked(make: Callable[[], nn.Module]) -> StackedModule:
    return StackedModule(make, CrossEntropy())


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The module as a PyTorch user would draw it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def weights_of(problem: StackedModule) -> dict[str, Tensor]:
    """A stack's weights in double precision, another seed each trial."""
    drawn = [problem.initial(torch.Generator().manual_seed(seed)) for seed in range(TRIALS)]
    return {name: torch.stack([one[name] for one in drawn]).double() for name in problem.shapes}


def batch_of(features: int = 64, classes: int = 10) -> tuple[Tensor, Tensor]:
    """Inputs and targets, others in each trial."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(TRIALS, BATCH, features, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(classes, (TRIALS, BATCH), generator=generator)


def empty(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.full_like(tensor, torch.nan) for name, tensor in weights.items()}


@pytest.mark.parametrize("hidden", [(), (9,), (9, 6)], ids=str)
def test_a_sequence_of_layers_is_the_written_mlp(hidden: tuple[int, ...]) -> None:
    def make() -> nn.Module:
        pairs = pairwise((7, *hidden, 3))
        layers = [layer for pair in pairs for layer in (nn.Linear(*pair), nn.Tanh())]
        return nn.Sequential(*layers[:-1])

    problem, written = stacked(make), MLP(7, 3, CrossEntropy(), hidden, "tanh")
    names = dict(zip(problem.shapes, written.shapes, strict=True))
    for seed in (0, 2**32 - 1):
        ours, theirs = (
            one.initial(torch.Generator().manual_seed(seed)) for one in (problem, written)
        )
        assert all(torch.equal(ours[name], theirs[names[name]]) for name in names)

    weights, batch = weights_of(problem), batch_of(7, 3)
    found, wanted = empty(weights), {names[name]: t for name, t in empty(weights).items()}
    losses = problem.gradient(weights, *batch, (), found)
    by_name = {names[name]: tensor for name, tensor in weights.items()}
    written_losses = written.gradient(by_name, *batch, (), wanted)
    torch.testing.assert_close(losses, written_losses, rtol=1e-12, atol=1e-14)
    for name in names:
        torch.testing.assert_close(found[name], wanted[names[name]], rtol=1e-12, atol=1e-14)

    examples = Examples(batch[0][0], batch[1][0])
    judged, wanted = problem.evaluate(weights, examples), written.evaluate(by_name, examples)
    assert set(judged) == set(wanted)
    for metric in judged:
        torch.testing.assert_close(judged[metric], wanted[metric], rtol=1e-12, atol=1e-14)


@every_net
def test_a_row_is_the_module_alone(name: str) -> None:
    """To a tolerance: over a stack, torch adds products up in another order than alone."""
    problem = stacked(NETS[name])
    weights, (inputs, targets) = weights_of(problem), batch_of()
    found = empty(weights)
    losses = problem.gradient(weights, inputs, targets, (), found)
    for trial in range(TRIALS):
        module = seeded(NETS[name], trial).double()
        loss = nn.functional.cross_entropy(module(inputs[trial]), targets[trial])
        wanted = torch.autograd.grad(loss, [module.get_parameter(tensor) for tensor in weights])
        torch.testing.assert_close(losses[trial], loss.detach(), rtol=1e-12, atol=1e-14)
        for tensor, gradient in zip(weights, wanted, strict=True):
            torch.testing.assert_close(found[tensor][trial], gradient, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", ["convolutions", "layer norm", "tied"])
def test_training_is_a_plain_loops_trial_by_trial(name: str, optimizer: str) -> None:
    rates = {"sgd": (0.05, 0.4), "adam": (0.001, 0.02)}[optimizer]
    trials = [
        Configuration(optimizer, {"learning_rate": rate}, "cosine", batch=64) for rate in rates
    ]
    seeds = [3, 4]
    outcomes = train(
        stacked(NETS[name]),
        TRAINING,
        VALIDATION,
        trials,
        epochs=3,
        seeds=seeds,
        dtype=torch.float64,
    )
    for trial, seed, outcome in zip(trials, seeds, outcomes, strict=True):
        curves = train_plainly(
            seeded(NETS[name], seed), TRAINING, VALIDATION, trial, epochs=3, seed=seed
        )
        assert outcome.metrics["loss"] == pytest.approx(curves.validation, rel=1e-8)
        assert outcome.metrics["loss"][-1] < outcome.untrained["loss"]


@every_net
@pytest.mark.parametrize("batch", ["single", 64], ids=str)
def test_the_size_of_a_stack_changes_no_bit(name: str, batch: Batch) -> None:
    """A lone trial trains as two, so that even it runs the kernels of a stack."""
    rows = 6 if batch == "single" else 150
    training = Examples(TRAINING.inputs[:rows], TRAINING.targets[:rows])
    trials = mixed(batch, ("sgd", "adam", "sam", "sophia", "muon"))
    seeds = [trial % 3 for trial in range(len(trials))]
    problem = stacked(NETS[name])

    def run(stack_trials: int) -> list[object]:
        outcomes = train(
            problem, training, VALIDATION, trials, epochs=1, seeds=seeds, stack_trials=stack_trials
        )
        return [replace(outcome, seconds=0.0) for outcome in outcomes]

    assert run(1) == run(3) == run(64)


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.SiLU, nn.ELU, nn.Softplus, nn.GELU])
def test_it_changes_the_last_digits_where_torch_rounds_ends_otherwise(
    activation: type[nn.Module],
) -> None:
    """torch computes eight numbers at once, and what is left over by other instructions."""
    problem = stacked(lambda: nn.Sequential(nn.Linear(64, 13), activation(), nn.Linear(13, 10)))
    trials = mixed(7, ("sgd", "adam", "momentum"))

    def run(stack_trials: int) -> list[list[float]]:
        outcomes = train(
            problem,
            TRAINING,
            VALIDATION,
            trials,
            epochs=1,
            dtype=torch.float64,
            stack_trials=stack_trials,
        )
        return [outcome.metrics["loss"] for outcome in outcomes]

    for together, alone in zip(run(64), run(1), strict=True):
        assert together == pytest.approx(alone, rel=1e-10)


def test_regression_evaluates_in_blocks() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = 2 * EVALUATION_ROWS + 7
    inputs = torch.randn(rows, 3, 2, generator=generator, dtype=torch.float64)
    examples = Examples(inputs, inputs.sin().sum((1, 2)))

    def make() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.SiLU(), nn.Linear(8, 1))

    problem = StackedModule(make, SquaredError())
    problem.check(examples)
    found = problem.evaluate(weights_of(problem), examples)
    for trial in range(TRIALS):
        answers = seeded(make, trial).double()(inputs).squeeze(1)
        wanted = nn.functional.mse_loss(answers, examples.targets).item()
        assert found["loss"][trial].item() == pytest.approx(wanted, rel=1e-12)
    trials = [Configuration("adam", {"learning_rate": 0.01}, batch=64)]
    (outcome,) = train(problem, examples, examples, trials, epochs=20)
    assert outcome.metrics["loss"][-1] < 0.2 * outcome.untrained["loss"]


def test_whole_numbers_stay_tokens() -> None:
    tokens = Examples((16 * TRAINING.inputs).long(), TRAINING.targets)

    def make() -> nn.Module:
        return nn.Sequential(nn.Embedding(17, 4), nn.Flatten(), nn.Linear(256, 10))

    trials = [Configuration("adam", {"learning_rate": 0.01}, batch=32)]
    (outcome,) = train(stacked(make), tokens, tokens, trials, epochs=5)
    assert outcome.metrics["accuracy"][-1] > 0.9


def test_a_rate_far_too_high_is_recorded_as_diverged() -> None:
    trials = [Configuration("sgd", {"learning_rate": rate}, batch=64) for rate in (1e12, 0.1)]
    lost, other = train(stacked(NETS["mlp"]), TRAINING, VALIDATION, trials, epochs=2)
    assert lost.diverged_at is not None
    assert other.diverged_at is None


@every_net
def test_initial_weights_are_torchs_and_leave_its_random_state_alone(name: str) -> None:
    problem = stacked(NETS[name])
    before = torch.get_rng_state()
    generator = torch.Generator().manual_seed(7)
    drawn = problem.initial(generator)
    again = problem.initial(torch.Generator().manual_seed(7))
    other = problem.initial(generator)  # goes on where the first one ended
    problem.check(TRAINING)
    assert torch.equal(torch.get_rng_state(), before)
    module = seeded(NETS[name], 7)
    theirs = {n: tensor for n, tensor in module.named_parameters() if tensor.requires_grad}
    assert list(drawn) == list(theirs) == list(problem.shapes)
    assert {n: tuple(tensor.shape) for n, tensor in drawn.items()} == problem.shapes
    for tensor in drawn:
        assert torch.equal(drawn[tensor], theirs[tensor])
        assert torch.equal(drawn[tensor], again[tensor])
    assert any(not torch.equal(drawn[tensor], other[tensor]) for tensor in drawn)


def test_modules_in_double_precision_begin_in_single() -> None:
    problem = stacked(lambda: nn.Linear(64, 10).double())
    problem.check(TRAINING)
    assert problem.initial(torch.Generator())["weight"].dtype == torch.float32


def test_tied_weights_are_one_tensor() -> None:
    assert "back.weight" not in stacked(Tied).shapes


def test_frozen_weights_are_not_trained() -> None:
    assert list(stacked(frozen).shapes) == ["2.weight", "2.bias"]


class Twice(nn.Module):
    """Answers twice as much in training as in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, rows: Tensor) -> Tensor:
        answers: Tensor = self.layer(rows)
        return 2 * answers if self.training else answers


def test_modules_are_judged_in_evaluation_mode() -> None:
    twice, once = stacked(Twice), stacked(NETS["linear"])
    weights = weights_of(once)
    own = {f"layer.{name}": tensor for name, tensor in weights.items()}
    inputs, _ = batch_of()
    assert torch.equal(twice.outputs(own, inputs), 2 * once.outputs(weights, inputs))
    assert torch.equal(
        twice.evaluate(own, VALIDATION)["loss"], once.evaluate(weights, VALIDATION)["loss"]
    )


class Odd(nn.Module):
    """A layer, and something done to its answers that a test asks for."""

    count: Tensor

    def __init__(self, change: Callable[["Odd", Tensor], object]) -> None:
        super().__init__()
        self.layer, self.change = nn.Linear(64, 10), change
        self.register_buffer("count", torch.zeros(()))

    def forward(self, rows: Tensor) -> object:
        return self.change(self, self.layer(rows))


def odd(change: Callable[[Odd, Tensor], object]) -> Callable[[], nn.Module]:
    return lambda: Odd(change)


def counted_anew(module: Odd, answers: Tensor) -> Tensor:
    module.count = module.count + 1
    return answers


def idle() -> nn.Module:
    module = nn.Linear(64, 10)
    module.register_module("more", nn.Linear(2, 2))
    return module


def complex_weights() -> nn.Module:
    return nn.Linear(64, 10, dtype=torch.complex64)


def drawn_by_numpy() -> nn.Module:
    module = nn.Linear(64, 10)
    with torch.no_grad():
        module.bias.copy_(torch.from_numpy(np.random.default_rng().normal(size=10)))
    return module


ONE = nn.Linear(64, 10)

AT_CONSTRUCTION: dict[str, tuple[Callable[[], object], str]] = {
    "not a module": (
        lambda: torch.relu,
        "make must be what builds a torch.nn.Module. Got 'builtin_function_or_method'.",
    ),
    "the same module again": (lambda: ONE, "make must be what builds a new one each time. Got "),
    "random numbers from elsewhere": (
        drawn_by_numpy,
        "make must be what draws all its random numbers from torch's global generator on the "
        "CPU. Got 'other numbers in bias at the second call'.",
    ),
    "a frozen layer drawn at random": (
        lambda: nn.Sequential(nn.Linear(64, 9).requires_grad_(False), nn.Linear(9, 10)),
        "make must be what builds the same buffers and frozen weights. "
        "Got 'others in 0.weight, 0.bias under another seed'.",
    ),
    "batch norm": (
        lambda: nn.Sequential(nn.Linear(64, 10), nn.BatchNorm1d(10)),
        "module must be without batch norm: layer and group norm can be stacked. "
        'Got "BatchNorm1d(10, ',
    ),
    "dropout": (
        lambda: nn.Sequential(nn.Linear(64, 10), nn.Dropout(0.3)),
        "module must be without dropout: p = 0, or a problem that draws masks in `noise`, as MLP "
        "does. Got \"Dropout(p=0.3, inplace=False) as '1'\".",
    ),
    "dropout by itself": (lambda: nn.AlphaDropout(0.2), "module must be without dropout: "),
    **{
        cell.__name__: (
            partial(cell, 8, 10),
            "module must be without LSTM, GRU and RNN: write the cell in Linear layers. "
            f"Got '{cell.__name__}(8, 10)'.",
        )
        for cell in (nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell)
    },
    "lazy": (
        lambda: nn.Sequential(nn.LazyLinear(10)),
        "module must be of known shapes: run it once inside `make`. Got 'lazy 0.weight, 0.bias'.",
    ),
    "complex": (complex_weights, "weight must be of floating numbers. Got torch.complex64."),
    "no weights": (
        nn.Flatten,
        "module must be with at least one weight to train. Got 'nothing to train'.",
    ),
    "all frozen": (
        lambda: nn.Linear(64, 10).requires_grad_(False),
        "module must be with at least one weight to train. Got 'nothing to train'.",
    ),
}

VMAP = "module must be one that torch.func.vmap and autograd can take: no .item(), no branches "
CHANGES = "module must be without running statistics or other changes in its forward pass. "
AT_CHECK: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "running statistics": (
        lambda: nn.Sequential(
            nn.Unflatten(1, (4, 16)),
            nn.InstanceNorm1d(4, track_running_stats=True),
            nn.Flatten(),
            nn.Linear(64, 10),
        ),
        CHANGES + "Got 'a forward pass that changes 1.running_mean, 1.running_var'.",
    ),
    "a buffer changed in place": (
        odd(lambda module, answers: answers * module.count.add_(1)),
        CHANGES + "Got 'a forward pass that changes count'.",
    ),
    "a buffer set anew": (
        odd(counted_anew),
        CHANGES + "Got 'a forward pass that changes count'.",
    ),
    "a weight changed in place": (
        lambda: nn.Sequential(
            nn.Unflatten(1, (1, 64)),
            odd(lambda module, answers: (module.layer.weight.data.mul_(0.9), answers)[1])(),
            nn.Flatten(),
        ),
        CHANGES + "Got 'a forward pass that changes 1.layer.weight'.",
    ),
    "item": (odd(lambda _, answers: answers * answers.sum().item()), VMAP),
    "a branch on data": (odd(lambda _, answers: answers if answers.sum() > 0 else -answers), VMAP),
    "random numbers": (odd(lambda _, answers: answers + torch.randn(10)), VMAP),
    "functional dropout": (odd(lambda _, answers: nn.functional.dropout(answers, 0.5)), VMAP),
    "no derivative": (odd(lambda _, answers: answers.detach()), VMAP),
    "idle weights": (
        idle,
        "module must be without idle weights. Got 'unused more.weight, more.bias'.",
    ),
    "other features": (
        lambda: nn.Linear(63, 10),
        "module must be able to take torch.float32 inputs of shape (3, 64). "
        "Got 'RuntimeError: mat1 and mat2 shapes cannot be multiplied (3x64 and 63x10)'.",
    ),
    "not a tensor": (
        odd(lambda _, answers: {"answers": answers}),
        "outputs must be a tensor, (rows, outputs). Got 'dict'.",
    ),
    "too many dimensions": (
        odd(lambda _, answers: answers.unsqueeze(2)),
        "outputs must be of shape (3, outputs) for as many rows. Got (3, 10, 1).",
    ),
    "too few dimensions": (
        odd(lambda _, answers: answers[:, 0]),
        "outputs must be of shape (3, outputs) for as many rows. Got (3,).",
    ),
    "rows last": (
        odd(lambda _, answers: answers.T),
        "outputs must be of shape (3, outputs) for as many rows. Got (10, 3).",
    ),
    "too few classes": (
        lambda: nn.Linear(64, 9),
        "targets must be class numbers from 0 to 8. Got 9.",
    ),
}
WITH_CAUSE = {
    "item", "a branch on data", "random numbers", "functional dropout", "no derivative",
    "other features",
}  # fmt: skip


@pytest.mark.parametrize("case", AT_CONSTRUCTION)
def test_what_cannot_be_stacked_is_refused_at_once(case: str) -> None:
    make, words = AT_CONSTRUCTION[case]
    with pytest.raises(InvalidProblem, match=f"^{re.escape(words)}"):
        stacked(make)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", AT_CHECK)
def test_what_cannot_be_stacked_is_refused_after_a_dry_run(case: str) -> None:
    make, words = AT_CHECK[case]
    trials = [Configuration("sgd")]
    before = torch.get_rng_state()
    with pytest.raises(InvalidProblem, match=f"^{re.escape(words)}") as caught:
        train(stacked(make), TRAINING, VALIDATION, trials, epochs=1)
    assert (caught.value.__cause__ is not None) == (case in WITH_CAUSE)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_objective_that_takes_one_output_refuses_more() -> None:
    values = Examples(TRAINING.inputs, TRAINING.targets.double())
    with pytest.raises(InvalidProblem, match=r"^outputs must be 1 for regression. Got 10.$"):
        StackedModule(NETS["linear"], SquaredError()).check(values)


def test_outputs_that_lose_their_shape_in_smaller_batches_are_refused_there() -> None:
    problem = stacked(odd(lambda _, answers: answers.squeeze()))
    trials = [Configuration("sgd", batch="single")]
    words = "outputs must be of shape (1, outputs) for as many rows. Got (10,)."
    with pytest.raises(InvalidProblem, match=f"^{re.escape(words)}$"):
        train(problem, TRAINING, VALIDATION, trials, epochs=1)
