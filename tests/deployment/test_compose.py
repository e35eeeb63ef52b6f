import json
import re
import shlex
from copy import deepcopy
from importlib.resources import files
from ipaddress import ip_address
from typing import Any

import dask.config
import pytest
from jsonschema.validators import validator_for

from service import settings
from service.errors import SettingsError
from service.settings import PREFIX, Settings
from tests.deployment.definitions import (
    COMPOSE,
    COMPOSE_TEXT,
    ROOT,
    SERVER,
    image_health_check,
    image_user,
    server_environment,
)

FILE = "docker-compose.single.yml"


@pytest.fixture
def in_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that the container has."""
    for name, value in server_environment().items():
        monkeypatch.setenv(name, value)


def problems(compose: dict[str, Any]) -> list[str]:
    """What the compose specification's own schema has against a file."""
    source = files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    schema = json.loads(source.read_text(encoding="utf-8"))
    validator = validator_for(schema)
    validator.check_schema(schema)
    return [error.message for error in validator(schema).iter_errors(compose)]


def tmpfs_folders() -> list[str]:
    return [mount.split(":")[0] for mount in SERVER["tmpfs"]]


def test_the_file_follows_the_specification() -> None:
    assert problems(COMPOSE) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [("restrat", "always"), ("read_only", [True]), ("ports", "8642"), ("healthcheck", "curl")],
)
def test_a_mistake_would_be_found(option: str, value: object) -> None:
    wrong = deepcopy(COMPOSE)
    wrong["services"]["server"][option] = value
    assert problems(wrong)


def test_every_variable_exists() -> None:
    fields = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    for name, value in SERVER["environment"].items():
        assert isinstance(value, str), f"{name}: YAML would change {value!r}"
        if name.startswith(PREFIX):
            assert name in fields
        else:
            (option,) = dask.config.collect_env({name: value})
            assert option.replace("_", "-") in dask.config.config, name


@pytest.mark.usefixtures("in_container")
def test_the_program_accepts_the_variables() -> None:
    chosen = settings.load()
    assert not ip_address(chosen.host).is_loopback
    assert {"localhost", "127.0.0.1"} <= set(chosen.allowed_hosts)
    assert chosen.token is None  # a secret in the file would be committed


@pytest.mark.usefixtures("in_container")
def test_the_program_insists_on_the_host_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FALLLINE_ALLOWED_HOSTS")
    with pytest.raises(SettingsError, match="FALLLINE_ALLOWED_HOSTS must name the hosts"):
        settings.load()


@pytest.mark.usefixtures("in_container")
def test_the_published_port_is_the_program_s_and_on_loopback() -> None:
    (published,) = SERVER["ports"]
    address, outside, inside = published.split(":")
    assert ip_address(address).is_loopback
    assert int(inside) == settings.load().port
    assert f"http://localhost:{outside}" in COMPOSE_TEXT


@pytest.mark.usefixtures("in_container")
def test_all_that_must_last_is_in_the_volume() -> None:
    chosen = settings.load()
    (volume,) = SERVER["volumes"]
    name, folder = volume.split(":")
    assert name in COMPOSE["volumes"]
    assert folder == str(chosen.home)
    for path in (chosen.token_file, chosen.blob_folder):
        assert path.is_relative_to(folder)
    assert chosen.database_url == f"sqlite:///{folder}/fallline.db"


@pytest.mark.usefixtures("in_container")
@pytest.mark.parametrize("name", ["docker-compose.single.yml", "README.md"])
def test_the_commands_that_users_are_told_are_right(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    commands = re.findall(rf"docker compose -f {FILE} exec ([\w /.-]+)", text)
    assert commands
    for command in commands:
        service, program, path = shlex.split(command)
        assert service in COMPOSE["services"]
        assert (program, path) == ("cat", str(settings.load().token_file))


def test_the_container_is_confined() -> None:
    assert SERVER["read_only"] is True
    assert SERVER["cap_drop"] == ["ALL"]
    assert SERVER["security_opt"] == ["no-new-privileges:true"]
    assert SERVER["init"] is True
    assert SERVER["user"] == image_user()
    assert not SERVER.keys() & {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"}
    assert "docker.sock" not in COMPOSE_TEXT


def test_scratch_goes_to_memory() -> None:
    assert server_environment()["DASK_TEMPORARY_DIRECTORY"] in tmpfs_folders()
    assert "/tmp" in tmpfs_folders()  # where Python's tempfile looks
    assert all("size=" in mount for mount in SERVER["tmpfs"])


@pytest.mark.usefixtures("in_container")
def test_there_is_a_core_for_each_worker_and_a_bound_on_the_rest() -> None:
    assert settings.load().workers == SERVER["cpus"]
    assert re.fullmatch(r"\d+g", SERVER["mem_limit"])
    assert SERVER["pids_limit"] > 0


def test_it_starts_again_and_stops_in_time() -> None:
    assert SERVER["restart"] == "unless-stopped"
    assert re.fullmatch(r"\d+s", SERVER["stop_grace_period"])


def test_the_health_check_is_the_image_s() -> None:
    kind, *command = SERVER["healthcheck"]["test"]
    assert kind == "CMD"
    assert command == image_health_check()
