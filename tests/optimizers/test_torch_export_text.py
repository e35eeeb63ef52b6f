"""Exported sources as texts: formatted, complete by themselves, schedules as in a stack."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from optimizers.configuration import Configuration
from optimizers.errors import InvalidProblem, OptimizerError
from optimizers.hyperparameters import Hyperparameter
from optimizers.registry import RULES
from optimizers.rules import parameter_free, shampoo
from optimizers.rules.lion import LION
from optimizers.schedules import SCHEDULES, factors
from optimizers.torch_export import factors as plain
from optimizers.torch_export import load, torch_export
from optimizers.torch_export.source import extract
from tests.optimizers.drive import at

ROOT = Path(__file__).parents[2]


def third(h: Hyperparameter) -> float:
    """A number with all its digits."""
    return at(h, 1 / 3) if h.searched else h.default


def one_of_each() -> Iterator[Configuration]:
    """Every rule twice, with every schedule, batch and shaping now and then."""
    names = list(SCHEDULES)
    for place, rule in enumerate(RULES.values()):
        for schedule in (names[place % 16], names[(3 * place + 5) % 16]):
            h = {h.name: third(h) for h in SCHEDULES[schedule].hyperparameters}
            warmup = 0.0 if place % 3 else h["warmup"]
            yield Configuration(
                rule.name,
                {h.name: third(h) for h in rule.hyperparameters},
                schedule,
                {**h, "warmup": warmup},
                ("full", "single", 32)[place % 3],
                clip_norm=(None, 1 / 3)[place % 2],
                l2=(0.0, 0.001)[place // 2 % 2],
            )


def test_sources_are_formatted_and_lint_free(tmp_path: Path) -> None:
    for place, configuration in enumerate(one_of_each()):
        (tmp_path / f"source_{place}.py").write_text(torch_export(configuration))
        (tmp_path / f"both_{place}.py").write_text(torch_export(configuration, 10**place))
    config = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["format", "--check", *config], ["check", "--isolated"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", str(tmp_path)]
        ran = subprocess.run(ruff, check=False, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout


def test_rules_and_schedules_have_no_name_in_common() -> None:
    def names(configuration: Configuration) -> set[str]:
        statements = ast.parse(torch_export(configuration)).body
        named = {getattr(statement, "name", "") for statement in statements}
        constants = [s.targets[0] for s in statements if isinstance(s, ast.Assign)]
        return named | {constant.id for constant in constants if isinstance(constant, ast.Name)}

    of_schedules = set().union(*(names(Configuration("sgd", schedule=one)) for one in SCHEDULES))
    of_rules = set().union(*(names(Configuration(one)) for one in RULES))
    assert {"ROUNDING", "cosine"} <= of_schedules
    assert {"power", "Lion"} <= of_rules
    assert of_schedules & of_rules == {"", "make_optimizer", "make_scheduler"}


def test_a_source_names_its_configuration() -> None:
    source = torch_export(Configuration("lion", {"beta1": 1 / 3}, "cosine", {"final": 1 / 7}))
    for words in (LION.formula.split(";  ")[0], LION.reference, repr(1 / 3), repr(1 / 7)):
        assert words in source
    assert source.count("batch_size=64") == 1


def test_optimizer_and_scheduler_come_in_one_call() -> None:
    h, of_schedule = {"learning_rate": 0.5}, {"warmup": 0.0, "final": 0.1}
    for name in ("adam", "ademamix"):  # the second asks for the length of the training
        module = load(torch_export(Configuration(name, h, "linear", of_schedule), 100))
        for given, total in (((), 100), ((20,), 20)):
            optimizer, scheduler = module.configure(torch.nn.Linear(2, 1), *given)
            assert type(optimizer).__name__.lower() == name
            (factor,) = scheduler.lr_lambdas
            assert [factor(0), factor(total // 2)] == pytest.approx([1.0, 0.55])
    alone = load(torch_export(Configuration("adam")))
    assert not hasattr(alone, "configure")


ISOLATED = """\
import runpy, sys, warnings

sys.modules["optimizers"] = None  # whoever imports it fails
import torch

