import pytest

from service.errors import DatabaseInUse
from service.services import open_services
from tests.service.conftest import Live


def test_home_is_a_page_that_a_program_may_read_too(shared_live: Live) -> None:
    answer = shared_live.client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src 'self';" in answer.headers["content-security-policy"]


def test_the_api_is_described(shared_live: Live) -> None:
    document = shared_live.client.get("/v1/openapi.json").json()
    assert document["info"]["title"] == "Fallline"
    assert "/healthz" in document["paths"]
    page = shared_live.client.get("/v1/docs").text
    for path in document["paths"]:
        assert path in page
    assert "<script" not in page


def test_a_second_server_on_the_same_home_is_refused(shared_live: Live) -> None:
    second = open_services(shared_live.services.settings)
    with pytest.raises(DatabaseInUse, match="Another server"):
        second.__enter__()
    assert shared_live.anonymous.get("/healthz").status_code == 200


def test_the_token_is_where_the_command_line_looks(shared_live: Live) -> None:
    services = shared_live.services
    assert services.settings.token_file.read_text() == services.token.get_secret_value()
