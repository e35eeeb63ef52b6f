"""Who may do what: every operation that the server describes, with every kind of token."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest

from service import tokens
from service.tables import now
from tests.service.conftest import Live
from tests.service.journeys import Json, ended, submit, table, upload
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]

METHODS = {"get", "post", "put", "patch", "delete"}


@dataclass(frozen=True)
class Sent:
    """What makes a request to an operation acceptable, beside the path."""

    params: Json = field(default_factory=dict)
    json: Json | None = None
    content: bytes | None = None
    ids: Json = field(default_factory=dict)  # instead of those that most operations take


@dataclass(frozen=True)
class Everything:
    """An owner with one object of each kind."""

    headers: dict[str, str]
    ids: dict[str, str]
    sent: dict[tuple[str, str], Sent]


@pytest.fixture(scope="module")
def ann(shared_live: Live) -> Everything:
    headers = bearer(shared_live, owner="ann")
    with httpx.Client(base_url=shared_live.client.base_url, headers=headers, timeout=60) as client:
        dataset = upload(client, table())
        job = submit(client, dataset)
        assert ended(client, job["id"])["state"] == "completed"
        token = client.post("/v1/tokens", json={"name": "spare"}).json()
        external = client.post("/v1/jobs", json={"mode": "external", "metric": "rmse"}).json()
        trial = client.post(f"/v1/jobs/{external['id']}/ask", json={}).json()["trials"][0]
    outside = {"job_id": external["id"]}
    return Everything(
        headers,
        ids={"dataset_id": dataset["id"], "job_id": job["id"], "token_id": token["id"], "number": "0"},
        sent={
            ("post", "/v1/datasets"): Sent(params={"name": "table"}, content=table()),
            ("post", "/v1/jobs"): Sent(json={"dataset": dataset["id"]}),
            ("post", "/v1/jobs:estimate"): Sent(json={"dataset": dataset["id"]}),
            ("post", "/v1/jobs/{job_id}/clone"): Sent(json={"seed": 1}),
            ("patch", "/v1/jobs/{job_id}"): Sent(json={"budget": {"trials": 16}}),
            ("post", "/v1/tokens"): Sent(json={"name": "another"}),
            ("post", "/v1/jobs/{job_id}/ask"): Sent(json={"count": 2}, ids=outside),
            ("post", "/v1/jobs/{job_id}/trials/{number}/report"): Sent(
                json={"lease": trial["lease"], "epoch": 1, "value": 0.5}, ids=outside
            ),
            ("post", "/v1/jobs/{job_id}/trials/{number}/tell"): Sent(
                json={"lease": trial["lease"], "value": 0.5}, ids=outside
            ),
        },
    )  # fmt: skip


def bearer(live: Live, *, owner: str, **more: Any) -> dict[str, str]:
    scopes = more.pop("scopes", ["read", "submit"])
    with live.services.database.write() as connection:
        made = tokens.create(connection, owner=owner, name="test", scopes=scopes, **more)
        if more.get("expires") is None and owner == "revoked":
            tokens.revoke(connection, made.id)
    return {"Authorization": f"Bearer {made.token}"}


def operations(live: Live, everything: Everything) -> Iterator[tuple[str, str, Json]]:
    """Every operation under /v1 with what a request for it needs."""
    paths = live.client.get("/v1/openapi.json").json()["paths"]
    for path, methods in paths.items():
        if not path.startswith("/v1/"):
            continue
        for method in METHODS & methods.keys():
            sent = everything.sent.get((method, path), Sent())
            needs_body = "requestBody" in methods[method]
            assert not needs_body or sent.json or sent.content, (
                f"tell this test what {method} {path} takes"
            )
            address = path.format(**everything.ids | sent.ids)
            request = {"params": sent.params, "json": sent.json, "content": sent.content}
            yield method, address, {k: v for k, v in request.items() if v is not None}


def ask(live: Live, method: str, address: str, headers: dict[str, str], sent: Json) -> Any:
    return live.anonymous.request(method, address, headers=headers, **sent)


@pytest.mark.parametrize("who", ["nobody", "unknown", "revoked", "expired"])
def test_nobody_gets_in_without_a_valid_token(shared_live: Live, ann: Everything, who: str) -> None:
    past = now() - timedelta(seconds=1)
    headers = {
        "nobody": {},
        "unknown": {"Authorization": "Bearer fall_unknown"},
        "revoked": bearer(shared_live, owner="revoked"),
        "expired": bearer(shared_live, owner="ann", expires=past),
    }[who]
    seen = 0
    for method, address, sent in operations(shared_live, ann):
        answer = ask(shared_live, method, address, headers, sent)
        assert problem(answer)["status"] == 401, (method, address)
        seen += 1
    assert seen > 15


def test_who_may_only_read_changes_nothing(shared_live: Live, ann: Everything) -> None:
    headers = bearer(shared_live, owner="ann", scopes=["read"])
    for method, address, sent in operations(shared_live, ann):
        answer = ask(shared_live, method, address, headers, sent)
        expected = 200 if method == "get" else 403
        assert answer.status_code == expected, (method, address, answer.text)


def test_what_belongs_to_another_is_not_there(shared_live: Live, ann: Everything) -> None:
    headers = bearer(shared_live, owner="bob")
    for method, address, sent in operations(shared_live, ann):
        answer = ask(shared_live, method, address, headers, sent)
        names_hers = any(
            each in address
            for ids in (ann.ids, *(sent.ids for sent in ann.sent.values()))
            for key, each in ids.items()
            if key != "number"
        )
        if names_hers or (address in {"/v1/jobs", "/v1/jobs:estimate"} and method == "post"):
            assert problem(answer)["status"] == 404, (method, address)
        else:
            assert answer.status_code in {200, 201}, (method, address, answer.text)
            if address == "/v1/audit":  # tells him what he himself has asked for
                assert {entry["owner"] for entry in answer.json()["items"]} <= {"bob"}
                continue
            assert not any(each in answer.text for each in ann.ids.values() if len(each) > 1)


def test_her_own_token_does_it_all(shared_live: Live, ann: Everything) -> None:
    """Else what the other tests see refused might be refused to everybody."""
    for method, address, sent in sorted(operations(shared_live, ann), key=deletions_last):
        answer = ask(shared_live, method, address, ann.headers, sent)
        while answer.status_code == 503 and address.endswith(":estimate"):  # the worker is busy
            answer = ask(shared_live, method, address, ann.headers, sent)
        # The job may have ended or rest by now, and the one just posted uses the dataset.
        moves = method == "delete" or address.endswith(("/cancel", "/pause", "/resume"))
        expected = {200, 201, 204, 409} if moves else {200, 201}
        assert answer.status_code in expected, (method, address, answer.text)


def deletions_last(operation: tuple[str, str, Json]) -> tuple[bool, str]:
    method, address, _ = operation
    return method == "delete", address