warnings.simplefilter("error")
torch.set_num_threads(1)
torch.manual_seed(0)
inputs = torch.randn(32, 3)
for name in sys.argv[1:]:
    source = runpy.run_path(name)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))

    def loss():
        return model(inputs).square().mean()

    optimizer = source["make_optimizer"](model)
    scheduler = source["make_scheduler"](optimizer, 20)
    before = loss().item()
    for _ in range(20):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step(*([loss] if "sophia" in name else []))
        scheduler.step()
    if hasattr(optimizer, "eval"):
        optimizer.eval()
    assert loss().item() < 0.9 * before, (name, before, loss().item())
print("trained", len(sys.argv) - 1)
"""


def test_sources_need_torch_alone(tmp_path: Path) -> None:
    names = ("adam", "muon", "schedule_free_adamw", "sophia")
    for name in names:
        h = {"learning_rate": 0.05}
        (tmp_path / f"{name}.py").write_text(torch_export(Configuration(name, h, "cosine")))
    script = tmp_path / "script"
    script.write_text(ISOLATED)
    ran = subprocess.run(
        [sys.executable, "-I", str(script), *(f"{name}.py" for name in names)],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (ran.stdout, ran.stderr) == ("trained 4\n", "")


def schedule_sets(name: str) -> Iterator[dict[str, float]]:
    """Defaults, numbers across the ranges, and corners."""
    hyperparameters = SCHEDULES[name].hyperparameters
    yield {}
    for share in (0.05, 0.5, 0.9):
        yield {h.name: at(h, share) for h in hyperparameters}
    yield {"warmup": 0.29}  # of 100 steps; 0.29 * 100 is below 29
    yield {"warmup": 0.999}
    corners: dict[str, list[dict[str, float]]] = {
        "cosine": [{"final": 0.0}],
        "step": [{"drops": 48}],  # over 49 steps; 1 / 49 * 49 is below 1
        "polynomial": [{"final": 0.0, "power": 0.5, "until": 0.5}],
        "warmup_stable_decay": [{"cooldown": 1.0, "power": 0.5}],
        # The second over 364 steps; log(3 ** 5) / log(3) is below 5.
        "cosine_restarts": [{"growth": 1}, {"growth": 3, "cycles": 6}],
        "one_cycle": [{"rise": 0.0}],
        "slanted_triangular": [{"rise": 0.0}],
        "multi_step": [{"third": 1.0}],
    }
    yield from corners.get(name, [])


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "plateau"])
def test_schedules_are_those_of_a_stack(name: str) -> None:
    for h in schedule_sets(name):
        configuration = Configuration("sgd", {"learning_rate": 1.0}, name, h)
        columns = {
            key: torch.tensor([value], dtype=torch.float64)
            for key, value in configuration.schedule_hyperparameters.items()
        }
        module = load(torch_export(configuration))
        for total in (1, 2, 3, 49, 100, 364):
            steps = torch.arange(total, dtype=torch.float64)
            wanted = factors(SCHEDULES[name], steps, total, columns)[:, 0].tolist()
            optimizer = module.make_optimizer(torch.nn.Linear(1, 1))
            scheduler = module.make_scheduler(optimizer, total)
            (factor,) = scheduler.lr_lambdas
            found = [factor(step) for step in range(total)]
            assert optimizer.param_groups[0]["lr"] == found[0]
            assert found == pytest.approx(wanted, rel=1e-12, abs=1e-15), (h, total)


def test_what_has_no_text_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = replace(LION, update=lambda *_: None)
    monkeypatch.setitem(RULES, "lion", made)
    with pytest.raises(InvalidProblem, match="functions at the top level of modules"):
        torch_export(Configuration("lion"))


def test_a_borrowed_rule_may_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is the functions that an entry has, however it came by them."""
    signed = replace(RULES["signum"], name="signed", coefficients=LION.coefficients)
    monkeypatch.setitem(RULES, "signed", signed)
    source = torch_export(Configuration("signed"))
    assert "class Signed(" in source
    assert "_lion_coefficients(t, h)" in source


def test_two_things_of_one_name_are_refused() -> None:
    both = [
        getattr(module, name) for module, name in ((shampoo, "_norm"), (parameter_free, "_norm"))
    ]
    with pytest.raises(InvalidProblem, match="definitions of _norm must be one and the same"):
        extract(both)


def test_a_schedule_that_nobody_wrote_down_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(plain.FACTORS, "rex")
    with pytest.raises(OptimizerError, match=r"schedule must be constant, .*Got 'rex'"):
        torch_export(Configuration("sgd", schedule="rex"))
