"""Images: kept as bytes, standardised exactly, trained by a small CNN, and by its script alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optimizers.configuration import Configuration
from service.ingest import head, read_parquet, write_parquet
from studies.data.images import ImageShape, pixels, standardised
from studies.data.prepare import prepare
from studies.data.schema import describe
from studies.errors import SpecError
from studies.resolve import resolve
from studies.spec import StudySpec
from tests.studies.images import ROWS, case, table
from tests.studies.scripts import alone
from tests.studies.test_script import compare
from tests.studies.test_script_training import agree


def test_images_are_kept_to_the_last_bit(tmp_path: Path) -> None:
    source = table(channels=3)
    write_parquet(source, tmp_path / "kept")
    back = read_parquet(tmp_path / "kept")
    assert back.schema.equals(source.schema, check_metadata=True)
    column = describe(back).columns[0]
    assert (column.kind, column.shape, column.missing) == ("image", (8, 8, 3), 0)
    shape = ImageShape(8, 8, 3)
    np.testing.assert_array_equal(pixels(back["image"], shape), pixels(source["image"], shape))
    assert head(tmp_path / "kept", 1) == [{"image": (8, 8, 3), "label": 0}]


def test_each_channel_is_standardised_by_the_training_rows() -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (50, 4, 6, 3)).astype(np.uint8)
    images[..., 2] = 7
    training = np.arange(30)
    inputs = standardised(images, training)
    assert inputs.shape == (50, 3, 4, 6)
    for channel in range(2):
        plain = images[..., channel].astype(float)
        wanted = (plain - plain[training].mean()) / plain[training].std()
        np.testing.assert_allclose(inputs[:, channel], wanted, rtol=1e-6, atol=1e-6)
    assert not inputs[:, 2].any()


def test_images_are_learned_by_a_cnn_unless_asked_otherwise() -> None:
    schema = describe(table(extra=[i % 7 for i in range(ROWS)]))
    found = resolve(StudySpec(target="label"), schema)
    assert found.spec.model.kind == "cnn"
    assert found.inferred["model.kind"] == "'image' holds images"
    asked = resolve(StudySpec.model_validate({"model": {"kind": "linear"}}), schema)
    assert asked.spec.model.kind == "linear"
    assert resolve(found.spec, schema).spec == found.spec


def test_nothing_is_looked_at_beside_images() -> None:
    source = table(extra=[i % 7 for i in range(ROWS)])
    schema = describe(source)
    spec = resolve(StudySpec(target="label"), schema).spec
    data = prepare(source, schema, spec)
    assert data.features == ("image",)
    assert data.train.inputs.shape[1:] == (1, 8, 8)
    said = "left out, because it stands beside images, which are looked at alone: 'extra'"
    assert said in data.warnings
    plain = StudySpec.model_validate({"target": "label", "columns": {"image": "ignored"}})
    without = resolve(plain, schema).spec
    assert without.model.kind == "mlp"
    assert prepare(source, schema, without).features == ("extra",)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"target": "image"}, "target", "target 'image' holds images, which cannot be predicted"),
        (
            {"model": {"kind": "cnn", "channels": [4, 4, 4, 4]}},
            "model.channels",
            "model.channels must have at most 3 entries, as the sides of the images",
        ),
        (
            {"target": "label", "columns": {"image": "ignored"}, "model": {"kind": "cnn"}},
            "model.kind",
            "model.kind 'cnn' needs a column of images; the table has 1 usable column(s), numeric",
        ),
    ],
)
def test_what_does_not_fit_images_is_refused(
    fields: dict[str, Any], field: str, message: str
) -> None:
    schema = describe(table(extra=[i % 7 for i in range(ROWS)]))
    with pytest.raises(SpecError) as caught:
        resolve(StudySpec.model_validate(fields), schema)
    assert caught.value.field == field
    assert message in str(caught.value)


MODELS: dict[str, dict[str, Any]] = {
    "cnn": {"channels": [4, 6]},
    "dropout": {"kind": "cnn", "channels": [5], "activation": "tanh", "dropout": 0.3},
    "mlp": {"kind": "mlp", "hidden": [9]},
    "linear": {"kind": "linear"},
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_a_script_trains_on_images_as_the_study_does(
    name: str, channels: int, tmp_path: Path
) -> None:
    source = table(rows=150, channels=channels)
    fields = {"target": "label", "task": "classification", "budget": {"epochs": 2}}
    tested = case(tmp_path, source, model=MODELS[name], **fields)
    configuration = Configuration("adam", {}, "cosine", batch=32)
    script = compare(tested)
    script = tested.script(configuration, 3)
    (training, validation, test), classes = script.prepare(script.read_columns(tested.file))
    torch.manual_seed(3)
    model = script.build_model(training[0].shape[1], classes)
    script.train(model, training, validation, 3)
    for part, examples in (("validation", validation), ("test", test)):
        agree(
            script.evaluate(model, examples),
            tested.stacked(configuration, 3, part),
            len(examples[1]),
        )


def test_a_script_for_images_runs_alone(tmp_path: Path) -> None:
    gaps = [None if i % 10 == 0 else f"d{i % 3}" for i in range(150)]
    tested = case(tmp_path, table(rows=150, kind=gaps), target="kind", budget={"epochs": 1})
    script = tmp_path / "best.py"
    script.write_text(tested.source(Configuration("adam"), 1), encoding="utf-8")
    ran = alone(script, tested.file.name)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "no interval was stated" in ran.stdout


def test_a_cnn_learns_digits(tmp_path: Path) -> None:
    tested = case(tmp_path, table(rows=900), target="label", budget={"epochs": 15})
    configuration = Configuration("adam", {"learning_rate": 0.01}, "cosine", batch=32)
    assert tested.stacked(configuration, 0, "test")["accuracy"] > 0.9
