"""A report as one file: complete, alone, and deaf to whatever users named."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import plotly.graph_objects as go
import pytest
from optuna.trial import TrialState

from service.report_page import Subject, policy, render
from studies.confirmation import Confirmation, choose
from studies.report import Report, report_on
from studies.search import Search
from studies.spec import StudySpec
from tests.studies.pretend import ended, resolved
from tests.studies.test_confirmation import run

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}"
SPEC = resolved(
    target=HOSTILE,
    space={"optimizers": ["sgd", "adam", "momentum"], "schedules": ["constant", "linear"]},
    sampler="random",
)
SUBJECT = Subject(
    job="01a2-job",
    dataset=HOSTILE,
    digest="ab" * 32,
    rows=1234,
    spec=SPEC,
    warnings=[HOSTILE],
    seconds=12.34,
    finished=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
)


def reported(spec: StudySpec = SPEC, *, confirmed: bool = True, count: int = 60) -> Report:
    """A study of so many trials; sgd's best fares best from fresh seeds, adam's worst."""
    search = Search(spec)
    trials = [ended(search.space, trial, goal=spec.goal) for trial in search.ask(count)]
    for trial in trials:
        dropped = "dropped" if "dropped_at" in trial.user_attrs else "diverged"
        completed = trial.state is TrialState.COMPLETE
        trial.set_user_attr("outcome", "completed" if completed else dropped)
        trial.set_user_attr("metrics", {"log_loss": 0.5, "accuracy": 0.5, "loss": 0.5})
    if not confirmed:
        return report_on(spec, trials)
    sign = -1 if spec.metric == "accuracy" else 1
    base = {"sgd": 0.4, "momentum": 0.5, "adam": 0.6}
    runs = {
        number: [
            run(
                number,
                seed,
                0.5 + sign * (base[trials[number].params["optimizer"]] - 0.5) + 0.001 * seed,
            )
            for seed in (1, 2, 3)
        ]
        for number in choose(spec, trials)
    }
    return report_on(spec, trials, Confirmation(seeds=[1, 2, 3], runs=runs))


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
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.contents[self.inside[-1]][-1] += data
        if not {"script", "style"} & set(self.inside):
            self.text += data

    @property
    def figures(self) -> dict[str, Any]:
        data, *_ = self.contents["script"]
        found: dict[str, Any] = json.loads(data)
        return found


@pytest.fixture(scope="module")
def report() -> Report:
    return reported()


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(render(SUBJECT, report))


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
    assert kinds == ["application/json", None, None]
    _, *scripts = page.contents["script"]
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    assert policy().split("; ")[:2] == ["default-src 'none'", f"script-src {allowed}"]
    (meta,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    assert meta == policy()
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_what_users_named_is_text(page: Page) -> None:
    assert page.contents["title"] == [f"{HOSTILE}: which optimizer?"]
    assert page.contents["h1"] == [f"{HOSTILE}: which optimizer?"]
    assert HOSTILE in page.contents["li"]
    assert f"of {HOSTILE}, judged by log_loss" in page.text
    (specification,) = page.contents["pre"]
    assert json.loads(specification) == SPEC.model_dump(mode="json")
    assert "alert" not in json.dumps(page.figures)


def test_the_verdict_comes_first_in_plain_words(page: Page, report: Report) -> None:
    assert report.verdict is not None
    assert report.best is not None
    text = " ".join(page.text.split())
    config = report.best.config
    places = [
        text.index(part)
        for part in (
            report.verdict.sentence,
            f"Use {config['optimizer']['name']} with a learning rate of",
            "a run of your own should land between",
            "The best configuration",
            "Ranking",
            "How much the learning rate matters",
            "How they learn",
            "Where this comes from",
        )
    ]
    assert places == sorted(places)
    assert "1,234 rows, 60 trials in 12.3 s, 2026-03-01 12:30 UTC" in text
    for pair in report.verdict.pairs:
        assert pair.sentence in text


@pytest.mark.parametrize("metric", ["log_loss", "accuracy"])
def test_whom_nobody_beats_stands_on_top(metric: str) -> None:
    found = reported(SPEC.model_copy(update={"metric": metric}))
    page = Page(render(SUBJECT, found))
    rows = page.text[page.text.index("Ranking") :].split("Validation scores chose")[0].split()
    names = [word for word in rows if word in {"sgd", "adam", "momentum"}]
    assert names == ["sgd", "momentum", "adam"]
    assert found.verdict is not None
    assert found.verdict.leading == ["sgd"]
    leads = [a.get("class") for tag, a in page.tags if tag == "tr" and a.get("class")]
    assert leads == ["leads"]


def test_the_charts_show_every_number(page: Page, report: Report) -> None:
    figures = page.figures
    divs = [a["id"] for tag, a in page.tags if tag == "div" and "id" in a]
    assert divs == [f"chart-{name}" for name in ("ranking", "learning_rates", "curves", "progress")]
    assert figures.keys() == {name.removeprefix("chart-") for name in divs if name}
    for figure in figures.values():
        go.Figure(figure)  # refuses what plotly does not know
    assert report.verdict is not None
    (ranking,) = figures["ranking"]["data"]
    finalists = report.verdict.finalists[::-1]
    assert ranking["x"] == [each.mean for each in finalists]
    ends = [m + e for m, e in zip(ranking["x"], ranking["error_x"]["array"], strict=True)]
    assert ends == pytest.approx([each.interval[1] for each in finalists])
    rates = {trace["name"]: trace for trace in figures["learning_rates"]["data"]}
    for name, said in report.sensitivity.items():
        assert rates[name]["x"] == [point.learning_rate for point in said.points]
        scores = [
            y for y, p in zip(rates[name]["y"], said.points, strict=True) if p.score is not None
        ]
        assert scores == [point.score for point in said.points if point.score is not None]
        crosses = rates[name]["marker"]["symbol"].count("x")
        assert crosses == sum(point.outcome == "diverged" for point in said.points)
    curves = {trace["name"]: trace for trace in figures["curves"]["data"]}
    assert {n: dict(zip(t["x"], t["y"], strict=True)) for n, t in curves.items()} == report.curves
    (progress,) = figures["progress"]["data"]
    assert progress["y"][:-1] == [value for _, value in report.progress]
    assert progress["x"][-1] == 59


def test_readers_of_the_screen_are_told_what_is_what(page: Page) -> None:
    assert [a.get("lang") for tag, a in page.tags if tag == "html"] == ["en"]
    scopes = [a.get("scope") for tag, a in page.tags if tag == "th"]
    assert set(scopes) == {"col", "row"}
    charts = [a for tag, a in page.tags if (a.get("id") or "").startswith("chart-")]
    captions = page.contents["figcaption"]
    assert [(a["role"], a["aria-label"]) for a in charts] == [("img", each) for each in captions]


def test_before_a_confirmation_nothing_is_claimed() -> None:
    found = reported(confirmed=False)
    text = " ".join(Page(render(SUBJECT, found)).text.split())
    assert "nobody knows yet how much of that is luck" in text
    assert "were not trained again from fresh seeds" in text
    assert "Expect a test" not in text
    under_way = Subject(**{**vars(SUBJECT), "finished": None})
    text = " ".join(Page(render(under_way, found)).text.split())
    assert "have not yet been trained again" in text
    assert "UTC" not in text


def test_before_the_first_trial_there_is_a_page_too() -> None:
    page = Page(render(SUBJECT, report_on(SPEC, [])))
    assert "No trial has completed yet." in page.text
    assert page.figures == {}


def test_many_optimizers_can_be_told_apart() -> None:
    spec = resolved(space={"optimizers": "all", "schedules": ["constant"]}, sampler="random")
    figures = Page(render(SUBJECT, reported(spec, confirmed=False, count=300))).figures
    traces = figures["learning_rates"]["data"]
    assert len(traces) > 40  # a few have no learning rate to search
    assert sum(trace["visible"] is True for trace in traces) == 8  # the others on request
    names: dict[tuple[str, str], set[str]] = {}
    for trace in traces:
        for symbol in set(trace["marker"]["symbol"]) - {"x"}:
            style = trace["marker"]["color"], symbol.removesuffix("-open")
            names.setdefault(style, set()).add(trace["name"])
    assert len(names) > 40
    assert all(len(sharing) == 1 for sharing in names.values())
