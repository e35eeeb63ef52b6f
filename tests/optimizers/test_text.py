"""Networks of texts: torch's numbers trial by trial, the same bits in any stack, and learning."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optimizers.configuration import Batch
from optimizers.errors import InvalidProblem
from optimizers.models.linear_head import LinearHead
from optimizers.models.text import EmbeddingBag
from optimizers.models.transformer import Transformer
from optimizers.objectives import CrossEntropy
from optimizers.problem import Examples
from tests.optimizers.alone import (
    TOLERANCES,
    accuracy,
    compare_initial_weights,
    compare_stacks,
    compare_training,
)

VOCABULARY, LENGTH, CLASSES = 19, 7, 3
TRIALS, BATCH = 4, 6


class Bag(nn.Module):
    """The bag of embeddings in torch.nn."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(VOCABULARY, 5, mode="mean", padding_idx=0)
        self.linear = nn.Linear(5, CLASSES)

    def forward(self, texts: Tensor) -> Tensor:
        answers: Tensor = self.linear(self.embedding(texts))
        return answers


class Block(nn.Module):
    """The transformer in torch.nn."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, 6, padding_idx=0)
        self.position = nn.Embedding(LENGTH, 6)
        self.block = nn.TransformerEncoderLayer(
            6, 2, 11, dropout=0.0, activation="gelu", norm_first=True, batch_first=True
        )
        self.norm = nn.LayerNorm(6)
        self.linear = nn.Linear(6, CLASSES)

    def forward(self, texts: Tensor) -> Tensor:
        padding = texts == 0
        x = self.token(texts) + self.position.weight[: texts.shape[1]]
        x = self.norm(self.block(x, src_key_padding_mask=padding))
        count = (~padding).sum(1, keepdim=True)
        answers: Tensor = self.linear(x.masked_fill(padding.unsqueeze(2), 0).sum(1) / count)
        return answers


def bag(dropout: float = 0.0) -> EmbeddingBag:
    return EmbeddingBag(VOCABULARY, CLASSES, CrossEntropy(), 5, dropout)


def transformer(dropout: float = 0.0) -> Transformer:
    return Transformer(VOCABULARY, LENGTH, CLASSES, CrossEntropy(), 6, 2, 11, dropout)


KINDS: dict[str, tuple[Any, type[nn.Module]]] = {
    "bag": (bag, Bag),
    "transformer": (transformer, Block),
}

every_kind = pytest.mark.parametrize("kind", KINDS)


def texts(*shape: int) -> Tensor:
    """Random texts, all but the longest filled up with padding; each has a token at least."""
    tokens = torch.randint(1, VOCABULARY, shape)
    lengths = torch.randint(1, shape[-1] + 1, shape[:-1])
    return tokens * (torch.arange(shape[-1]) < lengths.unsqueeze(-1))


def weights_of(problem: LinearHead, trials: int = TRIALS) -> dict[str, Tensor]:
    """Random weights, padding's embedding too."""
    return {
        name: torch.randn(trials, *shape, dtype=torch.float64)
        for name, shape in problem.shapes.items()
    }


def gradient_of(
    problem: LinearHead, weights: dict[str, Tensor], inputs: Tensor, targets: Tensor
) -> dict[str, Tensor]:
    found = {name: torch.full_like(weight, torch.nan) for name, weight in weights.items()}
    problem.gradient(weights, inputs, targets, (), found)
    return found


@every_kind
@pytest.mark.parametrize("length", [1, 4, LENGTH])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_each_trial_is_torchs_network(
    kind: str, length: int, dropout: float, dtype: torch.dtype
) -> None:
    build, torchs = KINDS[kind]
    targets = torch.randint(CLASSES, (TRIALS, BATCH))
    compare_training(build(dropout), torchs, texts(TRIALS, BATCH, length), targets, dtype)


@every_kind
def test_initial_weights_are_torchs_bit_for_bit(kind: str) -> None:
    build, torchs = KINDS[kind]
    compare_initial_weights(build(), torchs)


@every_kind
def test_weights_have_the_names_of_torchs(kind: str) -> None:
    build, torchs = KINDS[kind]
    assert list(build().shapes) == [name for name, _ in torchs().named_parameters()]


@every_kind
@pytest.mark.parametrize(("batch", "rows"), [("full", 11), ("single", 5), (8, 19)], ids=str)
def test_a_trial_is_the_same_bits_in_any_stack(kind: str, batch: Batch, rows: int) -> None:
    build, _ = KINDS[kind]
    examples = Examples(texts(rows, LENGTH), torch.arange(rows) % CLASSES)
    compare_stacks(build(dropout=0.2), examples, batch)


@every_kind
def test_a_text_of_padding_alone_gives_finite_numbers(kind: str) -> None:
    problem = KINDS[kind][0]()
    weights = weights_of(problem)
    inputs = torch.zeros(TRIALS, 2, LENGTH, dtype=torch.int64)
    targets = torch.zeros(TRIALS, 2, dtype=torch.int64)
    answers = problem.outputs(weights, inputs)
    assert torch.equal(answers, weights["linear.bias"].unsqueeze(2).expand_as(answers))
    gradient = gradient_of(problem, weights, inputs, targets)
    for name, slope in gradient.items():
        if name == "linear.bias":
            assert slope.isfinite().all()
            assert slope.any(1).all()
        else:
            assert not slope.any()
    inputs[:, 0, 0] = 3  # beside another text it changes nothing there
    both = problem.outputs(weights, inputs)[:, :, :1]
    torch.testing.assert_close(both, problem.outputs(weights, inputs[:, :1]), rtol=1e-12, atol=0.0)


