"""Who may import whom: the contracts of pyproject.toml are kept, and each of them can be broken."""

import ast
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]
CONTRACTS = {contract["name"]: contract for contract in LINTER["contracts"]}
PACKAGES = LINTER["root_packages"]


class Violation(NamedTuple):
    """A line that must not be in a file."""

    contract: str
    file: str
    line: str


VIOLATIONS = [
    Violation("packages point one way", "studies/spec.py", "import service.errors"),
    Violation("packages point one way", "optimizers/rule.py", "import studies.spec"),
    Violation("optimizers know torch alone", "optimizers/errors.py", "import pandas"),
    Violation("studies know no web, database or cluster", "studies/spec.py", "import sqlalchemy"),
    Violation("no cycles", "studies/data/columns.py", "import studies.data.prepare"),
    Violation("inside optimizers", "optimizers/errors.py", "import optimizers.stack"),
    Violation("inside optimizers", "optimizers/misc.py", "import math"),
    Violation("inside studies", "studies/search.py", "import studies.wave"),
    Violation("inside studies", "studies/misc.py", "import math"),
    Violation("inside service", "service/tables.py", "import service.routes.health"),
    Violation("inside service", "service/misc.py", "import math"),
    # Not a direct import: what it imports does.
    Violation(
        "the client's side needs neither torch, database nor web framework",
        "service/client.py",
        "import service.tables",
    ),
    Violation("a worker never reaches the database", "service/ingest.py", "import service.tables"),
    Violation(
        "optuna's private tables are behind service.trials",
        "service/jobs.py",
        "import service.trials.optuna_tables",
    ),
    Violation("optuna is known to few", "service/tokens.py", "import optuna"),
    Violation(
        "file systems elsewhere are known to one module", "service/store.py", "import fsspec"
    ),
    Violation(
        "the cluster is known to the engine and its workers",
        "service/runner.py",
        "import distributed",
    ),
]


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the linter silences every logger it finds, and imports packages."""
    code = (
        "from importlinter.cli import lint_imports; "
        "raise SystemExit(lint_imports(config_filename='pyproject.toml', no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=False, capture_output=True, text=True
    )


def test_contracts_are_kept() -> None:
    found = lint(ROOT)
    assert found.returncode == 0, found.stdout + found.stderr


def test_each_contract_has_a_violation_below() -> None:
    assert {violation.contract for violation in VIOLATIONS} == set(CONTRACTS)


@pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda each: f"{each.file}: {each.line}")
def test_a_violation_is_found(tmp_path: Path, violation: Violation) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    with (tmp_path / violation.file).open("a", encoding="utf-8") as file:
        file.write(f"\n{violation.line}\n")
    found = lint(tmp_path)
    assert found.returncode == 1, found.stdout + found.stderr
    assert f"{violation.contract} BROKEN" in found.stdout.replace("\n", " ")


@pytest.mark.parametrize("name", CONTRACTS)
def test_names_in_a_contract_exist(name: str) -> None:
    """A misspelt name would forbid nothing, in silence."""
    contract = CONTRACTS[name]
    for field in ("source_modules", "forbidden_modules", "protected_modules", "allowed_importers"):
        for module in contract.get(field, []):
            assert find_spec(module) is not None, f"{module} in {field}"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_is_hidden_from_the_contracts(package: str) -> None:
    for path in sources(package):
        assert (path.parent / "__init__.py").exists(), path


def test_private_parts_of_optuna_are_named_in_one_module() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in sources(package)
        if any(_is_private(module) for module in _imported(path))
    }
    assert users == {"service/trials/optuna_tables.py"}


def _imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def _is_private(module: str) -> bool:
    root, *parts = module.split(".")
    return root == "optuna" and any(part.startswith("_") for part in parts)


def test_the_command_line_starts_without_what_only_a_server_needs() -> None:
    heavy = {"torch", "distributed", "fastapi", "optuna", "pandas", "sklearn"}
    code = "import sys, service.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert not heavy & set(done.stdout.split())
