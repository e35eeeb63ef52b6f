"""A report as one file: complete, alone, and deaf to whatever users named."""

import base64
import hashlib
import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import plotly.graph_objects as go
import pytest

from service.answer import Subject, answer
from service.report_page import policy, render
from studies.report import Report, report_on
from tests.service.answers import HOSTILE, SPEC, SUBJECT, reported
from tests.studies.pretend import resolved


class Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.contents: dict[str, list[str]] = {}
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)
        self.contents.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self.text += " " if tag in {"td", "th"} else ""  # which lie apart
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.contents[self.inside[-1]][-1] += data
        if not {"script", "style"} & set(self.inside):
            self.text += data

    @property
    def figures(self) -> dict[str, Any]:
        """By the names of their charts."""
        names = [a["id"] for tag, a in self.tags if tag == "figure"]
        kinds = [a.get("type") for tag, a in self.tags if tag == "script"]
        found = [
            json.loads(data)
            for kind, data in zip(kinds, self.contents.get("script", []), strict=True)
            if kind == "application/json"
        ]
        return dict(zip(map(str, names), found, strict=True))


def page_of(subject: Subject, report: Report) -> Page:
    return Page(render(answer(subject, report), report.importance))


@pytest.fixture(scope="module")
def found() -> tuple[Subject, Report]:
    return reported()


@pytest.fixture(scope="module")
def page(found: tuple[Subject, Report]) -> Page:
    return page_of(*found)


def test_nothing_is_fetched_from_anywhere(page: Page) -> None:
    assert {tag for tag, _ in page.tags} >= {"html", "table", "script", "style"}
    for tag, attributes in page.tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form", "a"}
        assert not {"src", "href", "action", "data", "style"} & attributes.keys()
    (style,) = page.contents["style"]
    assert "url(" not in style
    assert "@import" not in style


def test_only_the_pages_own_scripts_run(page: Page) -> None:
    kinds = [attributes.get("type") for tag, attributes in page.tags if tag == "script"]
    assert set(kinds[:-2]) == {"application/json"}
    assert kinds[-2:] == [None, "module"]
    scripts = page.contents["script"][-2:]
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    assert policy().split("; ")[:2] == ["default-src 'none'", f"script-src {allowed}"]
    (meta,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    assert meta == policy()
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_what_users_named_is_text(page: Page) -> None:
    assert page.contents["title"] == [f"{HOSTILE}: which optimizer?"]
    assert page.contents["h1"] == [f"{HOSTILE}: which optimizer?"]
    assert f"of {HOSTILE} in {HOSTILE}, judged by log_loss" in page.text
    assert page.text.count(HOSTILE) >= 6  # its warning and its sources too
    assert json.loads(page.contents["pre"][-1]) == SPEC.model_dump(mode="json")
    assert "alert" not in json.dumps(page.figures)


def test_the_verdict_comes_first_in_plain_words(page: Page, found: tuple[Subject, Report]) -> None:
    _, report = found
    assert report.verdict is not None
    assert report.best is not None
    text = " ".join(page.text.split())
    config = report.best.config
    places = [
        text.index(part)
        for part in (
            f"Use {config['optimizer']['name']} with a learning rate of",
            "a run of your own should land between",
            report.verdict.sentence,
            "The configuration to use",
            "Ranking",
            "Who beats whom",
            "How much the learning rate matters",
            "How much tuning is worth it",
            "What matters",
            "Which choices lead where",
            "What a better score costs",
            "How trials were chosen",
            "Troubles and warnings",
            "How they learn",
            "Where this comes from",
        )
    ]
    assert places == sorted(places)
    assert "1,234 rows, 60 trials in 12 s, 2026-03-01 12:30 UTC" in text
    for pair in report.verdict.pairs:
        assert pair.sentence in text
    assert json.loads(page.contents["pre"][0]) == config


@pytest.mark.parametrize("metric", ["log_loss", "accuracy"])
def test_whom_nobody_beats_stands_on_top(metric: str) -> None:
    subject, report = reported(SPEC.model_copy(update={"metric": metric}))
    page = page_of(subject, report)
    rows = page.text[page.text.index("Ranking") :].split("Of the optimizers that nobody")[0].split()
    names = [word for word in rows if word in {"sgd", "adam", "momentum"}]
    assert names == ["sgd", "momentum", "adam"]
    assert report.verdict is not None
    assert report.verdict.leading == ["sgd"]
    leads = [a.get("class") for tag, a in page.tags if tag == "tr" and a.get("class")]
    assert leads == ["leads"]


def test_the_page_has_every_chart(page: Page) -> None:
    assert list(page.figures) == [
        "intervals", "rates-sgd", "rates-momentum", "rates-adam", "budgets", "importance",
        "parallel-score", "parallel-optimizer", "front-seconds", "front-memory", "curves",
        "progress",
    ]  # fmt: skip
    for figure in page.figures.values():
        go.Figure(figure)  # refuses what plotly does not know


def test_readers_of_the_screen_are_told_what_is_what(page: Page) -> None:
    assert [a.get("lang") for tag, a in page.tags if tag == "html"] == ["en"]
    scopes = [a.get("scope") for tag, a in page.tags if tag == "th"]
    assert set(scopes) == {"col", "row"}
    charts = [a for tag, a in page.tags if a.get("class") == "canvas"]
    captions = page.contents["figcaption"]
    assert [(a["role"], a["aria-label"]) for a in charts] == [("group", each) for each in captions]


def test_before_a_confirmation_nothing_is_claimed() -> None:
    subject, report = reported(confirmed=False)
    text = " ".join(page_of(subject, report).text.split())
    assert "nobody knows yet how much of that is luck" in text
    assert "Not confirmed." in text
    assert "were not trained again from fresh seeds" in text
    assert "Expect a test" not in text
    assert "Who beats whom" not in text
    under_way = replace(subject, ended=False, finished=None)
    text = " ".join(page_of(under_way, report).text.split())
    assert "Not confirmed yet." in text
    assert "have not yet been trained again" in text
    assert "UTC" not in text


def test_before_the_first_trial_there_is_a_page_too() -> None:
    page = page_of(SUBJECT, report_on(SPEC, []))
    assert "No trial has completed yet." in page.text
    assert page.figures == {}


def test_of_many_optimizers_all_are_there() -> None:
    spec = resolved(space={"optimizers": "all", "schedules": ["constant"]}, sampler="random")
    page = page_of(*reported(spec, confirmed=False, count=300))
    rates = [name for name in page.figures if name.startswith("rates-")]
    assert len(rates) > 40  # a few have no learning rate to search
    assert f"{len(rates) - 6} more" in page.text
