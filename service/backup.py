"""A server's database and datasets in one file, taken while it runs, and brought back.

The file is a ZIP: what it should hold, with digests, in `manifest.json`, then the database and each
dataset. Tokens travel as hashes, as the database has them; the file with the local token does not.
"""

import hashlib
import json
import os
import zipfile
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from service import private_files, sqlite
from service.errors import BackupError, StartupError
from service.settings import Settings
from service.sqlite_driver import driver
from service.store import DIGEST

FORM = 1
DATABASE, MANIFEST, DATASETS = "database.sqlite", "manifest.json", "datasets/"
CHUNK = 1024**2
LONGEST_MANIFEST = 64 * 1024**2


class Held(NamedTuple):
    """What a backup holds.

    Attributes:
        jobs: how many.
        datasets: how many.
        bytes: of the file.
    """

    jobs: int
    datasets: int
    bytes: int


def back_up(settings: Settings, path: Path) -> Held:
    """Write a backup; the server may run, and its jobs go on.

    Args:
        settings: of the server.
        path: of a file that is not there yet.

    Raises:
        BackupError: there is no database or it is PostgreSQL's, the backup cannot be written, or a
            dataset is not there.
    """
    if path.exists():
        raise BackupError(f"{path} is there already: a backup never replaces another.")
    database = _file(settings)
    if not database.is_file():
        raise BackupError(f"There is no database at {database} to back up.")
    draft = path.with_name(f".{path.name}.draft")
    try:
        with TemporaryDirectory(prefix=".backup-", dir=path.parent) as folder:
            copy = Path(folder) / DATABASE
            copy_database(database, copy)
            jobs, digests = _contents(copy)
            private_files.create(draft)
            kept_here = digests if settings.store_elsewhere is None else []
            _write(draft, copy, settings.blob_folder, kept_here)
        draft.replace(path)
    except (OSError, driver.Error) as error:
        raise BackupError(f"The backup cannot be written: {error}.") from error
    finally:
        draft.unlink(missing_ok=True)
    return Held(jobs, len(digests), path.stat().st_size)


def restore(settings: Settings, path: Path) -> Held:
    """Bring a backup back, where there is no server's data yet; all of it or nothing.

    Args:
        settings: of the server to be.
        path: of the backup.

    Raises:
        BackupError: there is data already, the database is to be PostgreSQL's, or the file is not a
            whole backup of this version or an earlier one.
    """
    database, blobs = _file(settings), settings.blob_folder
    if database.exists() or (blobs.exists() and any(blobs.iterdir())):
        raise BackupError(
            f"There is data in {settings.home} already. Restore into an empty home: "
            "set FALLLINE_HOME, or move that one away."
        )
    private_files.make_folder(settings.home)
    private_files.make_folder(database.parent)
    try:
        with (
            TemporaryDirectory(prefix=".restore-", dir=settings.home) as folder,
            zipfile.ZipFile(path) as archive,
        ):
            held = _unpack(archive, Path(folder))
            jobs, digests = _contents(held / DATABASE)
            packed = {file.name: file for file in (held / DATASETS).iterdir()}
            if settings.store_elsewhere is not None and packed:
                raise BackupError(
                    f"{path} has datasets of a server that kept them itself: restore it without "
                    "FALLLINE_STORE."
                )
            missing = sorted(set(digests) - packed.keys())
            if settings.store_elsewhere is None and missing:
                raise BackupError(
                    f"{path} lacks a dataset that its database names, {missing[0]}: if the server kept "
                    "them elsewhere, set FALLLINE_STORE as it was."
                )
            _check(held / DATABASE)
            private_files.make_folder(blobs)
            for digest, file in packed.items():
                file.replace(blobs / digest)
            # Last: without a database there is no data yet.
            (held / DATABASE).replace(database)
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise BackupError(f"{path} is not a whole backup: {error}.") from error
    except (OSError, driver.Error) as error:
        raise BackupError(f"{path} cannot be restored: {error}.") from error
    return Held(jobs, len(digests), path.stat().st_size)


def _file(settings: Settings) -> Path:
    if settings.database_path is None:
        raise BackupError(
            "The database is PostgreSQL's: save and restore it with pg_dump and pg_restore, and the "
            f"folder {settings.blob_folder} beside it."
        )
    return settings.database_path


def copy_database(database: Path, copy: Path) -> None:
    """A database as it is at one moment, whoever writes to it meanwhile."""
    private_files.create(copy)
    with closing(sqlite.only_reading(database)) as source, closing(driver.connect(copy)) as to:
        source.backup(to)


def _contents(database: Path) -> tuple[int, list[str]]:
    """How many jobs a database has, and the digests of its datasets."""
    with closing(driver.connect(database)) as connection:
        ((jobs,),) = connection.execute("SELECT count(*) FROM jobs")
        rows = connection.execute("SELECT DISTINCT digest FROM datasets ORDER BY digest")
        return jobs, [digest for (digest,) in rows if DIGEST.fullmatch(digest)]


def _write(draft: Path, database: Path, blobs: Path, digests: list[str]) -> None:
    # Datasets are compressed as they are; the database is not.
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
        held = {f"{DATASETS}{digest}": digest for digest in digests}
        manifest = {
            "form": FORM,
            "fallline": version("fallline"),
            "made": datetime.now(UTC).isoformat(),
            "files": {DATABASE: _digest(database)} | held,
        }
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        archive.write(database, DATABASE, zipfile.ZIP_DEFLATED)
        for name, digest in held.items():
            archive.write(blobs / digest, name)
    with draft.open("rb") as file:
        os.fsync(file.fileno())


def _unpack(archive: zipfile.ZipFile, folder: Path) -> Path:
    """Every file of a backup, its digest checked, under names of ours."""
    if archive.getinfo(MANIFEST).file_size > LONGEST_MANIFEST:
        raise BackupError("The manifest of this backup is too long to be one.")
    manifest = json.loads(archive.read(MANIFEST))
    if manifest.get("form") != FORM:
        raise BackupError(f"This backup has form {manifest.get('form')!r}; {FORM} can be restored.")
    private_files.make_folder(folder / DATASETS)
    for name, digest in manifest["files"].items():
        place = folder / DATASETS / digest if name != DATABASE else folder / DATABASE
        if name not in {DATABASE, f"{DATASETS}{digest}"} or not DIGEST.fullmatch(digest):
            raise BackupError(f"The backup names a file that is none of a backup: {name!r}.")
        private_files.create(place)
        with archive.open(name) as packed, place.open("wb") as file:
            while chunk := packed.read(CHUNK):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if _digest(place) != digest:
            raise BackupError(f"{name} in the backup is not as it was written.")
    return folder


def _check(database: Path) -> None:
    """Refuse a database that is broken, or of another program or a later version."""
    with closing(driver.connect(database)) as connection:
        ((found,),) = connection.execute("PRAGMA quick_check(1)")
    if found != "ok":
        raise BackupError(f"The database in the backup is broken: {found}.")
    try:
        sqlite.look(database)
    except StartupError as error:
        raise BackupError(f"The database in the backup cannot be used: {error}") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
