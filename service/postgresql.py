"""PostgreSQL's side of the database.

The connection that writes holds the lock that makes this server the only one. So a server that
lost it, because the database was restarted or the network broke, has lost its way to write with
it, and writes again only when it has the lock again.
"""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from service import schema
from service.errors import DatabaseAway, DatabaseInUse, DatabaseUnusable, OutOfSpace

LOCK = int.from_bytes(b"fallline", "big", signed=True)
# An address can say otherwise. A network that is gone without a word is noticed within a minute.
DEFAULTS = {
    "application_name": "fallline",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# The other end must notice it too, or it would keep the lock for the two hours that systems take.
LOCKING = (
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)
# The first characters of the codes for a connection that is, or must be, ended; for too little of
# what a server has, such as connections; and for trouble with its disk.
AWAY = ("08", "57P", "53", "58")
DISK_FULL = "53100"


class PostgreSQL:
    """A database that this process alone writes to as a server.

    Args:
        url: its address, with SQLAlchemy's name for the driver psycopg.

    Attributes:
        url: its address, also for Optuna.
        place: host and name, without a password.
        folder: None, as its files are somewhere else.
        writer: one connection, whose transactions write; as long as it lasts, so does the lock.
        reader: connections that see one state for a transaction and cannot write.
        engine_options: for Optuna's engine.
        read_only_options: for one that cannot write.

    Raises:
        DatabaseUnusable: the driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url, self.place, self.folder = url, place(make_url(url)), None
        read_only = {"execution_options": {"postgresql_readonly": True}}
        self.engine_options: dict[str, Any] = {"pool_pre_ping": True}
        self.read_only_options = self.engine_options | read_only
        self.writer = connecting(url, pool_size=1, max_overflow=0)
        event.listen(self.writer, "do_connect", self._connect_and_lock)
        # One connection for each thread that answers a request, so that none waits.
        self.reader = connecting(
            url, pool_size=8, max_overflow=40, isolation_level="REPEATABLE READ", **read_only
        )

    def look(self) -> None:
        """Refuse a database that is not ours, nothing in it changed."""
        with self.reader.begin() as connection:
            schema.check(connection)

    def touch(self, connection: Connection) -> None:
        """Write what is there already."""
        version = schema.VERSION_TABLE
        connection.execute(text(f"UPDATE {version} SET version_num = version_num"))  # noqa: S608

    def size(self, connection: Connection) -> int:
        """Bytes that its tables and indices take."""
        size = text("SELECT pg_database_size(current_database())")
        return int(connection.execute(size).scalar_one())

    def hindrance(self, error: DBAPIError) -> DatabaseAway | OutOfSpace | None:
        """What an error means that is not of the statement's own making."""
        code = getattr(error.orig, "sqlstate", None)
        if code == DISK_FULL:
            return OutOfSpace("The disk of the database is full. Nothing was changed.")
        # Without either there was no connection: a code is PostgreSQL's word.
        unconnected = isinstance(error, OperationalError) and not (code or error.statement)
        if error.connection_invalidated or unconnected or str(code).startswith(AWAY):
            return DatabaseAway("The database cannot be reached. Try again.")
        return None

    def close(self) -> None:
        """Close every connection, and with the writer's let another process have it."""
        self.reader.dispose()
        self.writer.dispose()

    def _connect_and_lock(
        self, dialect: Dialect, _record: object, positional: Any, named: Any
    ) -> Any:
        connection: Any = dialect.connect(*positional, **named)
        try:
            for setting in LOCKING:
                connection.execute(setting)
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
            connection.commit()
        except BaseException:
            connection.close()
            raise
        if row != (True,):
            connection.close()
            raise DatabaseInUse(
                f"Another server has the database {self.place} open. "
                "Stop it, or name another database in FALLLINE_DATABASE."
            )
        return connection


def place(url: URL) -> str:
    """Where a database is, for humans: no user, no password."""
    host = url.host or url.query.get("host") or "this machine"
    shown = host if isinstance(host, str) else ",".join(host)
    return f"{url.database} on {shown}{f':{url.port}' if url.port else ''}"


def describe(url: str) -> str:
    """Where a database is, its version and size; nothing is changed.

    Raises:
        DatabaseUnusable: it cannot be reached.
        SchemaMismatch: it belongs to another program or another version.
    """
    database = PostgreSQL(url)
    try:
        database.look()
        with database.reader.begin() as connection:
            version = connection.execute(text("SHOW server_version")).scalar_one()
            size = database.size(connection)
    except DatabaseError as error:
        raise DatabaseUnusable(
            f"Cannot use {database.place}: {schema.first_line(error)}."
        ) from None
    finally:
        database.close()
    return f"{database.place}, PostgreSQL {version}, {size:,} bytes"


def connecting(url: str, **options: Any) -> Engine:
    """An engine whose connections are tried before they are used again.

    Raises:
        DatabaseUnusable: the driver is not installed.
    """
    given = make_url(url).query
    try:
        return create_engine(
            url,
            pool_pre_ping=True,
            connect_args={name: value for name, value in DEFAULTS.items() if name not in given},
            # Errors are logged, and values are the users'.
            hide_parameters=True,
            **options,
        )
    except ModuleNotFoundError as error:
        raise DatabaseUnusable(
            f"PostgreSQL needs {error.name}: pip install 'fallline[postgresql]'."
        ) from None
