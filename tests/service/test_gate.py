import http.client
import logging

import pytest

from tests.service.conftest import Live
from tests.service.test_problems import problem

ADDRESSES = [
    "/", "/healthz", "/login", "/login?token=x", "/v1/openapi.json", "/v1/docs", "/v1/nothing",
    "/dashboard", "/dashboard/studies/1", "/api/studies", "/api/meta", "/static/bundle.js",
    "/csv/1", "/nothing",
]  # fmt: skip
FOREIGN = ["evil.example", "127.0.0.1.evil.example", "evil.example:8642", "localhost.", "", "[::2]"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_foreign_host_is_refused_everywhere(shared_live: Live, address: str) -> None:
    for host in FOREIGN:
        for method in ("GET", "POST", "DELETE"):
            answer = shared_live.client.request(method, address, headers={"Host": host})
            body = problem(answer)
            assert body["status"] == 400
            assert body["field"] == "Host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8642"])
def test_an_own_host_is_answered(shared_live: Live, host: str) -> None:
    assert shared_live.client.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_request_without_host_is_refused(shared_live: Live) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shared_live.services.settings.port)
    connection.putrequest("GET", "/healthz", skip_host=True)
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_is_hardened_and_has_an_id(shared_live: Live, address: str) -> None:
    for client in (shared_live.client, shared_live.anonymous):
        headers = client.get(address).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-request-id"]
        if address.startswith("/v1/"):
            assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "é"])
def test_an_odd_request_id_is_replaced(shared_live: Live, given: str) -> None:
    answer = shared_live.client.get("/healthz", headers={b"X-Request-ID": given.encode()})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


def test_the_log_holds_no_query_and_no_forged_line(
    shared_live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    shared_live.client.get("/login", params={"token": "fall_secret"})
    shared_live.client.get("/v1/a%0AGET /forged")
    shared_live.client.get("/healthz")  # answered last, so the others are logged
    logged = "\n".join(each.getMessage() for each in caplog.records if each.name != "httpx")
    assert "GET /login 401" in logged
    assert "fall_secret" not in logged
    assert "GET /v1/a%0AGET%20/forged 404" in logged
