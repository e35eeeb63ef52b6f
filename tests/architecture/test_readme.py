"""What README.md names exists, and what exists is named there."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from optimizers.registry import RULES
from optimizers.schedules import SCHEDULES
from service.cli import app
from service.settings import PREFIX, Settings
from tests.architecture.test_makefile import TARGETS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEPENDENCIES = [
    Requirement(text).name
    for texts in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in texts
]
SETTINGS = {f"{PREFIX}{name.upper()}": field for name, field in Settings.model_fields.items()}
COMMANDS = [
    each.name or each.callback.__name__.replace("_", "-")
    for each in app.registered_commands
    if each.callback is not None
] + [str(group.name) for group in app.registered_groups]


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def table_rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def code(text: str) -> set[str]:
    """Everything in the text that is set as code, in a line or a block."""
    return set(re.findall(r"`([^`\n]+)`", text))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_has_a_row_with_its_default_and_meaning(readme: str, name: str) -> None:
    (row,) = (row for row in table_rows(readme) if row[0].strip("`") == name)
    _name, default, meaning = row
    assert len(meaning.split()) >= 3
    value = SETTINGS[name].default
    if isinstance(value, str | int | float):
        assert _plain(default).removesuffix(".0") == str(value).removesuffix(".0").lower()
    elif isinstance(value, tuple) and value:
        assert _plain(default).split(",") == list(value)
    else:
        assert default, "say what is used when it is left out"


def _plain(default: str) -> str:
    """The first value of a cell, without separators; 1 GiB and the like in bytes."""
    text = default.split("(", maxsplit=1)[0].replace("`", "").replace(" ", "")
    size = re.fullmatch(r"(\d+)([KMG])iB", text)
    if size:
        return str(int(size[1]) * 1024 ** ("KMG".index(size[2]) + 1))
    return re.sub(r"(?<=\d)[,_](?=\d{3}\b)", "", text)


def test_no_setting_is_named_that_does_not_exist(readme: str) -> None:
    assert set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", readme)) <= SETTINGS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_named(readme: str, command: str) -> None:
    assert re.search(rf"\bfallline {command}\b", readme)


def test_no_command_is_named_that_does_not_exist(readme: str) -> None:
    named = re.findall(
        r"(?:`|^\$? *|\b(?:bin/|exec server |run ))fallline ([a-z][a-z-]*)", readme, re.M
    )
    assert set(named) <= set(COMMANDS)


@pytest.mark.parametrize("target", TARGETS)
def test_a_make_target_is_named(readme: str, target: str) -> None:
    assert re.search(rf"\bmake {target}\b", readme)


def test_no_make_target_is_named_that_does_not_exist(readme: str) -> None:
    assert set(re.findall(r"(?:`|^\$? *)make ([a-z-]+)", readme, re.MULTILINE)) <= set(TARGETS)


@pytest.mark.parametrize("name", RULES)
def test_an_optimizer_is_named(readme: str, name: str) -> None:
    assert name in code(readme)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_named(readme: str, name: str) -> None:
    assert name in code(readme)


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_a_dependency_has_a_row_with_its_reason(readme: str, name: str) -> None:
    (row,) = (row for row in table_rows(readme) if name in code(row[0]))
    _names, purpose, reason = row
    assert purpose
    assert len(reason.split()) >= 3


def test_no_dependency_is_explained_that_is_not_used(readme: str) -> None:
    names: set[str] = set()
    inside = False
    for row in table_rows(readme):
        if not row[0].startswith(("`", "-")):
            inside = row == ["package", "for", "because"]
        elif inside:
            names |= code(row[0])
    assert names == set(DEPENDENCIES)


@pytest.mark.parametrize(
    ("about", "answer"),
    [
        ("StackedModule", r"\[(\d+\.\d+(, )?){5}\]"),
        ('"lion"', r"\"\"\"lion with .*class Lion.*def make_scheduler.*"),
    ],
)
def test_the_examples_of_the_optimizers_alone_run(readme: str, about: str, answer: str) -> None:
    (example,) = (
        block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if about in block
    )
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert re.fullmatch(answer, done.stdout.strip(), re.DOTALL)
