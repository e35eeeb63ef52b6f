"""What the routes work with: opened once, before the server listens, and closed after."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated

import optuna
from fastapi import Depends, Request
from pydantic import SecretStr

from service import audit, certificates, private_files, tokens
from service.dashboard import Dashboard
from service.database import Database
from service.delivery import delivering
from service.engine import Engine, Hire
from service.errors import StoreUnusable
from service.external import External
from service.live import Looks
from service.metrics import Metrics
from service.object_storage import ObjectStorage
from service.quotas import Quotas
from service.readiness import Readiness
from service.replays import Replays
from service.reports import Reports
from service.retention import delete_old_jobs, sweeping
from service.runner import Runner
from service.settings import Settings
from service.store import Store
from service.tables import now
from service.threads import one_thread
from service.webhooks import Receivers
from service.workers import Membership, Workers


@dataclass(frozen=True)
class Services:
    """Everything that lives as long as the server.

    Attributes:
        settings: how it was started.
        database: the only way to the tables.
        store: the bytes of datasets.
        dashboard: optuna-dashboard.
        engine: the workers that train.
        runner: what takes jobs from the queue.
        replays: trials that train again.
        looks: what has just happened to jobs.
        reports: what the trials of a job say.
        quotas: what each owner may hold.
        external: jobs whose trials are trained elsewhere.
        readiness: whether work can be taken.
        metrics: what the server has done.
        receivers: whom jobs may send word to.
        token: the local administrator's token.
        closing: set when the server stops, so that answers without an end find one.
        started: when it was ready.
    """

    settings: Settings
    database: Database
    store: Store
    dashboard: Dashboard
    engine: Engine
    runner: Runner
    replays: Replays
    looks: Looks
    reports: Reports
    quotas: Quotas
    external: External
    readiness: Readiness
    metrics: Metrics
    receivers: Receivers
    token: SecretStr
    closing: threading.Event
    started: datetime


@contextmanager
def open_services(settings: Settings, hire: Hire = Workers) -> Iterator[Services]:
    """Open everything a server needs.

    Args:
        settings: where it all is.
        hire: starts the workers; left out, they are this process's.

    Yields:
        The services, closed at the end.

    Raises:
        StartupError: something cannot be opened; the text is one line for the terminal.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it announces every study it makes
    with (
        one_thread(),
        Database(settings.database_url, synchronous=settings.synchronous) as database,
    ):
        # Only now: the database's lock says that no other server uses this home.
        private_files.make_folder(settings.home)
        token = tokens.ensure_local(database, settings.token_file, settings.token)
        store = _open_store(settings)
        with (
            Engine(settings.workers, hire, _cluster(settings)) as engine,
            closing(Dashboard(database)) as dashboard,
        ):
            reports = Reports(database)
            runner = Runner(
                database,
                store,
                engine,
                at_once=settings.jobs,
                of_one_owner=settings.jobs_of_one_owner,
                ended=reports.keep,
            )
            runner.start()
            replays = Replays(engine)
            quotas = Quotas(settings.quota_bytes, settings.quota_jobs, settings.quota_trials)
            receivers = Receivers(settings.webhook_hosts)
            try:
                with ExitStack() as beside:
                    beside.enter_context(sweeping(_sweeps(settings, database, dashboard)))
                    if settings.webhook_secret is not None:
                        secret = settings.webhook_secret
                        beside.enter_context(delivering(database, receivers, secret))
                    yield Services(
                        settings,
                        database,
                        store,
                        dashboard,
                        engine,
                        runner,
                        replays,
                        Looks(database),
                        reports,
                        quotas,
                        External(database, quotas),
                        Readiness(database, settings.blob_folder, engine),
                        Metrics(database, engine),
                        receivers,
                        token,
                        closing=threading.Event(),
                        started=now(),
                    )
            finally:
                runner.stop()


def _cluster(settings: Settings) -> Membership | None:
    if settings.cluster is None:
        return None
    return Membership(
        settings.cluster, certificates.security(settings.cluster, settings.certificate_folder)
    )


def _open_store(settings: Settings) -> Store:
    try:
        if settings.store_elsewhere is None:
            store = Store(settings.blob_folder)
        else:
            storage = ObjectStorage(settings.store_elsewhere)
            store = Store(settings.blob_folder, storage, settings.store_cache_bytes)
        with store.draft():  # proves that files can be made
            return store
    except OSError as error:
        raise StoreUnusable(f"Cannot write to the store of datasets: {error}.") from None


def _sweeps(
    settings: Settings, database: Database, dashboard: Dashboard
) -> list[Callable[[], None]]:
    """What is deleted now and then, being old."""
    sweeps: list[Callable[[], None]] = [
        partial(audit.forget, database, timedelta(days=settings.keep_audit_days))
    ]
    if settings.keep_jobs_days is not None:
        kept = timedelta(days=settings.keep_jobs_days)
        sweeps.append(partial(delete_old_jobs, database, dashboard, kept))
    return sweeps


async def current_services(request: Request) -> Services:
    """FastAPI dependency: the services of this server. Not in a thread: there is nothing to wait for."""
    services: Services = request.app.state.services
    return services


CurrentServices = Annotated[Services, Depends(current_services)]
