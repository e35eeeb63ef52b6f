"""What Prometheus scrapes: requests as they are answered, jobs and trials as they stand in the database."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from service.database import Database
from service.engine import Engine
from service.quotas import OUTCOMES
from service.tables import datasets, jobs

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)


class Metrics:
    """The numbers of one server.

    Args:
        database: with the jobs.
        engine: that trains.

    Attributes:
        streams: streams of events that are open.
    """

    def __init__(self, database: Database, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "fallline_request_seconds",
            "Requests by route, and how long their answers took.",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self.streams = Gauge(
            "fallline_event_streams", "Streams of events that are open.", registry=self._registry
        )
        self._registry.register(_Stored(database, engine))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            method: of the request.
            route: the template of its path; a path itself would be one more series each.
            status: of the answer.
            seconds: from the request to its end.
        """
        self._requests.labels(method, route, str(status)).observe(seconds)

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self._registry)


class _Stored(Collector):
    """Jobs, trials and bytes: looked up when somebody scrapes, so that they are right after a restart."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database, self._engine = database, engine

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: a description would ask the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The numbers as they are now."""
        counts = [jobs.c[f"trials_{outcome}"] for outcome in OUTCOMES]
        with self._database.read() as connection:
            states = connection.execute(
                select(jobs.c.state, func.count()).group_by(jobs.c.state)
            ).all()
            sums = connection.execute(
                select(
                    *(func.coalesce(func.sum(each), 0) for each in counts),
                    func.coalesce(func.sum(jobs.c.trials_asked), 0),
                    func.coalesce(func.sum(jobs.c.waves_done), 0),
                )
            ).one()
            stored = connection.execute(
                select(func.count(), func.coalesce(func.sum(datasets.c.bytes), 0))
            ).one()
        by_state = GaugeMetricFamily("fallline_jobs", "Jobs by state.", labels=["state"])
        for state, count in states:
            by_state.add_metric([state], count)
        yield by_state
        *ended, asked, waves = sums
        trials = CounterMetricFamily(
            "fallline_trials",
            "Trials that ended, by outcome, of the jobs kept.",
            labels=["outcome"],
        )
        for outcome, count in zip(OUTCOMES, ended, strict=True):
            trials.add_metric([outcome], count)
        yield trials
        yield _gauge("trials_running", "Trials under way.", asked - sum(ended))
        yield CounterMetricFamily("fallline_waves", "Waves that ended, of the jobs kept.", waves)
        yield _gauge("workers", "Workers that are there.", self._engine.workers)
        yield _gauge("datasets", "Datasets.", stored[0])
        yield _gauge("dataset_bytes", "What they take as they are stored.", stored[1])
        size = self._database.size()
        yield _gauge("database_bytes", "What the database and its log take.", size)


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"fallline_{name}", meaning, value)
