"""GET /v1/audit: what is written down, and who may read it."""

import time
from datetime import timedelta
from typing import Any

import pytest

from service import audit
from tests.service.conftest import Live
from tests.service.journeys import Json, table, upload
from tests.service.test_authorisation import bearer
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


def entries(live: Live, headers: dict[str, str], **params: Any) -> list[Json]:
    answer = live.anonymous.get("/v1/audit", headers=headers, params=params)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["items"]
    return found


def test_what_changes_something_is_written_down_with_its_outcome(shared_live: Live) -> None:
    owner = "auditee"
    ann, reader = (
        bearer(shared_live, owner=owner),
        bearer(shared_live, owner=owner, scopes=["read"]),
    )
    send = shared_live.anonymous
    given = {"name": "secret-name", "target": "kind"}
    kind = {"Content-Type": "text/csv", "X-Request-ID": "first-request"}
    dataset = send.post("/v1/datasets", params=given, content=table(), headers=ann | kind).json()
    send.get("/v1/datasets", headers=ann)
    send.post("/v1/jobs", json={"dataset": "none"}, headers=ann)
    send.delete(f"/v1/datasets/{dataset['id']}", headers=reader)
    found = entries(shared_live, ann)
    assert [(each["method"], each["path"], each["status"]) for each in found] == [
        ("DELETE", f"/v1/datasets/{dataset['id']}", 403),
        ("POST", "/v1/jobs", 404),
        ("POST", "/v1/datasets", 201),
    ]
    assert found[2]["request_id"] == "first-request"
    assert {each["owner"] for each in found} == {owner}
    assert found[0]["token_id"] != found[1]["token_id"] == found[2]["token_id"]
    assert {each["address"] for each in found} == {"127.0.0.1"}
    assert "secret-name" not in str(found)
    assert entries(shared_live, ann, limit=1) == found[:1]


def test_only_an_administrator_sees_what_others_did(shared_live: Live) -> None:
    ann, bob = bearer(shared_live, owner="watched"), bearer(shared_live, owner="curious")
    shared_live.anonymous.post("/v1/jobs", json={}, headers=ann)
    assert entries(shared_live, bob) == []
    refused = shared_live.anonymous.get("/v1/audit", headers=bob, params={"owner": "watched"})
    assert (problem(refused)["status"], problem(refused)["field"]) == (403, "owner")
    admin = dict(shared_live.client.headers)
    (seen,) = entries(shared_live, {"Authorization": admin["authorization"]}, owner="watched")
    assert (seen["path"], seen["status"]) == ("/v1/jobs", 422)


def test_who_has_no_token_leaves_no_entry(shared_live: Live) -> None:
    admin = {"Authorization": shared_live.client.headers["authorization"]}
    before = entries(shared_live, admin, limit=1)
    shared_live.anonymous.post("/v1/jobs", json={})
    shared_live.anonymous.post("/v1/jobs", json={}, headers={"Authorization": "Bearer fall_x"})
    assert entries(shared_live, admin, limit=1) == before


def test_old_entries_are_forgotten(shared_live: Live) -> None:
    upload(shared_live.client, table())
    admin = {"Authorization": shared_live.client.headers["authorization"]}
    audit.forget(shared_live.services.database, timedelta(days=1))
    assert entries(shared_live, admin)
    audit.forget(shared_live.services.database, timedelta(0))
    assert entries(shared_live, admin) == []


def test_who_asks_after_a_change_finds_it_however_long_the_entry_takes(
    shared_live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = audit.Audited._write

    def slow(*arguments: Any) -> None:
        time.sleep(0.2)
        write(*arguments)

    monkeypatch.setattr(audit.Audited, "_write", slow)
    ivo = bearer(shared_live, owner="ivo")
    shared_live.anonymous.delete("/v1/jobs/nothing", headers=ivo)
    assert [each["path"] for each in entries(shared_live, ivo)] == ["/v1/jobs/nothing"]
