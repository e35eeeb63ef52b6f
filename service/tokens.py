"""Access tokens: who holds one may act for its owner.

The database keeps the SHA-256 of a token. A token is 256 random bits, so nothing slower than
a plain hash is needed to keep it from being guessed.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import uuid_utils
from pydantic import SecretStr
from sqlalchemy import Connection, Row, insert, select, update

from service import owned, private_files
from service.database import Database
from service.errors import NotFound
from service.failpoints import reach
from service.tables import now, tokens
from studies.spec import WORD

Scope = Literal["read", "submit", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
OWNER = rf"^[{WORD}][{WORD}.@-]{{0,63}}$"

PREFIX = "fall_"
LOCAL_OWNER = "admin"
LOCAL_NAME = "local"


@dataclass(frozen=True)
class Principal:
    """Who is asking.

    Attributes:
        owner: whose datasets and jobs these are.
        scopes: what the token allows; "admin" allows everything.
        token_id: of the token.
    """

    owner: str
    scopes: frozenset[str]
    token_id: str

    def may(self, scope: Scope) -> bool:
        """Whether the token allows this."""
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True)
class Made:
    """A new token.

    Attributes:
        id: of its row.
        token: what its holder sends.
    """

    id: str
    token: str = field(repr=False)


def create(
    connection: Connection,
    *,
    owner: str,
    name: str,
    scopes: Iterable[Scope],
    expires: datetime | None = None,
) -> Made:
    """Make a token.

    Args:
        connection: an open transaction.
        owner: for whom it acts.
        name: a label, for the list of tokens.
        scopes: what it allows.
        expires: when it ends; None for never.

    Returns:
        The token, which is not kept and cannot be shown again.
    """
    token = f"{PREFIX}{secrets.token_urlsafe(32)}"
    token_id = _insert(connection, token, owner=owner, name=name, scopes=scopes, expires=expires)
    return Made(token_id, token)


def get(connection: Connection, principal: Principal, token_id: str) -> Row[Any]:
    """The row of a token: an administrator sees everybody's, others their owner's.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    query = select(tokens).where(tokens.c.id == token_id)
    row = connection.execute(query).one_or_none()
    if row is None or not (principal.may("admin") or row.owner == principal.owner):
        raise NotFound(f"There is no token {token_id!r}.", field="token", value=token_id)
    return row


def page(
    connection: Connection, owner: str, *, after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """An owner's tokens, newest first, and the cursor of the next page."""
    return owned.page(connection, tokens, owner, after=after, limit=limit)


def revoke(connection: Connection, token_id: str) -> None:
    """End a token for good; one that has ended before keeps its time."""
    ended = tokens.c.revoked.is_(None)
    connection.execute(update(tokens).where(tokens.c.id == token_id, ended).values(revoked=now()))


def find(connection: Connection, token: str) -> Principal | None:
    """Who holds this token; None if it is unknown, expired or revoked."""
    hashed = digest(token)
    row = connection.execute(select(tokens).where(tokens.c.hash == hashed)).one_or_none()
    if row is None or not hmac.compare_digest(row.hash, hashed) or row.revoked is not None:
        return None
    if row.expires is not None and row.expires <= now():
        return None
    return Principal(row.owner, frozenset(row.scopes), row.id)


def ensure_local(database: Database, path: Path, given: SecretStr | None) -> SecretStr:
    """See that the administrator of this machine has a token.

    The first start makes one and writes it to a private file, where the command line and
    later starts find it. One that is given takes its place, and the one before it ends.

    Args:
        database: where its hash is kept.
        path: the file.
        given: the token from the settings.

    Returns:
        The token.
    """
    token = given.get_secret_value() if given else _read(path)
    if token is None:
        token = f"{PREFIX}{secrets.token_urlsafe(32)}"
        private_files.write(path, token)
        reach("token_written")
    with database.write() as connection:
        _make_only_local(connection, token)
    return SecretStr(token)


def _make_only_local(connection: Connection, token: str) -> None:
    hashed = digest(token)
    others = (tokens.c.name == LOCAL_NAME, tokens.c.owner == LOCAL_OWNER, tokens.c.hash != hashed)
    connection.execute(
        update(tokens).where(*others, tokens.c.revoked.is_(None)).values(revoked=now())
    )
    again = connection.execute(
        update(tokens).where(tokens.c.hash == hashed).values(revoked=None, expires=None)
    )
    if again.rowcount == 0:
        _insert(
            connection, token, owner=LOCAL_OWNER, name=LOCAL_NAME, scopes=["admin"], expires=None
        )


def _insert(
    connection: Connection,
    token: str,
    *,
    owner: str,
    name: str,
    scopes: Iterable[Scope],
    expires: datetime | None,
) -> str:
    token_id = str(uuid_utils.uuid7())
    connection.execute(
        insert(tokens).values(
            id=token_id,
            owner=owner,
            name=name,
            hash=digest(token),
            last4=token[-4:],
            scopes=sorted(scopes),
            expires=expires,
        )
    )
    return token_id


def _read(path: Path) -> str | None:
    if not path.exists():
        return None
    return path.read_text(encoding="utf-8").strip() or None


def digest(token: str) -> str:
    """By what the database knows a token: its SHA-256."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
