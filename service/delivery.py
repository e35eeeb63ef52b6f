"""Delivery: what is in the outbox goes to its receivers, signed, from one thread.

Signatures are those of Standard Webhooks 1.0 (github.com/standard-webhooks/standard-webhooks),
for which there are libraries in every language. A message may come twice, with the same id, if
this server ends between sending it and writing that down.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy import Row

from service import outbox
from service.database import Database
from service.errors import HINDRANCES
from service.failpoints import reach
from service.webhooks import Receivers, Refused, signing_key

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 0.5
FIRST_DELAY_SECONDS = 5.0
GROWTH = 4.0
LONGEST_DELAY_SECONDS = 7200.0


def wait_after(failures: int) -> timedelta:
    """How long to wait for a receiver after so many failures of a message and one more."""
    return timedelta(seconds=min(FIRST_DELAY_SECONDS * GROWTH**failures, LONGEST_DELAY_SECONDS))


@contextmanager
def delivering(database: Database, receivers: Receivers, secret: SecretStr) -> Iterator[None]:
    """Send what is in the outbox, and what comes into it.

    Args:
        database: where the outbox is.
        receivers: to whom may be sent.
        secret: that messages are signed with, as ``whsec_`` and base64.
    """
    stopping = threading.Event()
    key = signing_key(secret)

    def loop() -> None:
        while not stopping.is_set():
            try:
                while not stopping.is_set() and _deliver_next(database, receivers, key):
                    pass
            except HINDRANCES as error:
                logger.warning("the outbox waits for the database: %s", error.detail)
            except Exception:  # a full disk, say, must not end it for good
                logger.exception("the outbox cannot be read or written; trying again")
            stopping.wait(POLL_SECONDS)

    thread = threading.Thread(target=loop, name="delivery")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _deliver_next(database: Database, receivers: Receivers, key: bytes) -> bool:
    """Send one message, and say whether there was one."""
    with database.read() as connection:
        message = outbox.next_due(connection)
    if message is None:
        return False
    error = asyncio.run(_send(message, receivers, key))
    reach("message_sent")
    with database.write() as connection:
        if error is None:
            outbox.record_delivered(connection, message)
        else:
            outbox.record_failed(connection, message, error, wait_after(message.attempts))
    if error is not None:
        logger.warning("word of job %s was not taken: %s", message.job_id, error)
    return True


async def _send(message: Row[Any], receivers: Receivers, key: bytes) -> str | None:
    """Send a message once; what went wrong, if anything did."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            status = await _post(message, receivers, key)
    except TimeoutError:
        return f"the receiver did not answer within {TIMEOUT_SECONDS:g} seconds"
    except Refused as error:
        return f"the URL {error}"
    except (OSError, httpx.HTTPError) as error:
        return f"the receiver cannot be reached: {error or type(error).__name__}"
    # Nothing follows a redirect: it could lead anywhere.
    return None if httpx.codes.is_success(status) else f"the receiver answered {status}"


async def _post(message: Row[Any], receivers: Receivers, key: bytes) -> int:
    url = httpx.URL(message.url)
    address = await asyncio.to_thread(receivers.address, url)
    # Proxies of the environment would look the name up again.
    async with (
        httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS) as client,
        client.stream(
            "POST",
            url.copy_with(host=address),
            content=message.body.encode(),
            headers={
                "Host": url.netloc.decode("ascii"),
                "Content-Type": "application/json",
                "User-Agent": "Fallline",
                **_signed(message.id, int(time.time()), message.body, key),
            },
            extensions={"sni_hostname": url.raw_host.decode("ascii").strip("[]")},
        ) as answer,
    ):
        return answer.status_code  # its body is not read


def _signed(message_id: str, timestamp: int, body: str, key: bytes) -> dict[str, str]:
    content = f"{message_id}.{timestamp}.{body}".encode()
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode('ascii')}",
    }
