"""Webhooks: to whom a server may speak, and at which address.

A server that sends requests where users tell it to can be led to what only it can reach. So
receivers are those of the administrator's list, a name among them must stand for public
addresses, and what was looked at is what is connected to.
"""

import base64
import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from service.errors import Invalid

Event = Literal["completed", "failed", "cancelled", "best"]

PORTS = {"http": 80, "https": 443}
ORIGIN = re.compile(r"(?:(https?)://)?(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::([0-9]{1,5}))?")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # behind which any IPv4 address may be


class Webhook(BaseModel):
    """Where to send word of a job, and of what."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        min_length=1,
        max_length=500,
        description="Of a receiver that the server is allowed to send to.",
        examples=["https://hooks.example.org/fallline"],
    )
    events: list[Event] = Field(
        default=["completed", "failed", "cancelled"],
        min_length=1,
        max_length=4,
        description="What is sent: an end of the job, or each new best value.",
    )


class Refused(Exception):
    """There is no address at which the receiver may be spoken to."""


def origin(text: str) -> str:
    """A receiver as scheme, host and port.

    Args:
        text: a host, perhaps with a port, perhaps after a scheme; https if there is none.

    Raises:
        ValueError: it is something else.
    """
    found = ORIGIN.fullmatch(text.strip().lower())
    if found is None or not 0 < int(found[3] or 1) < 65_536:
        raise ValueError(
            "must hold hosts such as hooks.example.org, hooks.example.org:8443 or "
            f"http://10.0.0.5; got {text!r}"
        )
    scheme = found[1] or "https"
    return f"{scheme}://{found[2]}:{found[3] or PORTS[scheme]}"


def signing_key(secret: SecretStr) -> bytes:
    """The bytes of a secret as Standard Webhooks writes it: ``whsec_`` and base64.

    Raises:
        ValueError: it is something else.
    """
    prefix, _, text = secret.get_secret_value().partition("_")
    if prefix != "whsec":
        raise ValueError("a secret begins with whsec_")
    return base64.b64decode(text, validate=True)


class Receivers:
    """Whom the server may send to.

    Args:
        allowed: their origins; none for no webhooks at all.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = sorted(allowed)

    def check(self, webhook: Webhook | None) -> None:
        """See that word may be sent to its address, if there is one, as far as is known beforehand.

        Raises:
            Invalid: it may not.
        """
        if webhook is None:
            return
        if origin_of(webhook.url) not in self._allowed:
            raise self._invalid(webhook, "is no address of an allowed receiver")
        try:
            self.address(httpx.URL(webhook.url))
        except Refused as error:
            raise self._invalid(webhook, str(error)) from None
        except OSError:
            pass  # its name is not known just now; it is tried again when there is word to send

    def address(self, url: httpx.URL) -> str:
        """The IP address to connect to.

        Raises:
            Refused: the receiver is not allowed, or its name stands for an address that is not
                public.
            OSError: nobody knows the name.
        """
        if origin_of(str(url)) not in self._allowed:
            raise Refused("is no address of an allowed receiver")
        host = url.host
        if _is_ip(host):  # listed itself
            return host
        found = [
            str(entry[4][0])
            for entry in socket.getaddrinfo(
                host, url.port or PORTS[url.scheme], type=socket.SOCK_STREAM
            )
        ]
        for address in found:
            if not is_public(address):
                raise Refused(
                    f"leads to {address}, which is not public; list the address itself to allow it"
                )
        return found[0]

    def _invalid(self, webhook: Webhook, why: str) -> Invalid:
        if not self._allowed:
            why = "cannot be used: webhooks are off (FALLLINE_WEBHOOK_HOSTS)"
        return Invalid(
            f"webhook.url {why}.", field="webhook.url", value=webhook.url, allowed=self._allowed
        )


def origin_of(url: str) -> str | None:
    """Scheme, host and port of a URL; None if it is none for a webhook."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return None
    if parsed.scheme not in PORTS or not parsed.host or parsed.userinfo or parsed.fragment:
        return None
    host = parsed.raw_host.decode("ascii")
    host = f"[{host}]" if ":" in host else host
    return f"{parsed.scheme}://{host}:{parsed.port or PORTS[parsed.scheme]}"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an address is one that anybody may reach, whatever it is wrapped in."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found in NAT64:
            return False
        inner = found.ipv4_mapped or found.sixtofour
        if inner is not None:
            found = inner
    return found.is_global and not found.is_multicast
