"""GET /about: whether the server can work, what it allows, where the rest is; and its audit log."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from service import audit
from service.errors import Forbidden
from service.login import CurrentPrincipal
from service.pages.layout import page
from service.rendering import duration, size
from service.schemas import Cursor
from service.services import CurrentServices, Services
from service.settings import Settings
from service.tables import now
from service.tokens import OWNER

router = APIRouter()

AT_ONCE = 100
PARTS = {
    "database": ("Database", "It can be written."),
    "blobs": ("Store of datasets", "It takes files."),
    "workers": ("Workers", "They can train."),
}
"""What `Readiness` looks at, by its name there: what it is called, and what is said if nothing is wrong."""


@router.get("/about")
def about(request: Request, services: CurrentServices, principal: CurrentPrincipal) -> HTMLResponse:
    """The state of the server, its limits, and its other doors."""
    wrong = {each.part: each.message for each in services.readiness.obstacles()}
    is_admin = principal.may("admin")
    return page(
        request,
        principal,
        "about.html",
        checks=[(label, wrong.get(part), fine) for part, (label, fine) in PARTS.items()],
        workers=services.engine.workers,
        wanted_workers=services.settings.workers,
        database=("SQLite" if services.settings.database_path else "PostgreSQL"),
        database_bytes=services.database.size(),
        started=services.started,
        up_seconds=(now() - services.started).total_seconds(),
        limits=list(_limits(services.settings)),
        places=list(_places(services)) if is_admin else [],
        is_admin=is_admin,
    )


@router.get("/about/audit")
def log(
    request: Request,
    services: CurrentServices,
    principal: CurrentPrincipal,
    of: Annotated[str | None, Query(pattern=f"{OWNER}|^$")] = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Who changed what, or tried to: oneself; for administrators, everybody."""
    is_admin = principal.may("admin")
    if of and of != principal.owner and not is_admin:
        raise Forbidden("The log of another takes the scope admin.", field="of", value=of)
    whose = of or (None if is_admin else principal.owner)
    with services.database.read() as connection:
        entries, following = audit.page(connection, whose, after=cursor, limit=AT_ONCE)
    return page(
        request,
        principal,
        "audit.html",
        entries=entries,
        following=following,
        of=of or "",
        is_admin=is_admin,
        kept_days=services.settings.keep_audit_days,
    )


def _limits(settings: Settings) -> Iterator[tuple[str, str]]:
    """What users have to know of the settings."""
    yield "Largest upload", size(settings.max_upload_bytes)
    yield "An upload must have arrived within", duration(settings.upload_timeout_seconds)
    yield "Jobs that run at once", f"{settings.jobs}, of one owner {settings.jobs_of_one_owner}"
    stored = settings.quota_bytes
    yield "Datasets of one owner", "no limit" if stored is None else size(stored)
    yield "Jobs of one owner that have not ended", _count(settings.quota_jobs)
    yield "Trials of external jobs that one owner holds", _count(settings.quota_trials)
    yield "Requests of one owner in a minute", f"{settings.requests_per_minute:,}"
    yield "Jobs that have ended are kept", _days(settings.keep_jobs_days)
    yield "The audit log is kept", _days(settings.keep_audit_days)
    yield "Webhooks may go to", ", ".join(settings.webhook_hosts) or "nowhere"


def _places(services: Services) -> Iterator[tuple[str, str]]:
    """Where things are; for administrators alone."""
    settings = services.settings
    yield "Home folder", str(settings.home)
    yield "Database", services.database.place
    yield "Datasets", settings.store_elsewhere or str(settings.blob_folder)
    yield "Cluster", settings.cluster or "of this server's own"


def _count(limit: int | None) -> str:
    return "no limit" if limit is None else f"{limit:,}"


def _days(days: float | None) -> str:
    return "for ever" if days is None else f"{days:g} days"
