"""A script trains as a stack does: the same scores, in a process that has no part of this project.

Both compute in single precision, and sum in another order: over the few epochs that are trained here
scores lie some 1e-8 apart, r2 near zero 1e-7. `WITHIN` leaves two digits for other processors. An
accuracy moves, if at all, by one row on the border between two classes.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from optimizers.configuration import Configuration
from studies.script import Expected
from studies.spec import METRICS
from tests.datasets import breast_cancer, diabetes, wine
from tests.studies.scripts import BLOCKED, Case, alone, case

WITHIN = 1e-5
EPOCHS = 3

WARM = {"warmup": 0.3}
DROPPED = {"hidden": [8, 6], "dropout": 0.3}
LINEAR = {"kind": "linear"}

TRAININGS: dict[str, tuple[Callable[..., Path], dict[str, Any], Configuration]] = {
    "batch": (wine, LINEAR, Configuration("sgd", {"learning_rate": 0.3}, batch="full")),
    "stochastic": (wine, {"hidden": [8]}, Configuration("nesterov", {}, "step", batch="single")),
    "mini-batch": (breast_cancer, {"hidden": [16]}, Configuration("adam", {}, "cosine", WARM)),
    "regression": (diabetes, LINEAR, Configuration("adagrad", {}, "linear", batch=32)),
    "dropout": (diabetes, DROPPED, Configuration("adamw", {}, "one_cycle", batch=50)),
    "clipped": (
        wine,
        {"hidden": [8], "activation": "tanh"},
        Configuration("lion", {}, "cosine", batch=16, clip_norm=0.5, l2=0.01),
    ),
    "matrices": (breast_cancer, {"hidden": [8, 8]}, Configuration("muon", {}, "rex", WARM)),
    "all steps known": (wine, DROPPED, Configuration("ademamix", {}, "cosine", batch=32)),
    "gradient elsewhere": (diabetes, DROPPED, Configuration("sam", {}, "linear", batch=32)),
    "gradient elsewhere, weighted": (wine, DROPPED, Configuration("sam", {}, batch=32)),
    "curvature": (
        wine,
        DROPPED | {"activation": "gelu"},
        Configuration("sophia", {}, "constant", WARM, batch=16),
    ),
    "averaged": (
        breast_cancer,
        DROPPED,
        Configuration("schedule_free_adamw", {}, "constant", WARM),
    ),
    "whole batches alone": (wine, LINEAR, Configuration("rprop", batch="full")),
}
WEIGHTED: dict[str, dict[str, Any]] = {
    "batch": {"class_weight": {"1": 3.0}},
    "stochastic": {"class_weight": "balanced"},
    "gradient elsewhere, weighted": {"class_weight": "balanced", "split": {"kind": "random"}},
}
HASTY = {"patience": 0, "threshold": 0.2, "gamma": 0.3}
WATCHING = {
    "plateau": (wine, LINEAR, Configuration("adam", {}, "plateau", HASTY, batch=32)),
    "plateau of a regression": (
        diabetes,
        DROPPED,
        Configuration("sgd", {"learning_rate": 0.02}, "plateau", HASTY | {"warmup": 0.2}),
    ),
    "plateau of an average": (
        diabetes,
        {"hidden": [8]},
        Configuration("schedule_free_sgd", {"learning_rate": 0.1}, "plateau", HASTY, batch=16),
    ),
}


def made(name: str, tmp_path: Path) -> tuple[Case, Configuration]:
    """A case of imperfect data, and the configuration to train."""
    dataset, model, configuration = (TRAININGS | WATCHING)[name]
    file = dataset(tmp_path / "data.csv", imperfect=True)
    epochs = 3 * EPOCHS if name in WATCHING else EPOCHS
    spec = {"model": model, "budget": {"epochs": epochs}, **WEIGHTED.get(name, {})}
    return case(file, **spec), configuration


def agree(found: dict[str, float], wanted: dict[str, float], rows: int) -> None:
    """The same metrics, the same numbers."""
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        within = 1.01 / rows if name == "accuracy" else WITHIN
        assert value == pytest.approx(wanted[name], rel=WITHIN, abs=within), name


@pytest.mark.parametrize("name", [*TRAININGS, *WATCHING])
def test_a_script_trains_as_a_stack_does(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tested, configuration = made(name, tmp_path)
    script, seed = tested.script(configuration), 2**32 - 1
    (training, validation, test), found, *weights = script.prepare(script.read_columns(tested.file))
    scale = [found] if tested.spec.task == "regression" else []
    torch.manual_seed(seed)
    model = script.build_model(training[0].shape[1], 1 if scale else found)
    script.train(model, training, validation, *scale, *weights, seed)
    parts = {"validation": validation}
    if name in TRAININGS:  # where validation has a say, another part would train otherwise
        parts["test"] = test
    for part, examples in parts.items():
        scores = script.evaluate(model, examples, *scale)
        agree(scores, tested.stacked(configuration, seed, part), len(examples[1]))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == tested.spec.budget.epochs
    assert lines[-1].startswith(f"epoch {tested.spec.budget.epochs}: validation ")


def test_what_is_blocked_cannot_be_imported(tmp_path: Path) -> None:
    script = tmp_path / "best.py"
    script.write_text(
        "import importlib\n"
        f"for name in {BLOCKED}:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except ModuleNotFoundError:\n"
        "        print(name)\n"
    )
    assert tuple(alone(script).stdout.split()) == BLOCKED


@pytest.mark.parametrize(
    ("name", "seed", "place"),
    [
        ("batch", None, None),
        ("mini-batch", None, "inside"),
        ("gradient elsewhere", None, "outside"),
        ("averaged", 4, "inside"),
    ],
)
def test_a_script_runs_alone(
    name: str, seed: int | None, place: str | None, tmp_path: Path
) -> None:
    tested, configuration = made(name, tmp_path)
    wanted = tested.stacked(configuration, seed or 1, "test")
    metric = tested.spec.goal.name
    shift = {"outside": 0.9, "inside": 1.0}.get(place or "", 0.0)
    low, high = (end * shift * wanted[metric] for end in (0.95, 1.05))
    expected = Expected(metric, wanted[metric] * shift, low, high, 10) if place else None
    script = tmp_path / "best.py"
    script.write_text(tested.source(configuration, 1, expected), encoding="utf-8")
    ran = alone(script, tested.file.name, *([] if seed is None else ["--seed", str(seed)]))
    assert ran.stderr == ""
    assert ran.returncode == (1 if place == "outside" else 0)
    *_, others, verdict = ran.stdout.splitlines()
    printed = {name: float(value) for name, value in re.findall(r"(\w+) (-?[\d.]+)", others)}
    assert list(printed) == [
        each for each in METRICS[tested.spec.task or "regression"] if each != metric
    ]
    found = re.match(rf"test {metric} ([\d.]+)", verdict)
    assert found is not None
    printed[metric] = float(found[1])
    for each, value in printed.items():
        assert value == pytest.approx(wanted[each], rel=1e-3)  # four digits are printed
    said = f", {place} the stated interval {low:.4g} to {high:.4g} (10 seeds)"
    assert verdict[found.end() :] == (said if place else "; no interval was stated for it")
