"""Digits as images, and studies of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.datasets import load_digits

from service.ingest import as_csv, read_parquet, write_parquet
from studies.data.dialect import STANDARD
from studies.data.images import ImageShape, image_column, image_field
from studies.data.prepare import prepare
from studies.data.schema import describe
from studies.resolve import resolve
from studies.spec import StudySpec
from tests.studies.scripts import Case

ROWS = 300


def table(rows: int = ROWS, channels: int = 1, **columns: Any) -> pa.Table:
    """Digits, and whatever else."""
    images, labels = load_digits(return_X_y=True)
    grey = (images[:rows] * 15).astype(np.uint8).reshape(-1, 8, 8, 1)
    coloured = np.concatenate([grey // (1 + place) for place in range(channels)], axis=3)
    others = {"label": labels[:rows], **columns}
    fields = [image_field("image", ImageShape(8, 8, channels))]
    fields += [pa.field(name, pa.array(values).type) for name, values in others.items()]
    arrays = [image_column(coloured), *(pa.array(values) for values in others.values())]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def case(tmp_path: Path, source: pa.Table, **fields: Any) -> Case:
    """A study of images, whose script reads the CSV that the service gives."""
    kept, file = tmp_path / "kept", tmp_path / "data.csv"
    write_parquet(source, kept)
    file.write_bytes(b"".join(as_csv(kept)))
    back = read_parquet(kept)
    schema = describe(back)
    spec = resolve(StudySpec.model_validate(fields), schema).spec
    return Case(file, schema, spec, prepare(back, schema, spec), STANDARD)
