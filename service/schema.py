"""Creating and checking the tables: ours by Alembic, Optuna's by Optuna.

Both live in one database. Each has its own version table, or the second to start would
refuse what the first one wrote.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from optuna.storages import RDBStorage
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DatabaseError

from service.errors import SchemaMismatch
from service.tables import metadata

VERSION_TABLE = "fallline_version"
# We write Optuna's tables in bulk, so another revision of them must not be touched.
OPTUNA_REVISION = "v3.2.0.a"


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """For Alembic: leave out Optuna's tables, or a generated migration would drop them."""
    return kind != "table" or name in metadata.tables


def check(connection: Connection) -> None:
    """See that the database is empty or ours, before anything is written to it.

    Raises:
        SchemaMismatch: it is another program's, a newer Fallline's or another Optuna's.
    """
    present = set(inspect(connection).get_table_names())
    if present and VERSION_TABLE not in present:
        shown = ", ".join(sorted(present)[:3])
        raise SchemaMismatch(
            f"The database belongs to another program (it holds the tables {shown}). "
            "Name a new one in FALLLINE_DATABASE."
        )
    known = {step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions()}
    unknown = set(_heads(connection, VERSION_TABLE)) - known
    if unknown:
        raise SchemaMismatch(
            f"The database was written by a newer Fallline (its schema is {unknown.pop()!r}). "
            "Upgrade Fallline, or name another database in FALLLINE_DATABASE."
        )
    if has_optuna_tables(connection) and (found := optuna_revision(connection)) != OPTUNA_REVISION:
        raise SchemaMismatch(
            f"The trials in the database have Optuna's schema {found!r}; this version of Fallline "
            f"needs {OPTUNA_REVISION!r}. `fallline upgrade` makes a copy and brings them there."
        )


def optuna_revision(connection: Connection) -> str:
    """The version of Optuna's tables, the present one or an earlier one.

    Raises:
        SchemaMismatch: there are none, or they are of a version that is not known here.
    """
    for found in _heads(connection, "alembic_version"):
        if found not in _optuna_revisions():
            raise SchemaMismatch(
                f"The trials in the database have Optuna's schema {found!r}; this version "
                f"of Fallline needs {OPTUNA_REVISION!r}. Upgrade Fallline, or name another "
                "database in FALLLINE_DATABASE."
            )
        return found
    raise SchemaMismatch(
        "The database has no trials of Optuna's. `fallline serve` makes their tables."
    )


def upgrade_optuna_tables(url: str, engine_options: dict[str, Any]) -> None:
    """Let Optuna bring its tables to its present version."""
    with _optuna(url, engine_options, older=True) as storage:
        storage.upgrade()


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring our tables to the present version, or an earlier one, within the caller's transaction."""
    command.upgrade(_config(connection), revision)


def has_optuna_tables(connection: Connection) -> bool:
    """Whether Optuna's tables are complete: its version is the last thing it writes."""
    return bool(_heads(connection, "alembic_version"))


def create_optuna_tables(url: str, engine_options: dict[str, Any]) -> None:
    """Let Optuna create its own tables, or complete them after a crash."""
    with _optuna(url, engine_options):
        pass


def first_line(error: DatabaseError) -> str:
    """What the driver says, without its advice on the lines below."""
    return str(error.orig).splitlines()[0].removesuffix(".")


@contextmanager
def _optuna(
    url: str, engine_options: dict[str, Any], *, older: bool = False
) -> Iterator[RDBStorage]:
    storage = RDBStorage(url, dict(engine_options), skip_compatibility_check=older)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _optuna_revisions() -> set[str]:
    """From the first version of Optuna's tables to that of the Optuna that is installed."""
    with _optuna("sqlite://", {}) as storage:
        return set(storage.get_all_versions())


def _heads(connection: Connection, version_table: str) -> tuple[str, ...]:
    options = {"version_table": version_table}
    return MigrationContext.configure(connection, opts=options).get_current_heads()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    # A percent sign in the path would be read as an interpolation.
    folder = str(Path(__file__).with_name("migrations")).replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
