"""A trained network taken along: whoever unpacks it predicts as the study did."""

import csv
import io
import json
import runpy
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file

from optimizers.configuration import Configuration
from service.ingest import read_upload
from studies.data.prepare import Data, prepare
from studies.data.schema import describe
from studies.data.split import split
from studies.environment import present_environment
from studies.model_files import Form, Model, archive
from studies.model_files.graph import as_onnx
from studies.model_files.preprocess import encode
from studies.resolve import resolve
from studies.spec import StudySpec
from studies.trained import Trained, train_for_weights
from studies.verdict import Finalist
from studies.wave import WaveTrial, run_wave
from tests import datasets as tables
from tests.studies.test_preprocessing import ROWS, described, table
from tests.studies.test_preprocessing import prepared as prepared_table

CONFIGURATION = Configuration("adam", {"learning_rate": 0.01}, "cosine", batch=32)
MODELS: dict[str, dict[str, Any]] = {
    "linear": {"kind": "linear"},
    "relu": {"hidden": [16]},
    "tanh": {"hidden": [8, 5], "activation": "tanh"},
    "gelu": {"hidden": [8, 7, 6], "activation": "gelu", "dropout": 0.2},
}
FINALIST = Finalist(
    number=3,
    optimizer="adam",
    validation=0.1,
    mean=0.2,
    interval=(0.15, 0.25),
    next_run=(0.05, 0.35),
    seeds=10,
    diverged=0,
)


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tables.wine(tmp_path_factory.mktemp("files") / "wine.csv", imperfect=True)


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tables.diabetes(tmp_path_factory.mktemp("files") / "diabetes.csv", imperfect=True)


def study(file: Path, target: str, **fields: Any) -> tuple[StudySpec, Data]:
    source = read_upload(file).table
    schema = describe(source)
    wanted = {"target": target, "budget": {"epochs": 3}} | fields
    spec = resolve(StudySpec.model_validate(wanted), schema).spec
    return spec, prepare(source, schema, spec)


def made(spec: StudySpec, data: Data, seed: int = 1) -> Model:
    trained = train_for_weights(data, spec, WaveTrial(3, CONFIGURATION, seed))
    assert trained is not None
    return Model(
        trained=trained,
        spec=spec,
        configuration=CONFIGURATION,
        trial=3,
        seed=seed,
        finalist=FINALIST,
        repeats=True,
        dataset="wine",
        digest="0123456789abcdef" * 4,
        environment=present_environment(),
    )


def unpack(model: Model, form: Form, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(archive(model, form))) as archived:
        assert archived.namelist() == [
            "README.md",
            "preprocessing.json",
            "preprocess.py",
            f"model.{form}",
        ]
        archived.extractall(folder)
    return folder


def network(spec: StudySpec, trained: Trained) -> torch.nn.Sequential:
    """The network in plain torch, with the weights as training names them."""
    activations = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "gelu": torch.nn.GELU}
    layers: list[torch.nn.Module] = []
    for place in range(len(trained.weights) // 2):
        weight, bias = trained.weights[f"{place}.weight"], trained.weights[f"{place}.bias"]
        affine = torch.nn.Linear(weight.shape[1], weight.shape[0])
        affine.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
        layers += [affine, activations[spec.model.activation]()]
    return torch.nn.Sequential(*layers[:-1])


def outputs(
    model: torch.nn.Module, inputs: NDArray[np.float32] | NDArray[np.int64]
) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(torch.from_numpy(inputs))
    return found


@pytest.mark.parametrize("name", MODELS)
def test_trained_weights_score_as_the_study_does(wine: Path, name: str) -> None:
    spec, data = study(wine, "target", model=MODELS[name])
    member = WaveTrial(3, CONFIGURATION, 5)
    trained = train_for_weights(data, spec, member)
    again = train_for_weights(data, spec, member)
    assert trained is not None
    assert again is not None
    (result,) = run_wave(data, spec, [member])
    assert trained.validation == again.validation == result.metrics
    assert all(np.array_equal(trained.weights[n], again.weights[n]) for n in trained.weights)
    found = outputs(network(spec, trained), data.test.inputs)
    targets = torch.from_numpy(data.test.targets)
    assert trained.test["log_loss"] == pytest.approx(
        torch.nn.functional.cross_entropy(found, targets).item(), rel=1e-5
    )
    assert trained.rows == {"train": 112, "validation": 29, "test": 36}


def test_a_training_that_diverges_has_no_weights(wine: Path) -> None:
    spec, data = study(wine, "target")
    hopeless = Configuration("sgd", {"learning_rate": 1e12}, batch=32)
    assert train_for_weights(data, spec, WaveTrial(0, hopeless, 0)) is None


@pytest.mark.parametrize("name", MODELS)
def test_onnx_answers_as_torch_does(wine: Path, diabetes: Path, name: str) -> None:
    for file, target in ((wine, "target"), (diabetes, "progression")):
        spec, data = study(file, target, model=MODELS[name])
        trained = made(spec, data).trained
        graph = as_onnx(trained, spec.model.activation)
        onnx.checker.check_model(graph, full_check=True)
        session = onnxruntime.InferenceSession(graph.SerializeToString())
        (found,) = session.run(None, {"inputs": data.test.inputs})
        wanted = outputs(network(spec, trained), data.test.inputs)
        scale = 1.0
        if data.classes:
            wanted = torch.softmax(wanted, 1)
        else:
            wanted, scale = wanted * data.target_scale + data.target_mean, data.target_scale
        assert found.shape == tuple(wanted.shape)
        assert np.abs(found - wanted.numpy()).max() / scale < 1e-5
        (single,) = session.run(None, {"inputs": data.test.inputs[:1]})
        assert single == pytest.approx(found[:1], rel=1e-4)
        (metadata,) = graph.metadata_props
        assert json.loads(metadata.value) == trained.preprocessing.model_dump(mode="json")


def test_safetensors_load_into_a_plain_network(wine: Path, tmp_path: Path) -> None:
    spec, data = study(wine, "target", model=MODELS["tanh"])
    model = made(spec, data)
    file = unpack(model, "safetensors", tmp_path) / "model.safetensors"
    plain = network(spec, model.trained)
    wanted = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    for tensor in plain.state_dict().values():
        tensor.zero_()
    plain.load_state_dict(load_file(file))
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, wanted[name])
    with safe_open(file, "np") as opened:
        metadata = opened.metadata()
    assert json.loads(metadata["preprocessing"]) == json.loads(
        (tmp_path / "preprocessing.json").read_text()
    )


