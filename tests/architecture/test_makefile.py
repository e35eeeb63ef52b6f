import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# Rules for files, such as .venv/installed, are steps on the way and nobody's command.
TARGETS = re.findall(r"^([A-Za-z][\w-]*):(?!=)", MAKEFILE, re.MULTILINE)


def make(*arguments: str) -> str:
    # Not as a part of the `make test` that may have started this.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment.pop("MFLAGS", None)
    done = subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_help_lists_every_target_with_what_it_does() -> None:
    listed = dict(re.findall(r"^ *make (\S+) +(\S.*)$", make("help"), re.MULTILINE))
    assert list(listed) == TARGETS


def test_help_is_what_make_alone_shows() -> None:
    assert make() == make("help")


def test_no_target_is_mistaken_for_a_file() -> None:
    phony = re.findall(r"^\.PHONY: *(.*)$", MAKEFILE, re.MULTILINE)
    assert sorted(" ".join(phony).split()) == sorted(TARGETS)
