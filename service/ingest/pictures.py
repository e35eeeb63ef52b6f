"""A ZIP of pictures in folders, one folder a class, as a table of images and labels."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from service.ingest.broken import BROKEN
from service.ingest.errors import IngestError
from service.ingest.inflation import check_inflated
from service.ingest.names import SHOWN
from service.ingest.upload import Binary, Upload
from studies.data.images import ImageShape, image_column, image_field

SUFFIXES = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")
MOST_PICTURES = 100_000
MOST_PIXELS = 2**24  # of a picture, before it is decoded
SIDE = 32  # pixels to which pictures of different sizes are brought
LONGEST_SIDE = 64  # pixels of pictures that keep their size
CLUTTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
"""What file managers leave in an archive."""

Image.MAX_IMAGE_PIXELS = MOST_PIXELS


def read_pictures(path: Path) -> Upload:
    """Read a ZIP of PNG and JPEG files into the columns ``image`` and ``label``.

    The label of a picture is the name of the folder that it is in. Pictures that all have the same
    modest size keep it; others are brought to 32 x 32. They are grey if all of them are.

    Raises:
        IngestError: it is broken, its members are no pictures in folders, or far too large.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not _is_clutter(each)]
            _check_members(members, size)
            labels = [PurePosixPath(member.filename).parent.name for member in members]
            sizes, grey = _declared(archive, members, size)
            shape = _common_shape(sizes, grey=grey)
            images = np.stack([_decoded(archive, member, shape) for member in members])
    except IngestError:
        raise
    except BROKEN as error:
        raise _refused("it is broken or packed in an unknown way", "a ZIP of pictures") from error
    schema = pa.schema([image_field("image", shape), pa.field("label", pa.string())])
    resized = (
        f"the pictures differ in size or are large; each was brought to {SIDE} x {SIDE} pixels"
    )
    return Upload(
        table=pa.Table.from_arrays([image_column(images), pa.array(labels)], schema=schema),
        format=Binary(kind="pictures"),
        warnings=() if sizes == {shape[1::-1]} else (resized,),
    )


def _is_clutter(member: zipfile.ZipInfo) -> bool:
    return member.is_dir() or any(part in CLUTTER for part in member.filename.split("/"))


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse what is no collection of pictures in folders, by the directory alone."""
    if not 0 < len(members) <= MOST_PICTURES:
        raise _refused(f"it has {len(members)} pictures", f"1 to {MOST_PICTURES} pictures")
    check_inflated(sum(member.file_size for member in members), size)
    for member in members:
        name = PurePosixPath(member.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in member.filename:
            raise _refused(
                f"it has a member {member.filename[:SHOWN]!r}", "plain names such as cat/1.png"
            )
        if name.suffix.lower() not in SUFFIXES:
            raise _refused(
                f"it has a member {member.filename[:SHOWN]!r}", f"pictures: {', '.join(SUFFIXES)}"
            )
        if len(name.parts) < 2:
            raise _refused(
                f"the picture {member.filename[:SHOWN]!r} is in no folder",
                "one folder a class, such as cat/1.png",
            )


def _declared(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], file_bytes: int
) -> tuple[set[tuple[int, int]], bool]:
    """The sizes that the pictures' headers tell, and whether all are grey; nothing is decoded."""
    sizes, grey, decoded = set(), True, 0
    for member in members:
        with archive.open(member) as file, _opened(file, member) as picture:
            decoded += picture.width * picture.height * len(picture.getbands())
            check_inflated(decoded, file_bytes)
            sizes.add(picture.size)
            grey = grey and picture.mode in {"1", "L", "LA", "I", "I;16"}
    return sizes, grey


def _opened(file: IO[bytes], member: zipfile.ZipInfo) -> Image.Image:
    """A picture whose header has been read, refused if it tells of too many pixels."""
    try:
        picture = Image.open(file, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(member, "far too many") from error
    except (UnidentifiedImageError, SyntaxError) as error:
        raise _refused(f"{member.filename[:SHOWN]!r} is no picture", "PNG or JPEG") from error
    if picture.width * picture.height > MOST_PIXELS:
        raise _too_large(member, f"{picture.width:,} x {picture.height:,}")
    return picture


def _common_shape(sizes: set[tuple[int, int]], *, grey: bool) -> ImageShape:
    channels = 1 if grey else 3
    width, height = next(iter(sizes))
    if len(sizes) > 1 or max(width, height) > LONGEST_SIDE:
        return ImageShape(SIDE, SIDE, channels)
    return ImageShape(height, width, channels)


def _decoded(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, shape: ImageShape
) -> NDArray[np.uint8]:
    """One picture: (height, width, channels)."""
    mode = "L" if shape.channels == 1 else "RGB"
    size = (shape.width, shape.height)
    with archive.open(member) as file, _opened(file, member) as picture:
        picture.draft(mode, size)  # a JPEG need not be decoded larger than it is wanted
        try:
            picture.load()
        except (OSError, SyntaxError, ValueError) as error:
            name = member.filename[:SHOWN]
            raise _refused(f"{name!r} cannot be decoded", "whole pictures") from error
        # shrunk before its mode changes: a large one would take its memory again
        plain = _plain(picture)
        fitting = plain if plain.size == size else plain.resize(size, Image.Resampling.BOX)
        return np.asarray(fitting.convert(mode), dtype=np.uint8).reshape(shape)


def _plain(picture: Image.Image) -> Image.Image:
    """A picture with 8 bits a channel and no palette, as resizing wants it."""
    if picture.mode in {"I", "I;16"}:
        return Image.fromarray((np.asarray(picture).astype(np.int64) >> 8).astype(np.uint8))
    if picture.mode == "P":
        return picture.convert("RGB")
    return picture.convert("L") if picture.mode == "1" else picture


def looks_like_pictures(archive: zipfile.ZipFile) -> bool:
    """Whether a ZIP has a member that is named as a picture."""
    return any(name.lower().endswith(SUFFIXES) for name in archive.namelist())


def _too_large(member: zipfile.ZipInfo, found: str) -> IngestError:
    return _refused(
        f"the picture {member.filename[:SHOWN]!r} has {found} pixels",
        f"at most {MOST_PIXELS:,} pixels a picture",
    )


def _refused(problem: str, allowed: str) -> IngestError:
    return IngestError(
        f"the file cannot be read as a ZIP of pictures: {problem}. Allowed: {allowed}.",
        value=problem,
        allowed=allowed,
    )
