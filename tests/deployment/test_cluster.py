"""docker-compose.yml: what it says of the services, without running them."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.cli import app
from service.secret_files import make
from service.settings import PREFIX, Settings, load
from tests.deployment.definitions import ROOT, image_health_check, image_user
from tests.deployment.test_compose import problems

CLUSTER: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = CLUSTER["services"]
ONCE = {"secrets", "bucket"}  # they end when they have done their work
COMMANDS = {each.name or each.callback.__name__ for each in app.registered_commands}  # type: ignore[union-attr]


def test_the_file_follows_the_specification() -> None:
    assert problems(CLUSTER) == []


def test_everything_that_a_cluster_needs_is_there() -> None:
    assert SERVICES.keys() - ONCE == {"server", "database", "scheduler", "worker", "store"}


@pytest.mark.parametrize("name", SERVICES)
def test_each_is_confined_and_limited(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].split(":")[0]) > 0
    assert re.fullmatch(r"\d+[gm]", service["mem_limit"])
    assert service["cpus"] > 0
    assert service["pids_limit"] > 0
    assert all("size=" in mount for mount in service["tmpfs"])
    assert not service.keys() & {"privileged", "cap_add", "devices", "pid", "ipc"}


@pytest.mark.parametrize("name", SERVICES)
def test_each_that_stays_has_a_health_check_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert service["restart"] == "no"
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_each_waits_for_what_it_needs(name: str) -> None:
    for needed, when in SERVICES[name].get("depends_on", {}).items():
        assert when["condition"] == (
            "service_completed_successfully" if needed in ONCE else "service_healthy"
        )
        assert needed in SERVICES


def test_only_the_server_can_be_reached_and_from_this_machine_alone() -> None:
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert published.keys() == {"server"}
    address, outside, inside = published["server"][0].split(":")
    assert ip_address(address).is_loopback
    assert outside == inside == SERVICES["server"]["environment"]["FALLLINE_PORT"]
    assert SERVICES["server"]["healthcheck"]["test"] == ["CMD", *image_health_check()]


def test_commands_and_variables_exist() -> None:
    fields = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    for name, service in SERVICES.items():
        if service["image"] == "fallline":
            assert service["user"] == image_user()
            program, command, *_ = service.get("command", ["fallline", "serve"])
            assert program == "python" or command in COMMANDS, name
            given = service.get("environment", {})
            assert {each for each in given if each.startswith(PREFIX)} <= fields
            assert all(isinstance(value, str) for value in given.values())


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search("TOKEN|SECRET|PASSWORD|CREDENTIALS|CERTIFICATES", variable):
                assert value.startswith("/run/secrets")


def test_volumes_are_declared_and_only_who_makes_the_secrets_can_write_them() -> None:
    named: dict[str, dict[str, str]] = {}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, _, rest = volume.partition(":")
            if not source.startswith("/"):
                named.setdefault(source, {})[name] = rest
    assert named.keys() == CLUSTER["volumes"].keys()
    writers = {name for name, rest in named["secrets"].items() if not rest.endswith(":ro")}
    assert writers == {"secrets"}


def test_secrets_are_made_once_private_and_read_as_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "secrets"
    names = make(folder)
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in first}
    assert modes.pop("database_password") == "0o640"
    assert set(modes.values()) == {"0o600"}
    (folder / "store.json").unlink()
    assert make(folder) == names
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first

    monkeypatch.setenv("FALLLINE_SECRETS", str(folder))
    chosen = load(home=tmp_path)
    assert chosen.token is not None
    assert chosen.token.get_secret_value() == (folder / "fallline_token").read_text()
    password = (folder / "database_password").read_text()
    user, name = (SERVICES["database"]["environment"][f"POSTGRES_{it}"] for it in ("USER", "DB"))
    assert chosen.database == f"postgresql+psycopg://{user}:{password}@database/{name}"
    assert load(home=tmp_path, token="another-token-0123").token != chosen.token
