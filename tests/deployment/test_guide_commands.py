"""Commands, variables and jobs in the guides: all are ones that the program and SLURM have."""

import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import typer.main
from typer.core import TyperGroup

from service.cli import app
from service.settings import PREFIX, Settings, load
from tests.deployment.guides import (
    DOCS,
    GUIDES,
    OPERATOR,
    OURS,
    PODS,
    blocks,
    container,
    shell_lines,
)
from tests.end_to_end.slurm import Submission, directives

USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[
    0
]  # of click, wherever typer has it from
TEXTS = {
    str(path.relative_to(DOCS)): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*"))
    if path.suffix in {".md", ".yaml", ".sh", ".sbatch", ".py"}
}
JOBS = {name: text for name, text in TEXTS.items() if name.endswith(".sbatch")}


def refused(words: list[str]) -> str:
    """What the program has against a command line, which is not run; words[0] is its own name."""
    command: Any = typer.main.get_command(app)
    # What a shell puts in is a number wherever the guides need one.
    left = [re.sub(r"\$(\{[^}]*\}|\w+)", "8", word) for word in words[1:]]
    context = None
    try:
        while isinstance(command, TyperGroup):
            context = typer.Context(command, parent=context, info_name=command.name)
            _name, command, left = command.resolve_command(context, left)
        command.make_context(command.name, left, parent=context)
    except USAGE_ERROR as error:
        return str(error)
    return ""


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of ours in the guides and their files."""
    for name, pod in PODS.items():
        if name in OURS:
            yield f"pod {name}", container(pod)["command"]
    for part in ("scheduler", "worker"):
        yield f"operator {part}", container(OPERATOR["spec"][part]["spec"])["command"]
    shells = JOBS | {guide: "\n".join(blocks(guide, "sh")) for guide in GUIDES}
    for source, text in shells.items():
        for words in shell_lines(text):
            if "fallline" in words:
                yield source, words[words.index("fallline") :]


@pytest.mark.parametrize("name", TEXTS)
def test_variables_exist_and_no_secret_stands_in_a_file(name: str) -> None:
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", TEXTS[name]))
    assert named <= {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    assert not re.search(r"BEGIN [A-Z ]*KEY|kind: Secret\b", TEXTS[name])


def test_every_command_line_is_one_that_the_program_takes() -> None:
    found = list(commands())
    assert {words[1] for _, words in found} == {
        "cluster",
        "scheduler",
        "secrets",
        "serve",
        "worker",
    }
    for source, words in found:
        assert refused(words) == "", (source, words)
    for text in GUIDES.values():
        for name in re.findall(r"`fallline ([a-z]+)", text):
            assert "No such command" not in refused(["fallline", name])


@pytest.mark.parametrize(
    "line", ["work", "worker", "worker tls://a:1 --worker 2", "scheduler --port a"]
)
def test_a_wrong_command_line_would_be_found(line: str) -> None:
    assert refused(["fallline", *line.split()])


@pytest.mark.parametrize("name", JOBS)
def test_a_job_is_a_script_with_options_that_sbatch_has(name: str) -> None:
    subprocess.run(["bash", "-n", DOCS / name], check=True, timeout=60)
    options = Submission().parse_args(directives(JOBS[name]))
    assert options.ntasks == 1
    assert options.requeue is True
    # SLURM runs a copy from elsewhere, in the folder of whoever submitted it.
    assert "\n. ./settings.sh\n" in JOBS[name]
    assert (DOCS / "slurm" / "settings.sh").is_file()


def test_the_settings_of_the_jobs_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = subprocess.run(
        ["bash", "-euc", ". ./settings.sh; env"], cwd=DOCS / "slurm", env={"PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    given = dict(line.split("=", 1) for line in printed.splitlines() if line.startswith(PREFIX))
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    chosen = load()
    workers = Submission().parse_args(directives(JOBS["slurm/workers.sbatch"]))
    assert chosen.workers == len(workers.array) * workers.cpus_per_task
    scheduler = Submission().parse_args(directives(JOBS["slurm/scheduler.sbatch"]))
    assert chosen.cluster is not None
    assert chosen.cluster.startswith(f"tls://{scheduler.nodelist}.")
    assert chosen.store_elsewhere is None  # a folder that all machines see
    assert chosen.blob_folder.parent == chosen.certificate_folder.parent
