"""What a browser is shown when something cannot be done."""

import pytest

from service.errors import OutOfSpace, ServiceError, Unavailable
from service.problems import respond
from tests.service.conftest import Live
from tests.service.test_authorisation import bearer
from tests.service.test_problems import problem

pytestmark = pytest.mark.xdist_group("shared_live")

BROWSER = {"Accept": "text/html,*/*;q=0.8"}


def test_nothing_there_is_said_inside_the_look(shared_live: Live) -> None:
    answer = shared_live.client.get("/nothing", headers=BROWSER)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert "<h1>Not found</h1>" in answer.text
    assert 'aria-label="Pages"' in answer.text
    assert "admin" in answer.text
    assert answer.headers["x-request-id"] in answer.text
    head = shared_live.client.head("/nothing", headers=BROWSER)
    assert (head.status_code, head.content) == (404, b"")


def test_programs_are_told_as_ever(shared_live: Live) -> None:
    assert problem(shared_live.client.get("/nothing"))["status"] == 404
    assert problem(shared_live.client.get("/v1/jobs/nothing", headers=BROWSER))["status"] == 404


def test_a_form_that_is_refused_gets_a_page(shared_live: Live) -> None:
    answer = shared_live.client.post("/nothing", headers=BROWSER)
    assert answer.status_code == 404
    assert "<h1>Not found</h1>" in answer.text


def test_who_may_not_even_read_is_told_whose_token_it_is(shared_live: Live) -> None:
    headers = bearer(shared_live, owner="jo", scopes=[]) | BROWSER
    answer = shared_live.anonymous.get("/jobs", headers=headers)
    assert answer.status_code == 403
    assert "<strong>jo</strong>" in answer.text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ServiceError("Something went wrong."), "finds the reason in its log"),
        (Unavailable("Busy.", retry_after_seconds=7), "may work again in 7 seconds"),
        (Unavailable("Busy.", retry_after_seconds=1), "may work again in 1 second."),
        (OutOfSpace("Full."), "Try again"),
    ],
)
def test_what_to_do_next_is_said_also_to_who_is_not_logged_in(
    error: ServiceError, said: str
) -> None:
    headers = [(b"accept", b"text/html")]
    scope = {"type": "http", "method": "GET", "path": "/jobs", "headers": headers}
    answer = respond(scope | {"state": {"request_id": "r17"}}, error)
    text = bytes(answer.body).decode()
    assert answer.status_code == error.status
    assert said in text
    assert "r17" in text
    assert "<nav" not in text
    assert "/about" not in text


def test_a_name_in_a_problem_is_text(shared_live: Live) -> None:
    answer = shared_live.client.get("/jobs?state=<script>alert(1)</script>", headers=BROWSER)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
