"""Files and folders that only their owner can read."""

import os
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_folder(path: Path) -> None:
    """Make a folder for its owner alone; one that exists keeps the mode it has.

    Its mode is left because the folder may be shared by intent; the files in it are private.
    """
    path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def create(path: Path) -> None:
    """Make sure that a file exists and is private, whatever the umask."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE))
    path.chmod(FILE_MODE)


def write(path: Path, text: str) -> None:
    """Write a private file as a whole: a reader finds the old text or the new one."""
    draft = path.with_name(f".{path.name}.draft")
    create(draft)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
