"""Images in a column of a table: how they are kept, and as numbers."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

SHAPE = b"shape"  # key in the metadata of an image column's field
LEVELS = 256  # of a pixel's channel


class ImageShape(NamedTuple):
    """Rows of pixels, pixels in a row, and channels: 1 for grey, 3 for red, green and blue."""

    height: int
    width: int
    channels: int


def image_field(name: str, shape: ImageShape) -> pa.Field:
    """The field of a column of images: their bytes, and their shape beside them."""
    kind = pa.binary(shape.height * shape.width * shape.channels)
    return pa.field(name, kind, metadata={SHAPE: " ".join(map(str, shape)).encode()})


def shape_of(field: pa.Field) -> ImageShape | None:
    """The shape of a column's images; None if it holds none."""
    said = (field.metadata or {}).get(SHAPE)
    return None if said is None else ImageShape(*map(int, said.split()))


def image_column(images: NDArray[np.uint8]) -> pa.Array:
    """Images as the values of a column, from (rows, height, width, channels)."""
    size = int(np.prod(images.shape[1:]))
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(size), len(images), [None, pa.py_buffer(np.ascontiguousarray(images))]
    )


def pixels(column: pa.ChunkedArray, shape: ImageShape) -> NDArray[np.uint8]:
    """The images of a column: (rows, height, width, channels)."""
    values: list[Any] = column.to_pylist()
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), *shape)


def standardised(images: NDArray[np.uint8], training: NDArray[np.int64]) -> NDArray[np.float32]:
    """Each channel less its mean and divided by its deviation, those of the training rows.

    There are 256 levels only, so each is computed once and looked up: exact, whatever the order.

    Args:
        images: (rows, height, width, channels).
        training: numbers of the training rows.

    Returns:
        Channels first: (rows, channels, height, width).
    """
    levels = np.arange(LEVELS, dtype=np.float64)
    rows, height, width, channels = images.shape
    inputs = np.empty((rows, channels, height, width), dtype=np.float32)
    for channel in range(channels):
        counts = np.bincount(images[training, :, :, channel].ravel(), minlength=LEVELS)
        mean = (counts * levels).sum() / counts.sum()
        deviation = np.sqrt((counts * (levels - mean) ** 2).sum() / counts.sum()) or 1.0
        inputs[:, channel] = ((levels - mean) / deviation).astype(np.float32)[images[..., channel]]
    return inputs
