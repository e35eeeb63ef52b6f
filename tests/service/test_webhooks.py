"""To whom the server may send, and to whom it may not."""

import httpx
import pytest

from service.errors import Invalid
from service.webhooks import Receivers, Refused, Webhook, is_public, origin, origin_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hooks.example.org", "https://hooks.example.org:443"),
        ("Hooks.Example.org:8443", "https://hooks.example.org:8443"),
        ("http://hooks.example.org", "http://hooks.example.org:80"),
        ("http://10.0.0.5:8080", "http://10.0.0.5:8080"),
        ("[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_a_receiver_is_scheme_host_and_port(text: str, expected: str) -> None:
    assert origin(text) == expected
    assert origin_of(f"{expected}/path?query=1") == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",  # not https
        "https://hooks.example.org:8443/",
        "https://hooks.example.org.evil.org/",
        "https://evil.org/hooks.example.org",
        "https://hooks.example.org@evil.org/",
        "https://me:password@hooks.example.org/",
        "https://hooks.example.org#@evil.org/",
        "https://evil.org\\@hooks.example.org/",
        "https://169.254.169.254/latest/meta-data/",
        "http://169.254.169.254/latest/meta-data/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        "file:///etc/passwd",
        "hooks.example.org",
        "https://",
        "https://[",
    ],
)
def test_only_receivers_of_the_list_are_accepted(url: str) -> None:
    with pytest.raises(Invalid, match=r"webhook\.url is no address of an allowed") as refused:
        Receivers([origin("hooks.example.org")]).check(Webhook(url=url))
    assert (refused.value.field, refused.value.value) == ("webhook.url", url)
    assert refused.value.allowed == ["https://hooks.example.org:443"]


def test_without_a_list_there_are_no_webhooks() -> None:
    with pytest.raises(Invalid, match="webhooks are off"):
        Receivers([]).check(Webhook(url="https://hooks.example.org/"))


def test_a_name_that_leads_inside_is_refused_though_it_is_listed() -> None:
    receivers = Receivers([origin("http://localhost:8080")])
    with pytest.raises(Refused, match="which is not public"):
        receivers.address(httpx.URL("http://localhost:8080/"))
    with pytest.raises(Invalid, match=r"leads to (127|::1).*list the address itself"):
        receivers.check(Webhook(url="http://localhost:8080/"))


def test_an_address_that_is_listed_itself_is_spoken_to() -> None:
    receivers = Receivers([origin("http://127.0.0.1:8080")])
    assert receivers.address(httpx.URL("http://127.0.0.1:8080/path")) == "127.0.0.1"


def test_a_name_that_nobody_knows_just_now_is_accepted() -> None:
    Receivers([origin("hooks.invalid")]).check(Webhook(url="https://hooks.invalid/"))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("10.1.2.3", False), ("172.16.0.1", False),
        ("192.168.1.1", False), ("127.0.0.2", False), ("169.254.169.254", False),
        ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("::1", False),
        ("fe80::1%eth0", False), ("fd00:ec2::254", False), ("::ffff:127.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False), ("2002:7f00:1::", False),
    ],
)  # fmt: skip
def test_what_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public
