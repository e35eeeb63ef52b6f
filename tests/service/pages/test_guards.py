"""What holds for every page, also for those that are still to come."""

from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx
import pytest

from service import tokens
from service.rendering import POLICY
from tests.service.conftest import Live
from tests.service.pages.everything import Html, address, full, one_of_each, templates
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]

BROWSER = {"Accept": "text/html"}
BESIDE = ["/v1/docs"]  # a page as well, though it is the API's
RUNS = {"", "module", "text/javascript", "application/javascript"}

every = pytest.mark.parametrize("template", [*templates(), *BESIDE])


@pytest.fixture(scope="module")
def ids(shared_live: Live) -> dict[str, str]:
    return one_of_each(shared_live)


@pytest.fixture(scope="module")
def browser(shared_live: Live) -> Iterator[httpx.Client]:
    """A client that has only the cookie of a login, and asks for pages."""
    base = shared_live.anonymous.base_url
    with httpx.Client(base_url=base, headers=BROWSER, timeout=60) as client:
        token = shared_live.services.token.get_secret_value()
        assert client.post("/login", data={"token": token}).status_code == 303
        yield client


def test_there_are_pages() -> None:
    assert {"/", "/jobs", "/tokens", "/about"} <= set(templates())


@every
def test_it_needs_a_login(shared_live: Live, ids: dict[str, str], template: str) -> None:
    where = address(template, ids)
    shown = shared_live.anonymous.get(where, headers=BROWSER)
    assert shown.status_code == 401
    assert '<form method="post" action="/login"' in shown.text
    assert problem(shared_live.anonymous.get(where))["status"] == 401


@every
def test_token_and_cookie_open_it_alike(
    shared_live: Live, browser: httpx.Client, ids: dict[str, str], template: str
) -> None:
    where = address(template, ids)
    by_token, by_cookie = shared_live.client.get(where), browser.get(where)
    assert (by_token.status_code, by_cookie.status_code) == (200, 200), by_token.text
    assert by_token.headers["content-type"] == by_cookie.headers["content-type"]
    if template not in BESIDE:
        asked = browser.head(where)
        assert (asked.status_code, asked.content) == (200, b"")


@pytest.mark.parametrize("template", [each for each in templates() if "_id}" in full(each)])
def test_what_is_anothers_is_not_there(
    shared_live: Live, ids: dict[str, str], template: str
) -> None:
    with shared_live.services.database.write() as connection:
        made = tokens.create(connection, owner="bob", name="test", scopes=["read"])
    headers = {"Authorization": f"Bearer {made.token}"}
    where = address(template, ids)
    assert problem(shared_live.anonymous.get(where, headers=headers))["status"] == 404
    shown = shared_live.anonymous.get(where, headers=headers | BROWSER)
    assert shown.status_code == 404
    assert shown.headers["content-type"].startswith("text/html")
    assert 'href="/jobs"' in shown.text  # the links are there: he is logged in


@every
def test_no_script_runs_in_it_but_those_that_we_bring_along(
    browser: httpx.Client, ids: dict[str, str], template: str
) -> None:
    answer = browser.get(address(template, ids))
    if not answer.headers["content-type"].startswith("text/html"):
        return
    policies = answer.headers.get_list("content-security-policy", split_commas=True)
    assert policies[0] == POLICY if template not in BESIDE else "script-src" not in policies[0]
    assert policies[0].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    html = Html(answer.text)
    for tag in html.tags:
        assert not [name for name in tag.attributes if name.startswith("on")], tag
        if tag.name == "script" and tag.attributes.get("type", "") in RUNS:
            assert tag.attributes["src"].startswith("/assets/"), tag
            assert not tag.text.strip()
    assert {urlsplit(each).scheme for each in html.values("src", "action", "formaction")} <= {""}
    assert {urlsplit(each).scheme for each in html.values("href")} <= {"", "https"}
    for link in html.values("href", "src"):
        if link.startswith("/assets/"):
            asset = browser.get(link)
            assert asset.status_code == 200, link
            assert "immutable" in asset.headers["cache-control"], link


@every
def test_its_own_anchors_are_there_and_stand_once(
    browser: httpx.Client, ids: dict[str, str], template: str
) -> None:
    html = Html(browser.get(address(template, ids)).text)
    names = list(html.values("id"))
    assert len(names) == len(set(names))
    wanted = {each[1:] for each in html.values("href") if each.startswith("#")}
    wanted |= set(html.values("for", "aria-labelledby"))
    assert wanted <= set(names)


def test_every_link_leads_somewhere(browser: httpx.Client, ids: dict[str, str]) -> None:
    found: dict[str, str] = {}  # each with a page on which it stands
    for template in [*templates(), *BESIDE]:
        where = address(template, ids)
        for link in Html(browser.get(where).text).values("href"):
            found.setdefault(urldefrag(urljoin(where, link)).url, where)
    broken = {
        link: place
        for link, place in found.items()
        if link.startswith("/") and browser.get(link).status_code >= 400
    }
    assert broken == {}
    assert len(found) > 10