@pytest.mark.parametrize("form", ["safetensors", "onnx"])
@pytest.mark.parametrize("target", ["target", "progression"])
def test_the_code_of_the_card_predicts_the_file_of_the_study(
    wine: Path, diabetes: Path, target: str, form: Form, tmp_path: Path
) -> None:
    file = wine if target == "target" else diabetes
    spec, data = study(file, target, model=MODELS["relu"])
    model = made(spec, data)
    unpack(model, form, tmp_path)
    (tmp_path / "new.csv").write_bytes(file.read_bytes())
    code = (tmp_path / "README.md").read_text().split("```python\n")[1].split("```")[0]
    name = "probabilities" if data.classes else "predictions"
    saved = f"import numpy\nnumpy.save('found.npy', numpy.asarray({name}))\n"
    (tmp_path / "use.py").write_text(code + saved)
    ran = subprocess.run(
        [sys.executable, "use.py"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    with file.open(newline="") as text:
        known = [row for row in csv.DictReader(text) if row[target]]
    rows = split(len(known), spec.seed, _classes(known, target) if data.classes else None).test
    found = np.load(tmp_path / "found.npy")[: len(known)][rows]  # the last row has no target
    wanted = outputs(network(spec, model.trained), data.test.inputs)
    if data.classes:
        assert found == pytest.approx(torch.softmax(wanted, 1).numpy(), abs=1e-5)
    else:
        scaled = wanted * data.target_scale + data.target_mean
        assert found == pytest.approx(scaled.numpy(), rel=1e-4)


def _classes(rows: list[dict[str, str]], target: str) -> NDArray[np.int64]:
    return np.array([int(row[target]) for row in rows])


def test_rows_are_encoded_from_values_and_from_text() -> None:
    source = table()
    data = prepared_table(source)
    how = json.loads(described(data).model_dump_json())
    rows, parts = source.to_pylist(), split(ROWS, 0)
    texts = [{name: _text(value) for name, value in row.items()} for row in rows]
    for each in (rows, texts):
        made = np.array([encode(each[row], how) for row in parts.test], dtype=np.float32)
        assert np.array_equal(made, data.test.inputs)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else f" {value} "


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86400.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("00:01:05", 65.0),
    ],
)
def test_dates_and_times_become_seconds(text: str, seconds: float) -> None:
    column = {"name": "at", "kind": "date", "mean": 0.0, "scale": 1.0, "missing": -1.0}
    how = {
        "numeric": [column | {"indicator": True}],
        "categorical": [],
        "missing": [""],
        "largest": 1e38,
    }
    assert encode({"at": text}, how) == [seconds, 0.0]
    assert encode({"at": ""}, how) == [-1.0, 1.0]


def test_the_code_beside_the_weights_needs_python_alone(wine: Path, tmp_path: Path) -> None:
    unpack(made(*study(wine, "target")), "onnx", tmp_path)
    before = set(sys.modules)
    found = runpy.run_path(str(tmp_path / "preprocess.py"))
    assert found["encode"].__doc__ == encode.__doc__
    assert {name.partition(".")[0] for name in set(sys.modules) - before} <= sys.stdlib_module_names


def test_the_card_says_what_it_is_and_how_good(wine: Path) -> None:
    spec, data = study(wine, "target")
    model = made(spec, data)

    def card(**changed: Any) -> str:
        content = io.BytesIO(archive(replace(model, **changed), "onnx"))
        with zipfile.ZipFile(content) as archived:
            return archived.read("README.md").decode()

    text = card()
    for part in (
        "# A network that predicts `target`",
        "one of 3 classes from 15 columns of a table, `wine`",
        f"| test rows | {model.trained.test['log_loss']:.6g} | {model.trained.test['accuracy']:.6g} |",
        "mean test log_loss of 0.2, 95 % interval 0.15 to 0.25",
        "from seed 1. Of 177 rows 112 train, 29 validate and 36 test.",
        model.digest,
        "those of the study to the last bit",
        "No licence is claimed",
        present_environment().versions["torch"],
    ):
        assert part in text
    facts = json.loads(text.split("```json\n")[1].split("```")[0])
    assert Configuration.from_dict(facts["configuration"]) == CONFIGURATION
    assert "alcohol" in facts["columns"]
    assert "The study confirmed nothing" in card(finalist=None)
    assert "has changed since" in card(repeats=False)
    hostile = "a`b``c\n# Heading"
    assert "``` a`b``c # Heading ```" in card(dataset=hostile)


def test_the_same_model_gives_the_same_bytes(wine: Path) -> None:
    spec, data = study(wine, "target")
    for form in ("safetensors", "onnx"):
        assert archive(made(spec, data), form) == archive(made(spec, data), form)
