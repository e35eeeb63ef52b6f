"""Every page that there is, found by itself, and what its HTML says."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

from fastapi.routing import APIRoute

from service import pages
from tests.service.conftest import Live
from tests.service.journeys import ended, submit, table, upload

NAMES = {
    "/optimizers/{name}": "adam",
    "/playground/surfaces/{name}": "ravine",
    "/samples/{name}.csv": "digits",
    "/schedules/{name}": "cosine",
}
QUERIES = {
    "/jobs/compare": "job={job_id}&job={other_id}",
    "/plan": "dataset={dataset_id}",
}
"""What an address needs besides the parts of its path."""


def templates() -> list[str]:
    """The path of every page, and of what pages ask for; assets, which are nobody's, left out."""
    modules = (
        importlib.import_module(f"{pages.__name__}.{each.name}")
        for each in pkgutil.iter_modules(pages.__path__)
    )
    routes = (
        route for module in modules if hasattr(module, "router") for route in module.router.routes
    )
    return sorted(
        route.path
        for route in routes
        if isinstance(route, APIRoute)
        and "GET" in (route.methods or ())
        and not route.path.startswith("/assets/")
    )


def full(template: str) -> str:
    """A template with its query."""
    return f"{template}?{QUERIES[template]}" if template in QUERIES else template


def address(template: str, ids: dict[str, str]) -> str:
    """Where one asks for a page of somebody who has one object of each kind."""
    return full(template).format(**ids | {"name": NAMES.get(template, "")})


def one_of_each(live: Live) -> dict[str, str]:
    """A dataset and two jobs that have ended, of the administrator."""
    dataset = upload(live.client, table())
    jobs = [submit(live.client, dataset, seed=seed) for seed in (1, 2)]
    for job in jobs:
        assert ended(live.client, job["id"])["state"] == "completed"
    one, other = (job["id"] for job in jobs)
    return {"dataset_id": dataset["id"], "job_id": one, "other_id": other, "number": "0"}


@dataclass
class Tag:
    """One opening tag, and the text right after it."""

    name: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Html(HTMLParser):
    """What a page says, as far as tests ask."""

    source: str
    tags: list[Tag] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(Tag(tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.tags:
            self.tags[-1].text += data

    def values(self, *attributes: str) -> Iterator[str]:
        """What some attributes say, wherever they stand."""
        for tag in self.tags:
            for name in attributes:
                if name in tag.attributes:
                    yield tag.attributes[name]
