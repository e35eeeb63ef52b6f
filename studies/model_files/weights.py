"""Weights as safetensors: numbers and their names, and nothing that could run."""

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from studies.trained import Trained

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weight (out, in) and bias (out,)."""


def layers(trained: Trained) -> list[Layer]:
    """The affine layers, in order; an activation stands between two of them."""
    count = len(trained.weights) // 2
    return [(trained.weights[f"{n}.weight"], trained.weights[f"{n}.bias"]) for n in range(count)]


def as_safetensors(trained: Trained) -> bytes:
    """A file that ``torch.nn.Sequential`` of Linear layers and activations loads as it is.

    The file's metadata has the preprocessing as JSON.
    """
    tensors = {}
    for place, (weight, bias) in enumerate(layers(trained)):
        tensors[f"{2 * place}.weight"], tensors[f"{2 * place}.bias"] = weight, bias
    # One entry: the order of several would be another each time.
    metadata = {"preprocessing": trained.preprocessing.model_dump_json()}
    return save({name: np.ascontiguousarray(each) for name, each in tensors.items()}, metadata)
