"""An upload is read in a process of its own, and what that process does harms nobody."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from service.ingest import IngestError, apart, read_parquet
from service.ingest.apart import read_apart
from service.processes import make_ready
from studies.data.dialect import Dialect
from studies.errors import DataError

pytestmark = pytest.mark.xdist_group("apart")


@pytest.fixture(autouse=True)
def _no_reader_is_left() -> Iterator[None]:
    make_ready()
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) == before


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "upload"
    path.write_text("size;kind\n1,5;a\n2,5;b\n")
    return path


def test_the_table_is_written_and_described(path: Path, tmp_path: Path) -> None:
    described = read_apart(path, "text/csv", tmp_path / "draft")
    assert described.format == Dialect(delimiter=";", decimal_commas=("size",))
    assert [column.kind for column in described.schema.columns] == ["numeric", "categorical"]
    table = read_parquet(tmp_path / "draft")
    assert table.to_pydict() == {"size": [1.5, 2.5], "kind": ["a", "b"]}


def test_what_is_refused_there_is_refused_here(path: Path, tmp_path: Path) -> None:
    path.write_text("a,b\n1\n")
    with pytest.raises(DataError) as caught:
        read_apart(path, "", tmp_path / "draft")
    assert "the row in line 2 has 1 values" in str(caught.value)
    assert (caught.value.field, caught.value.value) == ("file", "1 values in line 2")
    assert caught.value.allowed == "2 values in every row"
    assert not (tmp_path / "draft").exists()


def toil(path: Path, media_type: str) -> None:
    while True:
        pass


def hang(path: Path, media_type: str) -> None:
    time.sleep(60)


def swell(path: Path, media_type: str) -> None:
    held = []
    while True:
        held.append(b"x" * 2**22)
        time.sleep(0.001)


def crash(path: Path, media_type: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def blunder(path: Path, media_type: str) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("reader", "problem"),
    [
        (toil, "reading the file takes more than 2 seconds."),
        (hang, "reading the file takes more than 2 seconds."),
        (swell, "reading the file takes more than 167,772,600 bytes of memory."),
        (crash, "the file cannot be read: its reader failed."),
        (blunder, "the file cannot be read: its reader failed."),
    ],
)
def test_a_reader_that_takes_too_much_is_ended(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: object, problem: str
) -> None:
    monkeypatch.setattr(apart, "_read", Astray(reader))
    if reader is hang:
        monkeypatch.setattr(apart, "LONGEST", 1.0)
    before = psutil.Process().memory_info().rss
    with pytest.raises(IngestError) as caught:
        read_apart(path, "", tmp_path / "draft")
    assert str(caught.value).startswith(problem)
    assert psutil.Process().memory_info().rss - before < 50 * 2**20


class Astray:
    """A reader that goes astray once it has begun."""

    def __init__(self, reader: object) -> None:
        self.reader = reader

    def __call__(
        self, path: Path, media_type: str, said: object, draft: Path, answer: object
    ) -> None:
        answer.send_bytes(b"begun")  # type: ignore[attr-defined]
        self.reader(path, media_type)  # type: ignore[operator]
