import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from service.cli import app
from service.settings import PREFIX, Settings
from tests.deployment.definitions import (
    DOCKERFILE,
    ROOT,
    image_environment,
    image_health_check,
    image_user,
    instructions,
    parse_dockerfile,
)

KEYWORDS = {
    "ARG",
    "CMD",
    "COPY",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "RUN",
    "USER",
    "VOLUME",
    "WORKDIR",
}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = [
    pattern.removesuffix("*")
    for pattern in PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
]


def position(keyword: str, pattern: str) -> int:
    """Where the only instruction stands that has this pattern."""
    (found,) = (
        number
        for number, each in enumerate(DOCKERFILE)
        if each.keyword == keyword and re.search(pattern, each.arguments)
    )
    return found


def copied() -> list[str]:
    """Everything that the image takes from the repository."""
    return [source for each in instructions("COPY") for source in each.arguments.split()[:-1]]


def test_continued_lines_and_comments_are_read() -> None:
    text = "# note\nRUN a \\\n    # between\n    && b\nCMD []\n"
    assert parse_dockerfile(text) == [("RUN", "a && b"), ("CMD", "[]")]


def test_only_known_instructions_from_the_first() -> None:
    assert DOCKERFILE[0].keyword == "FROM"
    assert {each.keyword for each in DOCKERFILE} <= KEYWORDS
    for keyword in ("FROM", "CMD", "HEALTHCHECK", "USER"):
        assert len(instructions(keyword)) == 1, keyword


def test_python_of_the_image_is_one_we_support() -> None:
    name = re.fullmatch(r"python:(\d+\.\d+)-slim", DOCKERFILE[0].arguments)
    assert name is not None
    assert Version(name[1]) in SpecifierSet(PYPROJECT["project"]["requires-python"])


def test_a_change_of_code_installs_nothing_again() -> None:
    torch = position("RUN", r"pip install .* torch$")
    dependencies = position("RUN", r"--requirement requirements\.txt")
    project = position("RUN", r"pip install --no-deps \.$")
    code = [position("COPY", rf"^{package} ") for package in PACKAGES]
    assert torch < position("COPY", "pyproject.toml") < dependencies < min(code)
    assert max(code) < project


def test_every_installed_version_is_pinned() -> None:
    commands = [
        command
        for each in instructions("RUN")
        for command in each.arguments.split("&&")
        if "pip install" in command
    ]
    assert len(commands) == 3
    for command in commands:
        # Our own code has no version to pin.
        assert "--constraint constraints.txt" in command or command.endswith("--no-deps ."), command


def test_torch_comes_from_an_index_one_can_choose() -> None:
    index = instructions("ARG")[0].arguments
    assert index.split("=")[0] == "TORCH_INDEX"
    assert index.split("=")[1].startswith("https://")
    (command,) = (each for each in instructions("RUN") if each.arguments.endswith(" torch"))
    assert '--index-url "$TORCH_INDEX"' in command.arguments


def test_the_image_installs_the_dependencies_of_the_project() -> None:
    run = DOCKERFILE[position("RUN", r"requirements\.txt")].arguments
    program, *arguments = shlex.split(run.split(">")[0])
    assert program == "python"
    printed = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    extras = PYPROJECT["project"]["optional-dependencies"]
    wanted = [*PYPROJECT["project"]["dependencies"], *extras["postgresql"], *extras["s3"]]
    assert printed.splitlines() == wanted


def test_everything_copied_exists_and_nothing_else_is_sent_to_the_build() -> None:
    ignored = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert ignored[0] == "*"
    assert sorted(line[1:] for line in ignored if line.startswith("!")) == sorted(copied())
    for name in copied():
        assert (ROOT / name).exists(), name
    assert set(PACKAGES) <= set(copied())


@pytest.mark.parametrize("package", PACKAGES)
def test_files_that_are_not_python_are_installed_too(package: str) -> None:
    patterns = PYPROJECT["tool"]["setuptools"].get("package-data", {}).get(package, [])
    others = [
        path.relative_to(ROOT / package)
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    ]
    for path in others:
        assert any(_matches(path, pattern) for pattern in patterns), path


def _matches(path: Path, pattern: str) -> bool:
    whole_tree = pattern.replace("**/", "*")  # fnmatch's * crosses folders
    return fnmatch(str(path), whole_tree)


def test_the_server_is_not_root() -> None:
    user, group = (int(number) for number in image_user().split(":"))
    assert user > 0
    assert group > 0
    assert position("USER", "") > max(
        number for number, each in enumerate(DOCKERFILE) if each.keyword in {"RUN", "COPY"}
    )
    made = DOCKERFILE[position("RUN", "useradd")].arguments
    assert f"useradd --uid {user} " in made
    assert f"groupadd --gid {group} " in made


def test_the_home_is_a_volume_of_that_user() -> None:
    home = image_environment()["FALLLINE_HOME"]
    (volume,) = instructions("VOLUME")
    assert volume.exec_form() == [home]
    made = DOCKERFILE[position("RUN", "install --directory")].arguments
    assert re.search(rf"--owner fallline --group fallline --mode 0700 {home}$", made)
    assert instructions("WORKDIR")[-1].arguments == home


def test_the_command_exists() -> None:
    program, command = instructions("CMD")[0].exec_form()
    assert PYPROJECT["project"]["scripts"][program] == "service.cli:main"
    assert command in [each.name or each.callback.__name__ for each in app.registered_commands]  # type: ignore[union-attr]


def test_variables_exist_and_hold_no_secret() -> None:
    environment = image_environment()
    ours = {name for name in environment if name.startswith(PREFIX)}
    assert ours <= {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    for each in (*instructions("ENV"), *instructions("ARG")):
        assert not re.search("TOKEN|SECRET|PASSWORD", each.arguments.upper())


def test_the_port_is_the_program_s() -> None:
    default = str(Settings.model_fields["port"].default)
    assert instructions("EXPOSE")[0].arguments == default
    assert image_environment()["FALLLINE_PORT"] == default


def test_the_health_check_needs_no_other_program() -> None:
    program, option, code = image_health_check()
    assert (program, option) == ("python", "-c")
    compile(code, "health check", "exec")
