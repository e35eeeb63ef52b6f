"""optuna-dashboard behind our login, read-only.

It has absolute addresses and no login, and it can write. So it gets its addresses unchanged,
only for administrators (it knows no owners), only GET and HEAD, and a database handle that
refuses to write. Its page is as it is but for a link back to ours.
"""

from collections.abc import Container, Iterable
from typing import Any

import optuna_dashboard
from a2wsgi import WSGIMiddleware
from a2wsgi.wsgi_typing import Environ, StartResponse
from optuna.storages import RDBStorage, get_storage
from optuna.trial import FrozenTrial, TrialState
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service import trials
from service.database import Database
from service.errors import BadRequest, Forbidden, MethodNotAllowed, NotFound, Unauthorized
from service.rendering import address, render
from service.tokens import Principal

PREFIXES = ("/api/", "/static/", "/csv/", "/dashboard/")
# Uploads, language models and schema changes are never offered.
REFUSED = ("/api/artifacts", "/api/llm")
PAGE = "text/html"
ICON = "fallline.svg"
KEPT = {"Content-Type", "Content-Security-Policy"}  # the others tell of the file that it was
# Learning curves of more are a third of what its page weighs, and one cannot see them there.
CURVES = 500
# A study of 5,000 trials takes seconds to render: it must not take every thread.
THREADS = 2


def serves(path: str) -> bool:
    """Whether an address is the dashboard's."""
    return path == "/dashboard" or path.startswith(PREFIXES)


class Dashboard:
    """The dashboard as an ASGI application.

    Args:
        database: with Optuna's tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._storage, self._pages = _build(database)
        self._app: Any = WSGIMiddleware(self._serve, workers=THREADS)

    def forget_deleted(self) -> None:
        """Start afresh after a study was deleted.

        SQLite gives the number of the last study out again, and the dashboard would show
        the trials it remembers from the deleted one.
        """
        old = self._storage
        self._storage, self._pages = _build(self._database)
        old.engine.dispose()

    def close(self) -> None:
        """Release the threads and the database."""
        self._app.executor.shutdown()
        self._storage.engine.dispose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, if it may be asked."""
        _check(scope)
        if "accept-encoding" not in Headers(scope=scope):
            # It answers 500 to a client that sends none.
            scope = {**scope, "headers": [*scope["headers"], (b"accept-encoding", b"")]}
        await self._app(scope, receive, send)

    def _serve(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        begun: list[Any] = []
        answer: Iterable[bytes] = self._pages(environ, lambda *given: begun.extend(given))
        status, headers, *_ = begun
        if status.startswith("200") and dict(headers).get("Content-Type", "").startswith(PAGE):
            headers = [pair for pair in headers if pair[0] in KEPT]
            answer = [_with_way_back(_whole(answer))]
        start(status, headers)
        return answer


class Dispatcher:
    """Sends each request to the dashboard or to our own application, its path unchanged.

    Args:
        own: our application, which also gets the start and the end of the server.
        dashboard: the dashboard.
    """

    def __init__(self, own: ASGIApp, dashboard: Dashboard) -> None:
        self._own = own
        self._dashboard = dashboard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        is_dashboard = scope["type"] == "http" and serves(scope["path"])
        await (self._dashboard if is_dashboard else self._own)(scope, receive, send)


def _check(scope: Scope) -> None:
    principal = scope.get("state", {}).get("principal")
    if not isinstance(principal, Principal):
        raise Unauthorized("This needs a token.")
    if not principal.may("admin"):
        raise Forbidden("The dashboard shows every study, so it is for administrators.")
    if scope["method"] not in {"GET", "HEAD"}:
        raise MethodNotAllowed("The dashboard is read-only.", headers={"Allow": "GET, HEAD"})
    if scope["path"].startswith(REFUSED):
        raise NotFound("This part of the dashboard is not offered.")
    if not scope["query_string"].isascii():
        raise BadRequest("The query must be percent-encoded.")


def _whole(answer: Iterable[bytes]) -> bytes:
    try:
        return b"".join(answer)
    finally:
        getattr(answer, "close", lambda: None)()  # it is a file


def _with_way_back(page: bytes) -> bytes:
    icon = f'<link rel="icon" href="{address(ICON)}"></head>'
    link = f"<body>{render('way_back.html')}"
    return page.replace(b"</head>", icon.encode(), 1).replace(b"<body>", link.encode(), 1)


class _Storage(RDBStorage):
    """Optuna's storage, with trials read by columns: through its own objects it takes ten times as long."""

    def __init__(self, database: Database) -> None:
        options = dict(database.read_only_options)
        super().__init__(database.url, engine_kwargs=options, skip_table_creation=True)
        self._database = database

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        self.get_study_name_from_id(study_id)  # a KeyError if there is none
        besides = [each for each in included_trial_ids if each <= trial_id_greater_than]
        with self._database.read() as connection:
            found = trials.since(
                connection, study_id, after=trial_id_greater_than, besides=besides, curves=CURVES
            )
        return [trial for trial in found if states is None or trial.state in states]


def _build(database: Database) -> tuple[RDBStorage, Any]:
    storage = _Storage(database)
    return storage, optuna_dashboard.wsgi(get_storage(storage))
