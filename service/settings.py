"""Every setting of the server, typed, in one place.

Each is read from the environment variable named FALLLINE_ and the field.
"""

import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from platformdirs import user_data_dir
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from service.errors import SettingsError
from service.webhooks import origin, signing_key

PREFIX = "FALLLINE_"
GIBIBYTE = 1024**3
STORE = re.compile(r"file:///\S+|(?!file:)[a-z][a-z0-9+.-]*://\S+")
LOCAL = "file://"
POSTGRESQL = "postgresql+psycopg"
FORGETFUL = {"memory"}  # a file system whose files end with the process


def _default_home() -> Path:
    return Path(user_data_dir("fallline", appauthor=False))


def _default_workers() -> int:
    return os.cpu_count() or 1


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(address: str) -> None:
    """See that this is where a scheduler may be.

    Raises:
        ValueError: it is not.
    """
    parts = urlsplit(address)
    try:
        given = parts.port is not None
    except ValueError:  # no number, or too large
        given = False
    only = not (parts.path or parts.query or parts.fragment or parts.username)
    if parts.scheme not in {"tls", "tcp"} or not parts.hostname or not given or not only:
        raise ValueError(
            f"must be an address such as tls://scheduler.example.org:8786; got {address!r}"
        )


class Settings(BaseSettings):
    """The settings of one server."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        # A refused database address may hold a password, a refused token is one.
        hide_input_in_errors=True,
    )

    home: Path = Field(
        default_factory=_default_home,
        description="Folder for the database, uploads and token file; "
        "left out, the user's data folder.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8642, ge=1, le=65_535, description="Port to listen on.")
    token: SecretStr | None = Field(
        default=None,
        description="The administrator's token, 16 characters or more; "
        "left out, one is made and kept in the file `token` in the home folder.",
    )
    secrets: Path | None = Field(
        default=None,
        description="Folder of files that hold settings, each named as its variable in small "
        "letters: `fallline_token`.",
    )
    database: str | None = Field(
        default=None,
        repr=False,  # it may hold a password
        description="Address of the database, `sqlite:///PATH` or "
        "`postgresql+psycopg://USER@HOST/NAME`; left out, `fallline.db` in the home folder.",
    )
    store: str | None = Field(
        default=None,
        description="Where the bytes of datasets are kept: any file system that fsspec knows, such "
        "as `s3://bucket/prefix`; left out, the folder `blobs` in the home folder.",
    )
    store_cache_bytes: int = Field(
        default=10 * GIBIBYTE,
        ge=0,
        description="Bytes that local copies of a store elsewhere may take; those of the last day "
        "stay in any case.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("localhost", "127.0.0.1", "[::1]"),
        min_length=1,
        description="Host names under which the server may be called, separated by commas. "
        "Must be given to listen on anything but loopback.",
    )
    webhook_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts that jobs may send word to, separated by commas, such as "
        "`hooks.example.org:8443`; https unless one begins with `http://`. None: no webhooks.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="What messages to webhooks are signed with: `whsec_` and 24 to 64 bytes as "
        "base64. Needed if there are hosts.",
    )
    max_upload_bytes: int = Field(
        default=GIBIBYTE, ge=1, description="Largest dataset accepted, in bytes."
    )
    workers: int = Field(
        default_factory=_default_workers,
        ge=1,
        le=1024,
        description="Processes that train; left out, one for each CPU core.",
    )
    cluster: str | None = Field(
        default=None,
        description="Address of a Dask scheduler whose workers train, `tls://HOST:PORT`; left out, the "
        "server starts workers of its own. `FALLLINE_WORKERS` then says how many waves it sends at once.",
    )
    cluster_insecure: bool = Field(
        default=False,
        description="Whether a cluster beyond this machine may be joined without TLS: whoever reaches "
        "its ports can then run code on all of its machines.",
    )
    certificates: Path | None = Field(
        default=None,
        description="Folder with the certificates of the cluster; left out, `certificates` in the home "
        "folder.",
    )
    jobs: int = Field(
        default=4, ge=1, le=64, description="Jobs that run at once and share the workers."
    )
    jobs_of_one_owner: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Of them, those of one owner; the others wait for their turn.",
    )
    drain_seconds: float = Field(
        default=30.0,
        ge=0.0,
        le=3600.0,
        description="Seconds that waves under way may still take when the server is asked to stop.",
    )
    keep_jobs_days: float | None = Field(
        default=None,
        gt=0.0,
        le=36_500.0,
        description="Days after which a job that has ended is deleted with its trials; "
        "left out, never.",
    )
    keep_audit_days: float = Field(
        default=365.0, gt=0.0, le=36_500.0, description="Days that the audit log goes back."
    )
    quota_bytes: int | None = Field(
        default=None, ge=1, description="Bytes of datasets that one owner may store; left out, any."
    )
    quota_jobs: int | None = Field(
        default=None,
        ge=1,
        description="Jobs of one owner that may be waiting, running or paused; left out, any.",
    )
    quota_trials: int | None = Field(
        default=None,
        ge=1,
        description="Trials of external jobs that one owner may hold; left out, any.",
    )
    requests_per_minute: int = Field(
        default=12_000, ge=1, description="Requests that one owner may send in a minute."
    )
    wrong_tokens_per_minute: int = Field(
        default=600,
        ge=1,
        description="Wrong tokens that are looked at in a minute, of those from one address.",
    )
    synchronous: Literal["normal", "full"] = Field(
        default="normal",
        description="What a power cut may cost: `normal` the last commits, `full` nothing "
        "(slower). Neither can corrupt the database.",
    )
    upload_timeout_seconds: float = Field(
        default=600.0, gt=0.0, description="Time within which an upload must have arrived."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe message that is logged."
    )
    log_format: Literal["text", "json"] = Field(
        default="text",
        description="`json`: each message an object, for a collector of logs.",
    )

    @field_validator("home")
    @classmethod
    def _home_is_absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("allowed_hosts", "webhook_hosts", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return [name.strip() for name in value.split(",") if name.strip()]
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names_are_exact(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            # A wildcard would let a name that someone else controls point at this server.
            if "*" in name or "/" in name or not name:
                raise ValueError(f"must hold exact host names without address parts; got {name!r}")
        return tuple(name.lower() for name in value)

    @field_validator("webhook_hosts")
    @classmethod
    def _webhook_hosts_are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(origin(name) for name in value)

    @field_validator("webhook_secret")
    @classmethod
    def _webhook_secret_is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                size = len(signing_key(value))
            except ValueError:
                size = 0
            if not 24 <= size <= 64:
                raise ValueError("must be whsec_ and the base64 of 24 to 64 bytes")
        return value

    @field_validator("token")
    @classmethod
    def _token_fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            text = value.get_secret_value()
            if (
                len(text) < 16
                or not text.isascii()
                or not text.isprintable()
                or set(text) & {*' ;,"'}
            ):
                raise ValueError(
                    "must be 16 or more visible ASCII characters "
                    "other than spaces, commas, semicolons and quotes"
                )
        return value

    @field_validator("database")
    @classmethod
    def _database_is_a_file_or_at_a_server(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            url = make_url(value)
        except ArgumentError:
            raise ValueError("must be an address such as sqlite:////var/lib/fallline.db") from None
        if "password" in url.query:  # where nothing would hide it
            raise ValueError("must have its password before the @, or in PGPASSFILE")
        if url.drivername == POSTGRESQL and url.database:
            return value
        shown = url.render_as_string(hide_password=True)
        if url.drivername != "sqlite" or url.database in {None, "", ":memory:"} or url.query:
            raise ValueError(
                "must be a SQLite file, such as sqlite:////var/lib/fallline.db, or a database of "
                f"PostgreSQL, such as {POSTGRESQL}://user@host/fallline; got {shown!r}"
            )
        return value

    @field_validator("store")
    @classmethod
    def _store_is_an_address_without_secrets(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if "@" in parts.netloc or parts.query or parts.fragment:  # not shown: it may be a secret
            raise ValueError("must hold no credentials; its file system finds them elsewhere")
        if not STORE.fullmatch(value) or parts.scheme in FORGETFUL:
            raise ValueError(f"must be an address such as s3://bucket/prefix; got {value!r}")
        return value

    @field_validator("cluster")
    @classmethod
    def _cluster_is_an_address(cls, value: str | None) -> str | None:
        if value is not None:
            check_address(value)
        return value

    @model_validator(mode="after")
    def _plain_cluster_only_on_purpose(self) -> "Settings":
        if self.cluster is not None:
            self.check_secure(self.cluster)
        return self

    @model_validator(mode="after")
    def _open_to_others_only_on_purpose(self) -> "Settings":
        if not _is_loopback(self.host) and "allowed_hosts" not in self.model_fields_set:
            raise ValueError(
                f"{PREFIX}ALLOWED_HOSTS must name the hosts of this server "
                f"to listen on {self.host!r}, which is not a loopback address"
            )
        return self

    @model_validator(mode="after")
    def _messages_are_signed(self) -> "Settings":
        if self.webhook_hosts and self.webhook_secret is None:
            raise ValueError(f"{PREFIX}WEBHOOK_SECRET must be given for webhooks")
        return self

    def check_secure(self, address: str) -> None:
        """See that a scheduler's address needs certificates, unless nobody else can reach it.

        Raises:
            ValueError: it does not, and the settings do not allow that.
        """
        parts = urlsplit(address)
        if parts.scheme == "tcp" and not (
            self.cluster_insecure or _is_loopback(parts.hostname or "")
        ):
            raise ValueError(
                f"{address!r} has no TLS: whoever reaches the cluster could run code in it. Use tls://, "
                f"or set {PREFIX}CLUSTER_INSECURE=true"
            )

    @property
    def certificate_folder(self) -> Path:
        """Where the certificates of the cluster are."""
        return self.certificates or self.home / "certificates"

    @property
    def database_url(self) -> str:
        """The address of the database, whether given or not."""
        return self.database or f"sqlite:///{self.home / 'fallline.db'}"

    @property
    def database_path(self) -> Path | None:
        """The file of the database, if it is one."""
        url = make_url(self.database_url)
        return None if url.drivername == POSTGRESQL else Path(url.database or "")

    @property
    def local_url(self) -> str:
        """The server's address for programs on this machine."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def token_file(self) -> Path:
        """Where the local administrator's token is kept."""
        return self.home / "token"

    @property
    def store_elsewhere(self) -> str | None:
        """Where the bytes of datasets are kept, if not on local disk."""
        return None if self.store is None or self.store.startswith(LOCAL) else self.store

    @property
    def blob_folder(self) -> Path:
        """Where the bytes of datasets are on local disk, or copies of those kept elsewhere."""
        if self.store is None:
            return self.home / "blobs"
        if self.store_elsewhere is None:
            return Path(self.store.removeprefix(LOCAL))
        return self.home / "cache"  # never `blobs`, which may hold files that are nowhere else


def load(**given: Any) -> Settings:
    """Read the settings from the environment.

    Args:
        **given: settings that override the environment, such as those of the command line.

    Returns:
        The settings.

    Raises:
        SettingsError: a value is not accepted; the text names its variable.
    """
    # Variables come before files.
    files = os.environ.get(f"{PREFIX}SECRETS") or None
    try:
        if files is not None and not Path(files).is_dir():
            raise SettingsError(f"{PREFIX}SECRETS: there is no folder {files}")
        return Settings(_secrets_dir=files, **given)
    except ValidationError as error:
        raise SettingsError("; ".join(_line(each) for each in error.errors())) from None


def _line(error: Any) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return str(message)
    return f"{PREFIX}{str(error['loc'][0]).upper()}: {message}"
