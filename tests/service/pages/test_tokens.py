"""The list of tokens, as it stands without scripts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from service import tokens
from tests.service.conftest import Live, live_server
from tests.service.journeys import table, upload
from tests.service.test_authorisation import bearer

pytestmark = pytest.mark.xdist_group("shared_live")

BROWSER = {"Accept": "text/html"}


def make(live: Live, owner: str, name: str, *, ended: bool = False, revoked: bool = False) -> None:
    expires = datetime(2020, 1, 2, tzinfo=UTC) if ended else None
    with live.services.database.write() as connection:
        made = tokens.create(connection, owner=owner, name=name, scopes=["read"], expires=expires)
        if revoked:
            tokens.revoke(connection, made.id)


def test_each_token_stands_there_with_what_became_of_it(shared_live: Live) -> None:
    headers = bearer(shared_live, owner="cleo") | BROWSER
    make(shared_live, "cleo", "spent", ended=True)
    make(shared_live, "cleo", "lost laptop", revoked=True)
    make(shared_live, "dan", "not hers")
    text = shared_live.anonymous.get("/tokens", headers=headers).text
    spent, lost, own = (text.split(f'class="title">{name}<')[1].split("</tr>")[0] for name in ("spent", "lost laptop", "test"))  # fmt: skip
    assert "expired" in spent
    assert "2020-01-02 00:00 UTC" in spent
    assert "revoked" in lost
    assert "Revoke…" not in spent + lost
    assert "the one you are logged in with" in own
    assert f"…{headers['Authorization'][-4:]}" in own
    assert headers["Authorization"].split()[1] not in text
    assert "not hers" not in text
    assert 'id="owner"' not in text  # which takes the scope admin
    assert 'value="admin"' not in text


def test_an_administrator_sees_those_of_others_and_nobody_else_does(shared_live: Live) -> None:
    make(shared_live, "dan", "his own")
    assert "his own" in shared_live.client.get("/tokens?of=dan").text
    headers = bearer(shared_live, owner="cleo") | BROWSER
    assert shared_live.anonymous.get("/tokens?of=dan", headers=headers).status_code == 403


def test_who_may_only_read_makes_and_revokes_none(shared_live: Live) -> None:
    headers = bearer(shared_live, owner="cleo", scopes=["read"])
    text = shared_live.anonymous.get("/tokens", headers=headers).text
    assert "Make a token" not in text
    assert "Revoke" not in text


def test_what_one_holds_stands_beside_what_one_may(tmp_path: Path) -> None:
    with live_server(tmp_path / "home", quota_bytes=10_000, quota_jobs=3) as live:
        upload(live.client, table())
        live.client.post("/v1/jobs", json={"mode": "external", "metric": "rmse"})
        text = live.client.get("/tokens").text
    assert 'aria-label="Datasets: 1.16 kB of 10 kB"' in text
    assert 'aria-label="Jobs that have not ended: 1 of 3"' in text
    assert "<dt>Trials handed out</dt><dd>0</dd>" in text
