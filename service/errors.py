"""Everything that can go wrong in the service, drawn as two trees.

ServiceError: an answer to one request; `service.problems` turns it into HTTP.
    BadRequest 400          Conflict 409
    Unauthorized 401        TooLarge 413
    Forbidden 403           UnsupportedMedia 415
    NotFound 404            Invalid 422
    MethodNotAllowed 405    Unavailable 503, DatabaseAway
    Timeout 408             OutOfSpace 507

StartupError: the server cannot start; the command line prints its one line.
    SettingsError, DatabaseInUse, DatabaseUnusable, SchemaMismatch, BackupError,
    StoreUnusable
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldProblem:
    """One field of a request that was refused.

    Attributes:
        field: where it stands, as a dotted path.
        message: what is wrong with it.
        value: what was received; None where nothing was.
        allowed: what would have been accepted, in words or as a list.
    """

    field: str
    message: str
    value: object = None
    allowed: object = None


class ServiceError(Exception):
    """Base of every error that is the answer to a request.

    Attributes:
        status: the HTTP status.
        slug: the stable name of the kind of problem, the end of its `type`.
        title: the kind of problem in words, the same for every occurrence.
        field: the offending field or parameter, if it is one.
        value: what was received.
        allowed: what would have been accepted, in words or as a list.
        errors: every refused field, where there may be several.
        headers: what the answer must carry beside its body.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        field: str = "",
        value: object = None,
        allowed: object = None,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.field = field
        self.value = value
        self.allowed = allowed
        self.errors = errors
        self.headers = dict(headers or {})

    @property
    def detail(self) -> str:
        """This occurrence of the problem, in words."""
        return str(self.args[0])


class BadRequest(ServiceError):
    """The request cannot be understood at all."""

    status = 400
    slug = "bad-request"
    title = "The request cannot be understood"


class Unauthorized(ServiceError):
    """Nobody is logged in, or the token is not (or no longer) valid."""

    status = 401
    slug = "unauthorized"
    title = "Login needed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="fallline"'})


class Forbidden(ServiceError):
    """Who is asking is known, and may not do this."""

    status = 403
    slug = "forbidden"
    title = "Not allowed"


class NotFound(ServiceError):
    """There is no such thing, or it belongs to someone else."""

    status = 404
    slug = "not-found"
    title = "Not found"


class MethodNotAllowed(ServiceError):
    """The address exists, the method does not."""

    status = 405
    slug = "method-not-allowed"
    title = "Method not allowed"


class Timeout(ServiceError):
    """The request did not arrive in time."""

    status = 408
    slug = "timeout"
    title = "The request took too long to arrive"


class Conflict(ServiceError):
    """The thing is in a state which does not allow this."""

    status = 409
    slug = "conflict"
    title = "Conflict with the present state"


class TooLarge(ServiceError):
    """The request has more bytes than are accepted."""

    status = 413
    slug = "too-large"
    title = "Too large"


class UnsupportedMedia(ServiceError):
    """The kind of content is not one we read."""

    status = 415
    slug = "unsupported-media"
    title = "Unsupported kind of content"


class Invalid(ServiceError):
    """The content was understood and one of its fields is not acceptable."""

    status = 422
    slug = "invalid"
    title = "A field is not acceptable"


class TooManyRequests(ServiceError):
    """Its owner asks too often, or holds as much as one may."""

    status = 429
    slug = "too-many-requests"
    title = "Too many requests"

    def __init__(
        self,
        detail: str,
        *,
        retry_after_seconds: int | None = None,
        field: str = "",
        value: object = None,
        allowed: object = None,
    ) -> None:
        headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        super().__init__(detail, field=field, value=value, allowed=allowed, headers=headers)


class Unavailable(ServiceError):
    """The service cannot do this at the moment; the same request may work soon."""

    status = 503
    slug = "unavailable"
    title = "Not available at the moment"

    def __init__(
        self,
        detail: str,
        *,
        retry_after_seconds: int = 1,
        field: str = "",
        value: object = None,
        errors: Sequence[FieldProblem] = (),
    ) -> None:
        headers = {"Retry-After": str(retry_after_seconds)}
        super().__init__(detail, field=field, value=value, errors=errors, headers=headers)


class DatabaseAway(Unavailable):
    """The database does not answer at the moment; what it had not committed is undone."""


class OutOfSpace(ServiceError):
    """The disk is full."""

    status = 507
    slug = "out-of-space"
    title = "No space left"


HINDRANCES = (DatabaseAway, OutOfSpace)
"""What keeps the database from working until it passes or somebody mends it: work that met one
is done again, not given up."""


class StartupError(Exception):
    """Base of every reason not to start; its text is one line for the terminal."""


class SettingsError(StartupError):
    """A setting has a value that is not accepted."""


class DatabaseInUse(StartupError):
    """Another server owns the database."""


class DatabaseUnusable(StartupError):
    """The database cannot be opened: not a database, or not writable."""


class SchemaMismatch(StartupError):
    """The database belongs to another program or another version."""


class BackupError(StartupError):
    """A backup cannot be made, or not restored."""


class StoreUnusable(StartupError):
    """The store of datasets cannot be written."""


class SecretsUnusable(StartupError):
    """The files of secrets cannot be made."""


class CertificatesUnusable(StartupError):
    """Certificates of a cluster are missing, or cannot be made."""


class ClusterUnusable(StartupError):
    """The cluster cannot be reached, or none of its workers fits this server."""
