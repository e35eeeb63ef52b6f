from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from service import tokens
from service.tokens import Scope
from tests.service.conftest import Live
from tests.service.test_problems import problem

ADDRESSES = [
    "/", "/v1/openapi.json", "/v1/docs", "/v1/nothing", "/dashboard", "/dashboard/studies/1",
    "/api/studies", "/api/studies/1", "/api/meta", "/static/bundle.js", "/csv/1", "/nothing",
    "/artifacts/1/2", "/incompatible-rdb-schema",
]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def token_of(live: Live) -> str:
    return live.services.token.get_secret_value()


@contextmanager
def browser(live: Live) -> Iterator[httpx.Client]:
    """A client that has only the cookie of a login."""
    with httpx.Client(base_url=live.anonymous.base_url, timeout=30) as client:
        answer = client.get("/login", params={"token": token_of(live)})
        assert answer.status_code == 303
        yield client


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_is_answered_without_a_valid_login(shared_live: Live, address: str) -> None:
    cookie = f"fallline_{shared_live.services.settings.port}"
    for headers in (
        {},
        {"Authorization": "Bearer fall_wrong"},
        {"Authorization": f"Basic {token_of(shared_live)}"},
        {"Authorization": token_of(shared_live)},
        {"Cookie": f"{cookie}=fall_wrong"},
        {"Cookie": f"fallline_1={token_of(shared_live)}"},
        # A wrong header is not made good by a cookie that a browser adds by itself.
        {"Authorization": "Bearer x", "Cookie": f"{cookie}={token_of(shared_live)}"},
    ):
        for method in METHODS:
            answer = shared_live.anonymous.request(method, address, headers=headers)
            assert answer.status_code in {401, 403}
            if method == "GET":
                assert problem(answer)["status"] == 401
                assert answer.headers["www-authenticate"].startswith("Bearer")


def test_health_needs_no_login(shared_live: Live) -> None:
    body = shared_live.anonymous.get("/healthz").json()
    assert body.keys() == {"status", "version", "database"}
    assert (body["status"], body["database"]) == ("ok", "ok")


def test_a_browser_is_told_how_to_log_in(shared_live: Live) -> None:
    answer = shared_live.anonymous.get("/dashboard", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "/login?token=" in answer.text
    assert token_of(shared_live) not in answer.text
    assert str(shared_live.services.settings.home) not in answer.text


def test_the_token_becomes_a_cookie_and_leaves_the_address(shared_live: Live) -> None:
    answer = shared_live.anonymous.get("/login", params={"token": token_of(shared_live)})
    shared_live.anonymous.cookies.clear()
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert answer.headers["cache-control"] == "no-store"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"fallline_{shared_live.services.settings.port}=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


def test_a_form_lets_in_as_well(shared_live: Live) -> None:
    form = {"token": token_of(shared_live), "next": "/jobs"}
    answer = shared_live.anonymous.post("/login", data=form)
    shared_live.anonymous.cookies.clear()
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
    assert "HttpOnly" in answer.headers["set-cookie"]
    refused = shared_live.anonymous.post("/login", data=form | {"token": "fall_wrong"})
    assert refused.status_code == 401
    assert "not valid" in refused.text
    assert "set-cookie" not in refused.headers


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "/\t/evil.example"],
)
def test_a_login_leads_to_no_other_server(shared_live: Live, address: str) -> None:
    form = {"token": token_of(shared_live), "next": address}
    answer = shared_live.anonymous.post("/login", data=form)
    shared_live.anonymous.cookies.clear()
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("token", ["", "fall_wrong", "é", "x" * 5000])
def test_a_wrong_token_gets_no_cookie(shared_live: Live, token: str) -> None:
    answer = shared_live.anonymous.get("/login", params={"token": token})
    assert problem(answer)["status"] == 401
    assert "set-cookie" not in answer.headers


def test_the_cookie_opens_pages_and_api(shared_live: Live) -> None:
    with browser(shared_live) as client:
        for address in ("/dashboard", "/api/studies", "/v1/openapi.json", "/v1/docs"):
            assert client.get(address).status_code == 200


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "OWN"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "OWN"}, True),
    ],
)
def test_with_a_cookie_only_our_own_pages_may_change_things(
    shared_live: Live, headers: dict[str, str], may: bool
) -> None:
    own = str(shared_live.anonymous.base_url).rstrip("/")
    given = {name: value.replace("OWN", own) for name, value in headers.items()}
    with browser(shared_live) as client:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            # There is nothing to change at this address: 404 says that the login let us in.
            answer = client.request(method, "/v1/nothing", headers=given)
            assert problem(answer)["status"] == (404 if may else 403)


@pytest.mark.parametrize(
    ("scopes", "read", "submit", "dashboard"),
    [
        (["read"], 200, 403, 403),
        (["read", "submit"], 200, 404, 403),
        (["admin"], 200, 404, 200),
        ([], 403, 403, 403),
    ],
)
def test_a_token_allows_what_its_scopes_say(
    shared_live: Live, scopes: list[Scope], read: int, submit: int, dashboard: int
) -> None:
    with shared_live.services.database.write() as connection:
        token = tokens.create(connection, owner="ann", name="test", scopes=scopes).token
    headers = {"Authorization": f"Bearer {token}"}
    client = shared_live.anonymous
    assert client.get("/v1/openapi.json", headers=headers).status_code == read
    assert client.post("/v1/nothing", headers=headers).status_code == submit
    assert client.get("/api/studies", headers=headers).status_code == dashboard
