"""The catalogue of optimizers: every rule has a page, and its numbers are the registry's."""

import re
from html import unescape

import httpx
import pytest

from optimizers.registry import FAMILIES, RULES
from service import tokens
from service.pages import optimizers
from service.pages.catalogue import reference
from service.pages.formulas import formula
from studies.profile import Profile, Workload, profile
from tests.service.conftest import Live
from tests.service.journeys import ended, submit, table, upload
from tests.service.test_problems import problem

pytestmark = pytest.mark.xdist_group("shared_live")
PAGE = {"Accept": "text/html"}


def text(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def rows(page: str) -> dict[str, list[str]]:
    """The table of hyperparameters: cells by name."""
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    found = {}
    for row in body.split("<tr>")[1:]:
        name = re.search(r"<code>(\w+)</code>", row)
        assert name is not None
        found[name[1]] = [text(cell) for cell in re.findall(r"<td.*?</td>", row)]
    return found


def test_families_hold_every_rule_once() -> None:
    names = [name for family in FAMILIES for name in family.rules]
    assert sorted(names) == sorted(RULES)
    assert all(family.thought.endswith(".") for family in FAMILIES)


def test_every_rule_is_listed_in_its_family(shared_live: Live) -> None:
    page = shared_live.client.get("/optimizers", headers=PAGE).text
    sections = page.split("<section")[1:]
    assert len(sections) == len(FAMILIES)
    for family, section in zip(FAMILIES, sections, strict=True):
        assert f"<h2>{family.name}</h2>" in section
        assert tuple(re.findall(r'<h3><a href="/optimizers/(\w+)"', section)) == family.rules
        for name in family.rules:
            assert text(RULES[name].summary) in text(section)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_has_a_page_with_what_the_registry_says(shared_live: Live, name: str) -> None:
    answer = shared_live.client.get(f"/optimizers/{name}", headers=PAGE)
    assert answer.status_code == 200
    rule, page = RULES[name], answer.text
    assert f"<h1>{name}</h1>" in page
    assert formula(rule.formula) in page
    assert text(rule.summary) in text(page)
    assert rule.reference.split("(")[0].strip() in text(page)
    for paper in re.findall(r"arXiv:([\d.]+\d)", rule.reference):
        assert f'<a href="https://arxiv.org/abs/{paper}" rel="noreferrer">' in page
    shown = rows(page)
    assert list(shown) == [h.name for h in rule.hyperparameters]
    for h in rule.hyperparameters:
        meaning, default, searched, allowed = shown[h.name]
        assert (meaning, allowed) == (h.meaning, h.allowed)
        assert float(default) == pytest.approx(h.default, rel=1e-3)
        if h.low is None or h.high is None:
            assert searched == "stays at its default"
        else:
            low, high = re.findall(r"[\d.e+-]+\d|\d", searched)[:2]
            assert (float(low), float(high)) == pytest.approx((h.low, h.high), rel=1e-3)
    assert f'href="/?space.optimizers=own&amp;space.optimizers.own={name}"' in page
    assert f'href="/playground?path={name}&amp;' in page
    for state in rule.state:
        assert f"<code>{state}</code>" in page


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("sgd", "nothing"),
        ("momentum", "1 number"),
        ("adam", "2 numbers"),
        ("adafactor", "0.049 numbers"),
    ],
)
def test_memory_is_told_by_the_weight(shared_live: Live, name: str, numbers: str) -> None:
    page = text(shared_live.client.get(f"/optimizers/{name}", headers=PAGE).text)
    assert f"Remembers a weight {numbers} " in page


@pytest.mark.parametrize("name", ["adamm", "ADAM", "%3Cscript%3E"])
def test_an_unknown_rule_is_not_found(shared_live: Live, name: str) -> None:
    answer = shared_live.client.get(f"/optimizers/{name}", headers=PAGE)
    assert answer.status_code == 404
    assert "<script>" not in answer.text


def test_pages_need_a_login(shared_live: Live) -> None:
    for address in ("/optimizers", "/optimizers/adam", "/schedules", "/playground"):
        assert "Log in" in shared_live.anonymous.get(address, headers=PAGE).text
    assert problem(shared_live.anonymous.get("/playground/paths"))["status"] == 401


def test_references_are_text_but_for_their_papers() -> None:
    assert reference("A <b> & B (arXiv:1412.6980), and more") == (
        'A &lt;b&gt; &amp; B (<a href="https://arxiv.org/abs/1412.6980" rel="noreferrer">'
        "arXiv:1412.6980</a>), and more"
    )


def studies(count: int) -> Profile:
    """A profile of so many studies: adam is always the quickest, sgd takes twice as long."""
    curves = {"adam": {1: 0.0}, "sgd": {1: 1.0, 2: 0.0}, "lion": {1: 1.0}}
    return profile([Workload(curves, 1.0, maximize=False)] * count)


def test_a_record_counts_what_the_profile_says() -> None:
    found = studies(6)
    adam, sgd, lion = (optimizers.record(found, name) for name in ("adam", "sgd", "lion"))
    assert (adam.took_part, adam.reached, adam.quickest, adam.twice, adam.place) == (6, 6, 6, 6, 1)
    assert (sgd.took_part, sgd.reached, sgd.quickest, sgd.twice, sgd.place) == (6, 6, 0, 6, 2)
    assert (lion.took_part, lion.reached, lion.quickest, lion.twice, lion.place) == (6, 0, 0, 0, 3)
    assert (adam.rivals, adam.few) == (3, False)
    absent = optimizers.record(found, "soap")
    assert (absent.studies, absent.took_part, absent.place, absent.few) == (6, 0, None, True)
    assert optimizers.record(studies(4), "adam").few


def test_a_page_tells_how_the_rule_did_in_the_readers_own_studies(shared_live: Live) -> None:
    with shared_live.services.database.write() as connection:
        token = tokens.create(connection, owner="cat", name="test", scopes=["read", "submit"]).token
    own = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=shared_live.client.base_url, headers=own, timeout=30) as client:

        def page(name: str) -> str:
            return text(client.get(f"/optimizers/{name}", headers=PAGE).text)

        assert "None of your 30 newest completed jobs compares optimizers yet." in page("adam")
        dataset = upload(client, table(), target="kind")
        job = submit(client, dataset, budget={"trials": 8, "epochs": 10})
        assert ended(client, job["id"])["state"] == "completed"
        profiles = client.get("/v1/profile").json()["optimizers"]
        (adam,) = [each for each in profiles if each["optimizer"] == "adam"]
        shown = page("adam")
        assert "Took part in 1 of 1 studies" in shown
        assert f"Reached the target {adam['reached']} of 1" in shown
        assert f"Was the quickest {round(adam['fractions'][0])} of 1" in shown
        assert "So few studies say little" in shown
        assert "It took part in none of the 1 studies" in page("lion")
