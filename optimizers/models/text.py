"""Texts as token numbers: what every network of texts needs, and the simplest such network."""

import torch
import torch.nn.functional as F
from torch import Tensor

from optimizers.errors import InvalidProblem, whole_number
from optimizers.models import initial
from optimizers.models.linear_head import LinearHead
from optimizers.objectives import Objective
from optimizers.problem import Examples, Weights

PADDING = 0
"""The token number that fills short texts up, and stands for nothing."""


def check_texts(texts: Tensor, vocabulary: int) -> None:
    """Whether they are texts of a vocabulary: (rows, length), int64, at least one token long.

    Raises:
        InvalidProblem: they are not.
    """
    if texts.dtype != torch.int64:
        raise InvalidProblem("inputs", texts.dtype, "torch.int64 token numbers")
    if texts.ndim != 2 or texts.shape[1] == 0:
        raise InvalidProblem("inputs", tuple(texts.shape), "of shape (rows, length)")
    for token in (int(texts.min()), int(texts.max())):
        if not 0 <= token < vocabulary:
            raise InvalidProblem("inputs", token, f"token numbers from 0 to {vocabulary - 1}")


def look_up(table: Tensor, texts: Tensor) -> Tensor:
    """Every token's row of its trial's table.

    All tables are looked up as one. The derivative adds up token by token, in the same order in
    any stack and on any number of threads, which that of ``table[trial, token]`` does not.

    Args:
        table: (K, vocabulary, width).
        texts: (K, batch, length).

    Returns:
        (K, batch, length, width).
    """
    first = torch.arange(len(table), device=table.device) * table.shape[1]
    return F.embedding(texts + first.view(-1, 1, 1), table.flatten(0, 1))


def mean_of_tokens(numbers: Tensor, texts: Tensor) -> Tensor:
    """The mean over a text's tokens; zeros where all is padding.

    Args:
        numbers: of each token, finite for padding too, (K, batch, length, width).
        texts: (K, batch, length).

    Returns:
        (K, batch, width).
    """
    there = (texts != PADDING).to(numbers.dtype)
    share = there / there.sum(2, keepdim=True).clamp(min=1)
    return (numbers * share.unsqueeze(3)).sum(2)


class EmbeddingBag(LinearHead):
    """The mean of the embeddings of a text's tokens, then a linear layer.

    The same as `torch.nn.EmbeddingBag` with ``padding_idx=0``, which knows the order of the
    tokens as little.

    Args:
        vocabulary: number of tokens, padding (0) among them.
        outputs: number of classes, or 1 for regression.
        objective: the loss and the metrics.
        width: of an embedding.
        dropout: share of the mean's numbers set to zero in training, in [0, 1).
    """

    def __init__(
        self,
        vocabulary: int,
        outputs: int,
        objective: Objective,
        width: int = 32,
        dropout: float = 0.0,
    ) -> None:
        self.table = (
            whole_number("vocabulary", vocabulary, least=2),
            whole_number("width", width, least=1),
        )
        super().__init__(width, outputs, objective, dropout)

    def check(self, examples: Examples) -> None:
        """Inputs must be texts of the vocabulary; targets must fit."""
        check_texts(examples.inputs, self.table[0])
        super().check(examples)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``embedding.weight`` (vocabulary, width), then the linear layer."""
        return {"embedding.weight": self.table, **super().shapes}

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """The numbers that torch.nn's layers would draw, padding's row zero."""
        table = initial.embedding(*self.table, generator)
        table[PADDING] = 0
        return {"embedding.weight": table, **super().initial(generator)}

    def features(self, weights: Weights, inputs: Tensor) -> Tensor:
        """(K, batch, length) -> (K, width, batch)."""
        embedded = look_up(weights["embedding.weight"], inputs)
        return mean_of_tokens(embedded, inputs).transpose(1, 2)

    def row_numbers(self, inputs: Tensor) -> int:
        """An embedding for each token."""
        return inputs.shape[1] * self.table[1]
