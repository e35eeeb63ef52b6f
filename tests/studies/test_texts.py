"""Texts: recognised, numbered or weighted by the training rows, trained, and by a script alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optimizers.configuration import Configuration
from studies.data.prepare import prepare
from studies.data.schema import describe
from studies.data.texts import TOKENS, WORDS, tokens
from studies.errors import DataError, SpecError
from studies.resolve import resolve
from studies.spec import StudySpec
from tests.studies.reviews import ROWS, file, table
from tests.studies.scripts import Case, alone, case
from tests.studies.test_script import compare
from tests.studies.test_script_training import agree


def test_texts_are_told_from_names_and_categories() -> None:
    source = table(
        name=[f"id-{i}" for i in range(ROWS)],
        place=[["on the left hand side", "on the right hand side"][i % 2] for i in range(ROWS)],
    )
    kinds = {c.name: (c.kind, c.left_out) for c in describe(source).columns}
    assert kinds == {
        "review": ("text", None),
        "name": ("categorical", "identifier"),
        "place": ("categorical", None),
        "verdict": ("categorical", None),
    }


def test_words_are_numbered_by_the_training_rows_alone() -> None:
    texts = ["b a b", "a C. b!", None, "...", "d a", "a " * (TOKENS + 5)]
    found = tokens(texts, np.array([0, 1, 2]))
    wanted = [[2, 3, 2], [3, 4, 2], [1, 0, 0], [1, 0, 0], [1, 3, 0], [3, 3, 3]]
    np.testing.assert_array_equal(found, wanted)
    assert tokens(texts, np.array([5])).shape == (6, TOKENS)
    many = [" ".join(f"w{i}" for i in range(60 * row, 60 * row + 60)) for row in range(30)]
    assert tokens(many, np.arange(30)).max() == WORDS + 1


def test_texts_alone_are_read_by_a_bag_of_words_and_others_beside() -> None:
    alone_ = resolve(StudySpec(), describe(table()))
    assert alone_.spec.model.kind == "text"
    assert alone_.inferred["model.kind"] == "'review' holds texts"
    data = prepare(table(), describe(table()), alone_.spec)
    assert data.train.inputs.dtype == np.int64
    source = table(size=[i % 7 for i in range(ROWS)])
    spec = resolve(StudySpec(), describe(source)).spec
    assert spec.model.kind == "mlp"
    data = prepare(source, describe(source), spec)
    assert data.features[0] == "size"
    assert {"review:lovely", "review:slow"} <= set(data.features)
    assert data.train.inputs.dtype == np.float32


def test_a_network_of_texts_takes_nothing_beside() -> None:
    source = table(size=[i % 7 for i in range(ROWS)])
    with pytest.raises(SpecError) as caught:
        resolve(StudySpec.model_validate({"model": {"kind": "transformer"}}), describe(source))
    assert (caught.value.field, caught.value.value) == ("model.kind", "transformer")
    assert caught.value.allowed == ["linear", "mlp"]
    assert "needs one column of texts and no other feature" in str(caught.value)
    fields = {"model": {"kind": "transformer"}, "columns": {"size": "ignored"}}
    assert resolve(StudySpec.model_validate(fields), describe(source)).spec.model.heads == 4


def test_a_text_cannot_be_predicted() -> None:
    source = table(size=[i % 7 for i in range(ROWS)])
    with pytest.raises(SpecError, match="target 'review' holds texts, which cannot be predicted"):
        resolve(StudySpec(target="review"), describe(source))


def test_texts_without_words_are_refused() -> None:
    source = table(size=[i % 7 for i in range(ROWS)], odd=[f"? ! . {i % 9}" for i in range(ROWS)])
    fields = {"columns": {"odd": "text"}}
    spec = resolve(StudySpec.model_validate(fields), describe(source)).spec
    with pytest.raises(DataError, match="has no word in the training rows") as caught:
        prepare(source, describe(source), spec)
    assert caught.value.field == "columns"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"kind": "transformer", "embedding": 30}, "heads must divide the embedding, 30; got 4"),
        ({"kind": "transformer", "hidden": [4, 4]}, '"transformer" has one hidden width; got 2'),
    ],
)
def test_a_transformer_that_cannot_be_built_is_refused(model: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StudySpec.model_validate({"model": model})


MODELS: dict[str, tuple[dict[str, Any], bool]] = {
    "text": ({"kind": "text", "embedding": 8}, False),
    "text with dropout": ({"kind": "text", "embedding": 8, "dropout": 0.3}, False),
    "transformer": ({"kind": "transformer", "embedding": 8, "heads": 2, "hidden": [12]}, False),
    "transformer with dropout": (
        {"kind": "transformer", "embedding": 8, "heads": 2, "hidden": [12], "dropout": 0.3},
        False,
    ),
    "weighted words": ({"kind": "linear"}, False),
    "weighted words beside others": ({"kind": "mlp", "hidden": [8]}, True),
}


def scripted(name: str, tmp_path: Path, *, gaps: bool) -> Case:
    model, beside = MODELS[name]
    source = file(tmp_path, beside=beside, gaps=gaps)
    return case(source, target="verdict", model=model, budget={"epochs": 2})


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_script_trains_on_texts_as_the_study_does(name: str, gaps: bool, tmp_path: Path) -> None:
    tested = scripted(name, tmp_path, gaps=gaps)
    compare(tested)
    configuration = Configuration("adam", {}, "cosine", batch=32)
    script = tested.script(configuration, 3)
    (training, validation, test), classes = script.prepare(script.read_columns(tested.file))
    torch.manual_seed(3)
    numbered = training[0].dtype == torch.int64
    inputs = int(training[0].max()) + 1 if numbered else training[0].shape[1]
    model = script.build_model(inputs, classes)
    script.train(model, training, validation, 3)
    for part, examples in (("validation", validation), ("test", test)):
        wanted = tested.stacked(configuration, 3, part)
        agree(script.evaluate(model, examples), wanted, len(examples[1]))


@pytest.mark.parametrize("name", MODELS)
def test_a_script_for_texts_runs_alone(name: str, tmp_path: Path) -> None:
    tested = scripted(name, tmp_path, gaps=True)
    script = tmp_path / "best.py"
    script.write_text(tested.source(Configuration("adam"), 1), encoding="utf-8")
    ran = alone(script, tested.file.name)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "no interval was stated" in ran.stdout


@pytest.mark.parametrize("name", ["text", "transformer", "weighted words beside others"])
def test_words_that_tell_are_learned(name: str, tmp_path: Path) -> None:
    model, beside = MODELS[name]
    source = file(tmp_path, beside=beside)
    tested = case(source, target="verdict", model=model, budget={"epochs": 30})
    configuration = Configuration("adam", {"learning_rate": 0.02}, batch=16)
    assert tested.stacked(configuration, 0, "test")["accuracy"] > 0.95
