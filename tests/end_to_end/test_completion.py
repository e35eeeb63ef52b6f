"""What Tab does in a real bash, by the script that the command prints for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TAB = """
eval "$(fallline --show-completion)"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_fallline_completion fallline
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["da"], {"datasets"}),
        (["datasets", ""], {"delete"}),
        (["tune", "--tar"], {"--target"}),
        (["export", "JOB", "--format", "s"], {"safetensors"}),
    ],
)
def test_bash_completes_commands_and_options(words: list[str], expected: set[str]) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", TAB, "bash", "fallline", *words],
        env=os.environ | {"PATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert set(found.stdout.split()) == expected
