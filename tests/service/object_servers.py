"""A real S3 server on this machine, that may go away and come back with what it holds."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from tests.service.conftest import listen

BUCKET = "bucket"


class S3Server:
    """An S3 server; what it holds belongs to this process, and outlives a stop."""

    def __init__(self) -> None:
        with listen() as listener:
            self.port: int = listener.getsockname()[1]
        self._server: ThreadedMotoServer | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._server = None

    def files(self) -> dict[str, bytes]:
        """Everything in the bucket."""
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        return {path: files.cat_file(path) for path in files.find(BUCKET)}


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """An S3 server with an empty bucket, and the credentials for it in the environment."""
    server = S3Server()
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        environment.setenv("AWS_ENDPOINT_URL", server.address)
        environment.setenv("AWS_ACCESS_KEY_ID", "somebody")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-somebody")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        server.start()
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(BUCKET)
        try:
            yield server
        finally:
            if server._server is None:
                server.start()
            fsspec.filesystem("s3", skip_instance_cache=True).rm(BUCKET, recursive=True)
            server.stop()
