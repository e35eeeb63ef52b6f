"""A small transformer for texts, stacked: one block."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optimizers.errors import InvalidProblem, whole_number
from optimizers.models import initial
from optimizers.models.linear_head import LinearHead
from optimizers.models.text import PADDING, check_texts, look_up, mean_of_tokens
from optimizers.objectives import Objective
from optimizers.problem import Examples, Weights


class Transformer(LinearHead):
    """Embeddings and positions, one pre-norm block, layer norm, the mean over tokens, linear.

    The block is `torch.nn.TransformerEncoderLayer` with ``norm_first=True`` and gelu: self-attention
    and a layer of hidden units, each after a layer norm and added to what it was made from. Nobody
    attends to padding, and padding is left out of the mean.

    Sources: Vaswani et al. 2017 (arXiv:1706.03762), section 3; layer norms first as in Xiong et
    al. 2020 (arXiv:2002.04745), figure 1b.

    Args:
        vocabulary: number of tokens, padding (0) among them.
        length: tokens of the longest text.
        outputs: number of classes, or 1 for regression.
        objective: the loss and the metrics.
        width: of an embedding.
        heads: of the attention; they divide the width.
        hidden: units of the block's hidden layer.
        dropout: share of the mean's numbers set to zero in training, in [0, 1); nowhere else.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        outputs: int,
        objective: Objective,
        width: int = 32,
        heads: int = 4,
        hidden: int = 128,
        dropout: float = 0.0,
    ) -> None:
        self.vocabulary = whole_number("vocabulary", vocabulary, least=2)
        self.length = whole_number("length", length, least=1)
        self.width = whole_number("width", width, least=1)
        self.heads = whole_number("heads", heads, least=1)
        self.hidden = whole_number("hidden", hidden, least=1)
        if width % heads:
            raise InvalidProblem("heads", heads, f"a divisor of the width, {width}")
        super().__init__(width, outputs, objective, dropout)

    def check(self, examples: Examples) -> None:
        """Inputs must be texts of the vocabulary and not too long; targets must fit."""
        check_texts(examples.inputs, self.vocabulary)
        shape = tuple(examples.inputs.shape)
        if shape[1] > self.length:
            raise InvalidProblem(
                "inputs", shape, f"of shape (rows, length), length at most {self.length}"
            )
        super().check(examples)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The block's names are those of `torch.nn.TransformerEncoderLayer`."""
        d = self.width
        return {
            "token.weight": (self.vocabulary, d),
            "position.weight": (self.length, d),
            "block.self_attn.in_proj_weight": (3 * d, d),
            "block.self_attn.in_proj_bias": (3 * d,),
            "block.self_attn.out_proj.weight": (d, d),
            "block.self_attn.out_proj.bias": (d,),
            "block.linear1.weight": (self.hidden, d),
            "block.linear1.bias": (self.hidden,),
            "block.linear2.weight": (d, self.hidden),
            "block.linear2.bias": (d,),
            "block.norm1.weight": (d,),
            "block.norm1.bias": (d,),
            "block.norm2.weight": (d,),
            "block.norm2.bias": (d,),
            "norm.weight": (d,),
            "norm.bias": (d,),
            **super().shapes,
        }

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """The numbers that torch.nn's layers would draw, one after another; padding's row zero."""
        d = self.width
        token = initial.embedding(self.vocabulary, d, generator)
        token[PADDING] = 0
        position = initial.embedding(self.length, d, generator)
        # As torch.nn.MultiheadAttention draws: the way out first, its bias in vain.
        way_out, _ = initial.affine((d, d), generator)
        way_in = nn.init.xavier_uniform_(torch.empty(3 * d, d), generator=generator)
        weights = {
            "token.weight": token,
            "position.weight": position,
            "block.self_attn.in_proj_weight": way_in,
            "block.self_attn.in_proj_bias": torch.zeros(3 * d),
            "block.self_attn.out_proj.weight": way_out,
            "block.self_attn.out_proj.bias": torch.zeros(d),
        }
        for name, shape in (
            ("block.linear1", (self.hidden, d)),
            ("block.linear2", (d, self.hidden)),
        ):
            weights[f"{name}.weight"], weights[f"{name}.bias"] = initial.affine(shape, generator)
        for name in ("block.norm1", "block.norm2", "norm"):
            weights[f"{name}.weight"], weights[f"{name}.bias"] = initial.norm(d)
        return {**weights, **super().initial(generator)}

    def features(self, weights: Weights, inputs: Tensor) -> Tensor:
        """(K, batch, length) -> (K, width, batch)."""
        embedded = look_up(weights["token.weight"], inputs)  # (K, batch, length, width)
        x = embedded + weights["position.weight"][:, : inputs.shape[2]].unsqueeze(1)
        x = x.flatten(1, 2)  # (K, tokens, width), as everywhere in the block
        x = x + self._attended(weights, _normalised(weights, "block.norm1.", x), inputs)
        hidden = _linear(weights, "block.linear1.", _normalised(weights, "block.norm2.", x))
        x = x + _linear(weights, "block.linear2.", F.gelu(hidden))
        x = _normalised(weights, "norm.", x).view_as(embedded)
        return mean_of_tokens(x, inputs).transpose(1, 2)

    def _attended(self, weights: Weights, x: Tensor, texts: Tensor) -> Tensor:
        """Multi-head self-attention within each text: (K, tokens, width) -> the same shape."""
        trials, batch, length = texts.shape
        split = (trials, batch, length, 3, self.heads, self.width // self.heads)
        heads = _linear(weights, "block.self_attn.in_proj_", x).view(split)
        heads = heads.permute(3, 0, 1, 4, 2, 5).flatten(1, 3)
        query, key, value = heads.unbind()  # each (K * batch * heads, length, width / heads)
        # Not scaled_dot_product_attention: its derivative has no derivative, which curvature needs.
        scores = torch.bmm(query / split[-1] ** 0.5, key.transpose(1, 2))
        scores = scores.view(trials, batch, self.heads, length, length)
        padding = (texts == PADDING)[:, :, None, None]  # (K, batch, 1, 1, length)
        # Finite, so that a text of padding alone, with nothing to attend to, gives finite numbers.
        shares = scores.masked_fill(padding, torch.finfo(x.dtype).min).softmax(-1)
        found = torch.bmm(shares.flatten(0, 2), value).view(trials, batch, self.heads, length, -1)
        return _linear(weights, "block.self_attn.out_proj.", found.transpose(2, 3).reshape_as(x))

    def row_numbers(self, inputs: Tensor) -> int:
        """For each token: queries, keys and values, hidden units, or shares of attention."""
        length = inputs.shape[1]
        return length * max(3 * self.width, self.hidden, self.heads * length)


def _linear(weights: Weights, prefix: str, x: Tensor) -> Tensor:
    """(K, tokens, in) -> (K, tokens, out)."""
    weight, bias = weights[f"{prefix}weight"], weights[f"{prefix}bias"]
    return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))


def _normalised(weights: Weights, prefix: str, x: Tensor) -> Tensor:
    """Layer norm of every token's numbers: (K, tokens, width)."""
    weight, bias = weights[f"{prefix}weight"], weights[f"{prefix}bias"]
    return torch.addcmul(bias.unsqueeze(1), F.layer_norm(x, x.shape[2:]), weight.unsqueeze(1))
