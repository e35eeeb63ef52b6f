import hashlib
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from service import tokens
from service.database import Database
from service.tables import now
from service.tables import tokens as table
from service.tokens import Principal
from tests.service.databases import file_of


def found(database: Database, token: str) -> Principal | None:
    with database.read() as connection:
        return tokens.find(connection, token)


def test_a_token_is_found_and_only_its_hash_is_kept(database: Database) -> None:
    with database.write() as connection:
        token = tokens.create(
            connection, owner="ann", name="laptop", scopes=["read", "submit"]
        ).token
    assert token.startswith("fall_")
    principal = found(database, token)
    assert principal is not None
    assert (principal.owner, principal.scopes) == ("ann", frozenset({"read", "submit"}))
    with database.read() as connection:
        row = connection.execute(select(table)).one()
    assert row.hash == hashlib.sha256(token.encode()).hexdigest()
    assert row.last4 == token[-4:]
    database.close()
    dump = b"".join(path.read_bytes() for path in file_of(database).parent.iterdir())
    assert row.hash.encode() in dump
    assert token.encode() not in dump


@pytest.mark.both_databases
def test_what_is_unknown_expired_or_revoked_is_nobody(database: Database) -> None:
    with database.write() as connection:
        soon = now() + timedelta(hours=1)
        late = tokens.create(connection, owner="a", name="n", scopes=["read"], expires=soon).token
        old = tokens.create(connection, owner="a", name="n", scopes=["read"], expires=now()).token
        gone = tokens.create(connection, owner="a", name="gone", scopes=["read"]).token
        connection.execute(table.update().where(table.c.name == "gone").values(revoked=now()))
    assert found(database, late) is not None
    for token in (old, gone, "", "fall_unknown", late + " ", "\udcff"):
        assert found(database, token) is None


def test_scopes_allow_what_they_name_and_admin_allows_all() -> None:
    reader = Principal("ann", frozenset({"read"}), "t1")
    assert (reader.may("read"), reader.may("submit"), reader.may("admin")) == (True, False, False)
    assert Principal("ann", frozenset({"admin"}), "t2").may("submit")


def test_the_local_token_is_made_once_and_private(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "token"
    first = tokens.ensure_local(database, file, None)
    assert file.read_text() == first.get_secret_value()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert tokens.ensure_local(database, file, None) == first
    local = found(database, first.get_secret_value())
    assert local is not None
    assert (local.owner, local.scopes) == ("admin", frozenset({"admin"}))


def test_a_given_token_takes_the_place_of_the_one_before(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    made = tokens.ensure_local(database, file, None).get_secret_value()
    given = "given_0123456789abcdef"
    assert tokens.ensure_local(database, file, SecretStr(given)).get_secret_value() == given
    assert found(database, given) is not None
    assert found(database, made) is None
    tokens.ensure_local(database, file, None)
    assert found(database, given) is None
    assert found(database, made) is not None


def test_the_token_file_is_still_good_for_a_new_database(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("kept_0123456789abcdef\n")
    tokens.ensure_local(database, file, None)
    assert found(database, "kept_0123456789abcdef") is not None
