from typing import Any

import pytest
from tornado.iostream import IOStream

from service.cluster import connected, embedded, fitting


def test_a_scheduler_that_closes_before_the_greeting_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = iter(range(3))
    start = IOStream.start_tls

    def start_tls(stream: IOStream, *arguments: Any, **options: Any) -> Any:
        """As where the other side is gone between TCP and TLS."""
        if next(failures, None) is not None:
            stream.close()
        return start(stream, *arguments, **options)

    monkeypatch.setattr(IOStream, "start_tls", start_tls)
    with embedded() as cluster, connected(cluster) as client:
        assert client.status == "running"
        assert fitting(client) == 0
    assert next(failures, None) is None
