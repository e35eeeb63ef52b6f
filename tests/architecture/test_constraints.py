"""Every dependency is pinned, and what is installed is what is pinned."""

import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DIRECT = [
    Requirement(text)
    for texts in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in texts
]
LINES = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
PINS = {canonicalize_name(line.name): line.specifier for line in LINES}


def pinned(name: str) -> str:
    """The one version that the constraints allow."""
    specifier = PINS.get(canonicalize_name(name), SpecifierSet())
    versions = [each.version for each in specifier if each.operator == "=="]
    assert len(versions) == 1, f"{name} is not pinned in constraints.txt"
    return versions[0]


def test_each_package_is_pinned_once() -> None:
    assert len(PINS) == len(LINES)
    for line in LINES:
        assert pinned(line.name)


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_a_direct_dependency(requirement: Requirement) -> None:
    pin = pinned(requirement.name)
    assert pin in requirement.specifier
    # torch may be installed as 2.13.0+cpu, which is a build of 2.13.0.
    assert version(requirement.name) in SpecifierSet(f"=={pin}")


def test_what_the_dependencies_need_is_pinned() -> None:
    waiting = [(each.name, frozenset(each.extras)) for each in DIRECT]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        assert pinned(name)
        if name == "torch":
            continue  # the libraries of an accelerator: which ones depends on its build
        for text in requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras | {""}
            ):
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
