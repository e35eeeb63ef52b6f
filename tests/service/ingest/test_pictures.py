"""A ZIP of pictures in folders becomes images and labels; what is no such ZIP is refused."""

import io
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.ingest import Binary, IngestError, read_upload
from service.ingest.pictures import read_pictures
from studies.data.images import pixels, shape_of
from tests.service.ingest.hostile import image_bomb


def picture(
    mode: str = "L", size: tuple[int, int] = (9, 7), form: str = "PNG", seed: int = 0
) -> bytes:
    """A picture of random pixels."""
    draw = np.random.default_rng(seed)
    levels = draw.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    made = Image.fromarray(levels).convert(mode if mode != "I;16" else "L")
    if mode == "I;16":
        made = Image.fromarray(np.asarray(made).astype(np.uint16) << 8)
    file = io.BytesIO()
    made.save(file, form)
    return file.getvalue()


def packed(path: Path, members: dict[str, bytes]) -> Path:
    """A ZIP with these members."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refused(path: Path) -> IngestError:
    with pytest.raises(IngestError) as caught:
        read_pictures(path)
    assert caught.value.field == "file"
    return caught.value


def test_folders_are_classes_and_grey_stays_grey(tmp_path: Path) -> None:
    one, other = picture(seed=1), picture(seed=2)
    members = {"pets/cat/1.png": one, "pets/dog/a.PNG": other}
    clutter = {"__MACOSX/cat/1.png": b"x", "pets/.DS_Store": b"x"}
    path = packed(tmp_path / "a.zip", members | clutter)
    with zipfile.ZipFile(path, "a") as archive:
        archive.mkdir("pets/empty")
    for media_type in ("application/zip", ""):
        upload = read_upload(path, media_type)
        assert upload.format == Binary(kind="pictures")
        assert upload.warnings == ()
        assert upload.table["label"].to_pylist() == ["cat", "dog"]
        shape = shape_of(upload.table.schema.field("image"))
        assert shape == (7, 9, 1)
        found = pixels(upload.table["image"], shape)
        wanted = [np.asarray(Image.open(io.BytesIO(each)))[..., None] for each in (one, other)]
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "1", "LA", "I;16"])
def test_pictures_of_every_mode_are_read(tmp_path: Path, mode: str) -> None:
    path = packed(tmp_path / "a.zip", {"a/1.png": picture(mode), "b/1.png": picture("L")})
    shape = shape_of(read_pictures(path).table.schema.field("image"))
    assert shape == (7, 9, 3 if mode in {"RGB", "RGBA", "P"} else 1)


@pytest.mark.parametrize("size", [(9, 7), (100, 80), (2000, 3000)])
def test_pictures_of_different_or_large_sizes_are_made_equal(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    members = {
        "a/1.jpeg": picture("RGB", size, "JPEG"),
        "b/2.jpg": picture("L", (80, 80), "JPEG"),
    }
    upload = read_pictures(packed(tmp_path / "a.zip", members))
    assert shape_of(upload.table.schema.field("image")) == (32, 32, 3)
    assert upload.warnings == (
        "the pictures differ in size or are large; each was brought to 32 x 32 pixels",
    )


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({}, "it has 0 pictures"),
        ({"a/1.png": b"", "a/2.gif": b""}, "it has a member 'a/2.gif'"),
        ({"1.png": b""}, "the picture '1.png' is in no folder"),
        ({"../../etc/1.png": b""}, "it has a member '../../etc/1.png'"),
        ({"/etc/1.png": b""}, "it has a member '/etc/1.png'"),
        ({"a/1.png": b"GIF89a" + bytes(50)}, "'a/1.png' is no picture"),
        ({"a/1.png": picture()[:-40]}, "'a/1.png' cannot be decoded"),
        (
            {f"a/{i}.png": image_bomb(4096) for i in range(50)},
            "would take 100,663,296 or more once unpacked",
        ),
        ({"a/1.png": image_bomb()}, "the picture 'a/1.png' has far too many pixels"),
    ],
)
def test_other_archives_are_refused(
    tmp_path: Path, members: dict[str, bytes], problem: str
) -> None:
    error = refused(packed(tmp_path / "a.zip", members))
    assert problem in str(error)
    assert error.allowed


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_of_a_few_pixels_too_many_is_refused_undecoded(tmp_path: Path) -> None:
    error = refused(packed(tmp_path / "a.zip", {"a/1.png": image_bomb(4097)}))
    assert "'a/1.png' has 4,097 x 4,097 pixels" in str(error)


@pytest.mark.parametrize("seed", range(100))
def test_broken_files_are_refused_or_read(tmp_path: Path, seed: int) -> None:
    """Bytes are changed or cut off at random: never another error."""
    form, suffix = (("PNG", "png"), ("JPEG", "jpg"))[seed % 2]
    members = {f"{'ab'[i % 2]}/{i}.{suffix}": picture("RGB", form=form, seed=i) for i in range(4)}
    path = packed(tmp_path / "a.zip", members)
    rng = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    if seed % 4 == 0:
        del content[rng.integers(len(content)) :]
    for place in rng.integers(0, len(content) or 1, rng.integers(1, 6)):
        if content:
            content[place % len(content)] = rng.integers(256)
    path.write_bytes(bytes(content))
    with suppress(IngestError):
        assert read_pictures(path).table.num_rows == 4
