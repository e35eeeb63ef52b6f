"""An NPZ file becomes a typed table; forged headers, bombs and objects are refused."""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from service.ingest import Binary, IngestError, read_upload
from service.ingest.arrays import read_arrays
from studies.data.images import pixels, shape_of
from tests.service.ingest.hostile import Bait, archive, header


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "upload"


def refused(path: Path) -> IngestError:
    with pytest.raises(IngestError) as caught:
        read_arrays(path)
    assert caught.value.field == "file"
    return caught.value


def forge(path: Path, **members: bytes) -> None:
    path.write_bytes(archive(**members))


def npy(array: np.ndarray) -> bytes:
    """What numpy.save writes."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_become_columns(path: Path, save: Callable[..., None]) -> None:
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    with path.open("wb") as file:
        save(
            file,
            x=x,
            turned=np.asfortranarray(x),
            y=np.array(["a", "b", "a"]),
            day=np.array(["2024-01-31"] * 3, "datetime64[D]"),
            flag=np.array([True, False, True]),
        )
    upload = read_upload(path)
    assert upload.format == Binary(kind="npz")
    found = upload.table.to_pydict()
    assert list(found) == ["x_0", "x_1", "turned_0", "turned_1", "y", "day", "flag"]
    assert (found["x_0"], found["x_1"]) == ([0, 2, 4], [1, 3, 5])
    assert (found["turned_0"], found["turned_1"]) == ([0, 2, 4], [1, 3, 5])
    assert found["y"] == ["a", "b", "a"]
    assert found["flag"] == [True, False, True]


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("given", "wanted", "warned"),
    [
        (IMAGES, IMAGES, False),
        (IMAGES[..., 0], IMAGES[..., :1], False),
        (IMAGES.transpose(0, 3, 1, 2), IMAGES, False),
        (IMAGES.astype(np.int64), IMAGES, False),
        (IMAGES.astype(np.float64), IMAGES, True),
        (IMAGES.astype(np.float32) / 255, IMAGES, True),
        (IMAGES[..., 0] > 127, (IMAGES[..., :1] > 127) * 255, False),
    ],
)
def test_an_array_of_images_becomes_a_column(
    path: Path, given: np.ndarray, wanted: np.ndarray, warned: bool
) -> None:
    with path.open("wb") as file:
        np.savez(file, pictures=given, y=np.arange(5))
    upload = read_upload(path)
    shape = shape_of(upload.table.schema.field("pictures"))
    assert shape == wanted.shape[1:]
    assert shape is not None
    np.testing.assert_array_equal(pixels(upload.table["pictures"], shape), wanted)
    kept = ("images 'pictures' are kept with 8 bits a channel",)
    assert upload.warnings == (kept if warned else ())


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        (np.zeros((5, 65, 8), np.uint8), "has the shape (5, 65, 8)"),
        (np.zeros((5, 8, 8, 2), np.uint8), "has the shape (5, 8, 8, 2)"),
        (np.full((5, 8, 8), 256), "hold values from 256 to 256"),
        (np.full((5, 8, 8), -0.5), "hold values from -0.5 to -0.5"),
        (np.full((5, 8, 8), np.nan), "hold values from nan to nan"),
        (np.full((5, 8, 8), "a"), "hold str"),
    ],
)
def test_arrays_that_are_no_images_are_refused(
    path: Path, images: np.ndarray, problem: str
) -> None:
    with path.open("wb") as file:
        np.savez(file, x=images, y=np.arange(5))
    assert problem in str(refused(path))


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ("(4294967296,)", "should take 34,359,738,368 bytes and has 0"),
        ("(4611686018427387904, 4)", "bytes and has 0"),
        ("(-1,)", "should take -8 bytes and has 0"),
        ("(0,)", "its arrays make 1 columns"),
        ("()", "has 0 dimensions"),
        ("(1, 1, 1)", "should take 8 bytes and has 0"),
        ("(1, 1, 1, 1, 1)", "has 5 dimensions"),
        ("'a'", "broken"),
        ("__import__('os').system('true')", "broken"),
    ],
)
def test_a_shape_that_lies_is_refused(path: Path, shape: str, problem: str) -> None:
    forge(path, x=header(shape))
    assert problem in str(refused(path))


def test_a_huge_header_is_refused(path: Path) -> None:
    forge(path, x=header("(1,)", length=60_000) + b"\0" * 8)
    assert "broken" in str(refused(path))


def test_objects_are_never_unpickled(path: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    forge(path, x=header("(1,)", "|O") + pickle.dumps([Bait(canary)]), y=npy(np.zeros(1)))
    assert "holds object" in str(refused(path))
    path.write_bytes(pickle.dumps(Bait(canary)))
    assert "broken" in str(refused(path))
    assert not canary.exists()


@pytest.mark.parametrize("dtype", ["|V8", "<c16", "<m8[s]"])
def test_other_types_are_refused(path: Path, dtype: str) -> None:
    kind = np.dtype(dtype)
    forge(path, x=header("(1,)", dtype) + b"\0" * kind.itemsize)
    assert "Allowed: numbers, booleans, dates or text." in str(refused(path))


def test_a_bomb_is_refused_before_it_is_unpacked(path: Path) -> None:
    forge(path, x=header("(33554432,)") + bytes(2**28), y=npy(np.zeros(2**25, np.int8)))
    error = refused(path)
    assert path.stat().st_size < 400_000
    assert "would take" in str(error)
    assert isinstance(error.value, int)
    assert error.value > 2**28


def test_a_member_longer_than_its_record_is_refused(path: Path) -> None:
    """The archive says that it unpacks to less than it does."""
    forge(path, x=npy(np.zeros(2**20)), y=npy(np.zeros(2**20)))
    content = path.read_bytes()
    true = struct.pack("<I", 8 * 2**20 + 128)
    assert content.count(true) == 4
    path.write_bytes(content.replace(true, struct.pack("<I", 228)))
    refused(path)


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"x": np.zeros(3), "y": np.zeros(2)}, "different numbers of rows: x 3, y 2"),
        ({"x": np.zeros(3)}, "its arrays make 1 columns"),
        ({}, "its arrays make 0 columns"),
        ({"x": np.zeros((2, 10_001))}, "10001 columns"),
        ({"x": np.zeros((2, 1)), "x_0": np.zeros(2)}, "the same name"),
    ],
)
def test_arrays_that_make_no_table_are_refused(
    path: Path, members: dict[str, np.ndarray], problem: str
) -> None:
    with path.open("wb") as file:
        np.savez(file, **members)  # type: ignore[arg-type]
    assert problem in str(refused(path))


def test_members_that_are_no_arrays_are_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../etc/passwd", "x")
    assert "it has a member '../../etc/passwd'" in str(refused(path))
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1001):
            archive.writestr(f"{number}.npy", b"")
    assert "it has 1001 members" in str(refused(path))


@pytest.mark.parametrize("seed", range(200))
def test_broken_files_are_refused_or_read(path: Path, seed: int) -> None:
    """Bytes are changed or cut off at random: never another error."""
    with path.open("wb") as file:
        np.savez_compressed(file, x=np.arange(60.0).reshape(30, 2), y=np.arange(30))
    rng = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    if seed % 4 == 0:
        del content[rng.integers(len(content)) :]
    for place in rng.integers(0, len(content) or 1, rng.integers(1, 6)):
        if content:
            content[place % len(content)] = rng.integers(256)
    path.write_bytes(bytes(content))
    with suppress(IngestError):
        assert read_arrays(path).table.num_rows == 30
