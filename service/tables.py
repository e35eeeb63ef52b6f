"""Our tables. Trials are not here: they live in Optuna's own tables, in the same database."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

# Unnamed constraints cannot be altered by a later migration.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """A time: aware UTC in Python, naive UTC in the database, as Optuna stores its own.

    Neither SQLite nor PostgreSQL's plain timestamp keeps a zone, so both hold the same thing.
    """

    impl = DateTime
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Dialect,
    ) -> datetime | None:
        """Turn an aware time into a naive one in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time needs its zone; got {value!r}")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,
    ) -> datetime | None:
        """Say that what is stored is UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, default=0, server_default="0")


datasets = Table(
    "datasets",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("columns", JSON, nullable=False),  # a description of each column
    Column("bytes", BigInteger, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("target", String(255), nullable=True),  # the column to predict, if it was told
    Column("format", JSON(none_as_null=True), nullable=True),  # how the uploaded file held it
    Column("created", Moment, nullable=False, default=now),
    Index(None, "owner", "created"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),  # UUIDv7: sorts by time, cannot be guessed
    Column("owner", String(64), nullable=False),
    # None for an external job.
    Column("dataset_id", String(36), ForeignKey("datasets.id"), nullable=True, index=True),
    Column("study_id", Integer, nullable=True),  # Optuna's; no key, its tables are not ours
    Column("state", String(16), nullable=False),
    Column("name", String(64), nullable=True),
    _count("priority"),  # among the owner's own
    _count("attempt"),  # the fencing token: results of an older attempt are refused
    Column("request", JSON, nullable=False),  # as the user sent it
    Column("spec", JSON, nullable=False),  # the same with nothing left open
    Column("inferred", JSON, nullable=False),  # field -> why it has its value
    Column("warnings", JSON, nullable=False),
    _count("trials_asked"),
    _count("trials_completed"),
    _count("trials_dropped"),
    _count("trials_diverged"),
    _count("trials_stopped"),
    _count("finalists"),  # that are trained again, or have been
    Column("confirmation", JSON(none_as_null=True), nullable=True),  # what came of them
    Column("transferred", JSON(none_as_null=True), nullable=True),  # settled when it starts
    Column("attempts", JSON(none_as_null=True), nullable=True),  # what each ran with
    Column("best_value", Float, nullable=True),
    Column("best_trial", Integer, nullable=True),  # its number within the study
    _count("waves_done"),
    Column("seconds", Float, nullable=False, default=0.0, server_default="0"),
    Column("error", Text, nullable=True),
    Column("webhook", JSON(none_as_null=True), nullable=True),  # where to send word, and of what
    Column("webhook_error", Text, nullable=True),  # why the last word did not arrive
    Column("created", Moment, nullable=False, default=now),
    Column("started", Moment, nullable=True),
    Column("finished", Moment, nullable=True),
    Index(None, "state", "created"),  # which job is next
    Index(None, "owner", "created"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(36), primary_key=True),  # also the receiver's, to know it again by
    Column("job_id", String(36), ForeignKey("jobs.id"), nullable=False, index=True),
    Column("url", String(500), nullable=False),
    Column("origin", String(300), nullable=False),  # those of one wait for each other
    Column("body", Text, nullable=False),  # as it is signed
    _count("attempts"),
    Column("created", Moment, nullable=False, default=now),
    Column("due", Moment, nullable=False, index=True),
)

summaries = Table(
    "summaries",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id"), primary_key=True),
    Column("made_of", String(200), nullable=False),  # version and state: of another it is stale
    Column("body", Text, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(64), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),  # SHA-256, never the token
    Column("last4", String(4), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created", Moment, nullable=False, default=now),
    Column("expires", Moment, nullable=True),
    Column("revoked", Moment, nullable=True),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),  # as the client named its request
    Column("request", String(64), nullable=False),  # SHA-256 of what was asked
    Column("made", String(36), nullable=False),  # the id of what it made or changed
    Column("created", Moment, nullable=False, default=now, index=True),
)

audit = Table(
    "audit",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", Moment, nullable=False, default=now, index=True),
    Column("owner", String(64), nullable=False),
    Column("token_id", String(36), nullable=False),
    Column("method", String(16), nullable=False),
    Column("path", String(200), nullable=False),  # without the query, which may hold secrets
    Column("status", Integer, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("address", String(64), nullable=True),
)