@every_kind
def test_padding_changes_nothing_and_learns_nothing(kind: str) -> None:
    problem = KINDS[kind][0]()
    weights = weights_of(problem)
    short, targets = texts(TRIALS, BATCH, 4), torch.randint(CLASSES, (TRIALS, BATCH))
    filled = torch.nn.functional.pad(short, (0, LENGTH - 4))
    torch.testing.assert_close(
        problem.outputs(weights, filled), problem.outputs(weights, short), rtol=1e-10, atol=1e-12
    )
    gradient = gradient_of(problem, weights, filled, targets)
    table = next(iter(gradient.values()))
    assert not table[:, 0].any()
    assert table[:, 1:].any()


def test_a_bag_knows_no_order_and_a_transformer_does() -> None:
    inputs = torch.randint(1, VOCABULARY, (TRIALS, BATCH, LENGTH))
    for problem, changes in ((bag(), False), (transformer(), True)):
        weights = weights_of(problem)
        forth, back = (problem.outputs(weights, each) for each in (inputs, inputs.flip(2)))
        assert torch.allclose(forth, back, rtol=1e-10) is not changes


def test_a_bag_learns_which_words_are_good() -> None:
    inputs = texts(600, LENGTH)
    targets = ((inputs.sign() * (inputs % 2 * 2 - 1)).sum(1) > 0).long()
    problem = EmbeddingBag(VOCABULARY, 2, CrossEntropy(), 8)
    training, validation = (
        Examples(inputs[rows], targets[rows]) for rows in (slice(0, 400), slice(400, 600))
    )
    assert accuracy(problem, training, validation, rate=0.03, epochs=8) > 0.9


def test_a_transformer_learns_what_no_bag_can() -> None:
    """Whether the 1 comes before the 2, among other words."""
    inputs = torch.randint(3, VOCABULARY, (800, LENGTH))
    places = torch.rand(800, LENGTH).argsort(1)[:, :2]
    inputs.scatter_(1, places, torch.tensor([1, 2]).expand(800, 2))
    targets = (places[:, 0] < places[:, 1]).long()
    training, validation = (
        Examples(inputs[rows], targets[rows]) for rows in (slice(0, 600), slice(600, 800))
    )
    ordered = Transformer(VOCABULARY, LENGTH, 2, CrossEntropy(), 16, 2, 32)
    unordered = EmbeddingBag(VOCABULARY, 2, CrossEntropy(), 16)
    assert accuracy(ordered, training, validation, rate=0.01, epochs=12) > 0.9
    assert accuracy(unordered, training, validation, rate=0.01, epochs=12) < 0.65


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocabulary": 1}, "vocabulary must be a whole number at least 2. Got 1."),
        ({"width": 0}, "width must be a whole number at least 1. Got 0."),
        ({"outputs": 0}, "outputs must be a whole number at least 1. Got 0."),
        ({"dropout": 1.0}, "dropout must be a number at least 0 and below 1. Got 1.0."),
        ({"dropout": math.nan}, "dropout must be a number at least 0 and below 1. Got nan."),
        ({"length": 0}, "length must be a whole number at least 1. Got 0."),
        ({"heads": 0}, "heads must be a whole number at least 1. Got 0."),
        ({"heads": 5}, "heads must be a divisor of the width, 32. Got 5."),
        ({"hidden": 2.5}, "hidden must be a whole number at least 1. Got 2.5."),
    ],
)
def test_a_network_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {"vocabulary": 9, "outputs": 2, "objective": CrossEntropy()}
    with pytest.raises(InvalidProblem) as caught:
        Transformer(**({"length": 4} | usual | change))
    assert str(caught.value) == message
    if not change.keys() & {"length", "heads", "hidden"}:
        with pytest.raises(InvalidProblem) as caught:
            EmbeddingBag(**(usual | change))
        assert str(caught.value) == message


@every_kind
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.ones(3, 4), "inputs must be torch.int64 token numbers. Got torch.float32."),
        (
            torch.ones(3, 4, dtype=torch.int32),
            "inputs must be torch.int64 token numbers. Got torch.int32.",
        ),
        (
            torch.ones(3, dtype=torch.int64),
            "inputs must be of shape (rows, length). Got (3,).",
        ),
        (
            torch.ones(3, 0, dtype=torch.int64),
            "inputs must be of shape (rows, length). Got (3, 0).",
        ),
        (
            torch.tensor([[1, 2], [0, VOCABULARY], [3, 4]]),
            f"inputs must be token numbers from 0 to {VOCABULARY - 1}. Got {VOCABULARY}.",
        ),
        (
            torch.tensor([[1, 2], [0, -1], [3, 4]]),
            f"inputs must be token numbers from 0 to {VOCABULARY - 1}. Got -1.",
        ),
    ],
)
def test_texts_that_do_not_fit_are_refused(kind: str, inputs: Tensor, message: str) -> None:
    problem = KINDS[kind][0]()
    with pytest.raises(InvalidProblem) as caught:
        problem.check(Examples(inputs, torch.tensor([0, 1, 2])))
    assert str(caught.value) == message


def test_a_text_too_long_is_refused() -> None:
    examples = Examples(texts(3, LENGTH + 1), torch.tensor([0, 1, 2]))
    with pytest.raises(InvalidProblem) as caught:
        transformer().check(examples)
    assert str(caught.value) == (
        f"inputs must be of shape (rows, length), length at most {LENGTH}. Got (3, {LENGTH + 1})."
    )
    bag().check(examples)


@every_kind
def test_targets_that_do_not_fit_are_refused(kind: str) -> None:
    with pytest.raises(InvalidProblem, match=r"class numbers from 0 to 2\. Got 3"):
        KINDS[kind][0]().check(Examples(texts(2, 4), torch.tensor([0, 3])))
