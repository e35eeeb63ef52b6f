"""The tables of trials brought to the version that is written now, after a copy was made.

Our own tables are brought along whenever a server starts; these are Optuna's, and Optuna's own
steps may do what cannot be undone.
"""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.exc import DatabaseError

from service import schema
from service.backup import copy_database
from service.errors import BackupError, DatabaseUnusable
from service.postgresql import PostgreSQL
from service.settings import Settings
from service.sqlite import SQLite


class Upgraded(NamedTuple):
    """What was done.

    Attributes:
        old: the version of Optuna's tables that there was.
        new: and that there is now.
        copy: of the database as it was; None if nothing was to be done or it was saved before.
    """

    old: str
    new: str
    copy: Path | None


def upgrade(settings: Settings, *, saved: bool) -> Upgraded:
    """Bring Optuna's tables to the present version; no server may be running.

    Args:
        settings: of the server.
        saved: whether a copy of a PostgreSQL database was made by its own tools.

    Raises:
        BackupError: there is no database, or no copy of it can be made.
        DatabaseInUse: a server is running.
        DatabaseUnusable: it cannot be reached or written.
        SchemaMismatch: its tables are another program's or of a newer version.
    """
    path = settings.database_path
    if path is not None and not path.is_file():
        raise BackupError(f"There is no database at {path} to upgrade.")
    backend = (
        PostgreSQL(settings.database_url)
        if path is None
        else SQLite(settings.database_url, settings.synchronous)
    )
    with closing(backend):
        try:
            with backend.writer.begin() as connection:  # this takes PostgreSQL's lock
                old = schema.optuna_revision(connection)
            if old == schema.OPTUNA_REVISION:
                return Upgraded(old, old, None)
            copy = _copy(path, old, saved=saved)
            schema.upgrade_optuna_tables(backend.url, backend.engine_options)
        except DatabaseError as error:
            raise DatabaseUnusable(
                f"Cannot upgrade {backend.place}: {schema.first_line(error)}."
            ) from None
    return Upgraded(old, schema.OPTUNA_REVISION, copy)


def _copy(path: Path | None, old: str, *, saved: bool) -> Path | None:
    if path is None:
        if not saved:
            raise BackupError(
                "The database is PostgreSQL's: save it with pg_dump, then say so with --saved."
            )
        return None
    copy = path.with_name(f"{path.name}.{old}")
    if copy.exists():
        raise BackupError(f"{copy} is there already: a backup never replaces another.")
    copy_database(path, copy)
    return copy
