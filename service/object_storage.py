"""Files kept elsewhere, on any file system that fsspec reaches: S3 and what speaks like it, and more.

The only place that knows fsspec. Credentials come from the environment, where each file system
looks for its own; no request carries any, and no message shows one.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from service.errors import NotFound, StoreUnusable, Unavailable

CONNECT_SECONDS = 5
READ_SECONDS = 30
OPTIONS: dict[str, dict[str, Any]] = {
    # s3fs by itself waits a minute for a server that is not there, five times over.
    protocol: {
        "config_kwargs": {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "retries": {"total_max_attempts": 2},
        }
    }
    for protocol in ("s3", "s3a")
}
TRIAL = ".fallline-was-here"


class ObjectStorage:
    """A folder of a file system elsewhere.

    Args:
        url: such as ``s3://bucket/prefix``; holds no credentials.

    Raises:
        StoreUnusable: its file system is not known here, or it cannot be written.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            options = OPTIONS.get(url.partition("://")[0], {})
            self._files, self._folder = url_to_fs(self.url, skip_instance_cache=True, **options)
            self._prove_writable()
        except ImportError as error:
            raise StoreUnusable(f"FALLLINE_STORE={self.url} needs a package: {error}.") from None
        except Exception as error:  # every file system has errors of its own
            raise StoreUnusable(
                f"Cannot write to FALLLINE_STORE={self.url}: {error}. "
                "Its credentials come from the environment."
            ) from error

    def put(self, name: str, source: Path) -> None:
        """Keep a copy of a local file.

        Raises:
            Unavailable: the storage cannot be reached.
        """
        with self._reaching():
            self._files.put_file(str(source), self._at(name))

    def get(self, name: str, target: Path) -> None:
        """Copy a file to a local one.

        Raises:
            NotFound: there is none of this name.
            Unavailable: the storage cannot be reached.
        """
        with self._reaching():
            self._files.get_file(self._at(name), str(target))

    def reach(self, name: str) -> None:
        """See that the storage answers about a file, whether it is there or not.

        Raises:
            Unavailable: the storage cannot be reached.
        """
        with suppress(NotFound), self._reaching():
            self._files.info(self._at(name))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there.

        Raises:
            Unavailable: the storage cannot be reached.
        """
        with suppress(NotFound), self._reaching():
            self._files.rm_file(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _prove_writable(self) -> None:
        self._files.pipe_file(self._at(TRIAL), b"")
        self._files.rm_file(self._at(TRIAL))

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise NotFound("There is no stored file with this digest.") from None
        except Exception as error:
            raise Unavailable(
                f"The store of datasets, {self.url}, cannot be reached. Nothing was changed; "
                "try again.",
                field="FALLLINE_STORE",
                value=self.url,
            ) from error
