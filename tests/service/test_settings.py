from pathlib import Path

import pytest
from pydantic import ValidationError

from service.errors import SettingsError
from service.settings import PREFIX, Settings, load


def test_every_setting_is_described_and_read_from_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = {
        "home": str(tmp_path),
        "host": "0.0.0.0",
        "port": "9000",
        "token": "fall_0123456789abcdef",
        "database": f"sqlite:///{tmp_path}/other.db",
        "allowed_hosts": "Tune.example.org, localhost",
        "max_upload_bytes": "1000",
        "workers": "3",
        "jobs": "6",
        "jobs_of_one_owner": "2",
        "keep_jobs_days": "30",
        "keep_audit_days": "90",
        "quota_bytes": "1000000",
        "quota_jobs": "10",
        "requests_per_minute": "600",
        "wrong_tokens_per_minute": "10",
        "synchronous": "full",
        "upload_timeout_seconds": "1.5",
        "log_level": "debug",
        "log_format": "json",
    }
    assert values.keys() == Settings.model_fields.keys()
    for name, value in values.items():
        assert Settings.model_fields[name].description
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
    settings = load()
    assert settings.allowed_hosts == ("tune.example.org", "localhost")
    assert (settings.home, settings.port, settings.workers) == (tmp_path, 9000, 3)
    assert settings.token is not None
    assert settings.token.get_secret_value() == values["token"]
    assert settings.database_url == values["database"]


def test_defaults_stay_on_this_machine(tmp_path: Path) -> None:
    settings = load(home=tmp_path)
    assert settings.host == "127.0.0.1"
    assert settings.allowed_hosts == ("localhost", "127.0.0.1", "[::1]")
    assert settings.database_url == f"sqlite:///{tmp_path}/fallline.db"
    assert settings.workers >= 1


def test_settings_cannot_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("port", "0", "FALLLINE_PORT: Input should be greater"),
        ("synchronous", "off", "FALLLINE_SYNCHRONOUS: Input should be 'normal' or 'full'"),
        ("token", "short", "FALLLINE_TOKEN: must be 16 or more"),
        ("token", "sixteen characters; or more", "FALLLINE_TOKEN: must be 16 or more"),
        ("allowed_hosts", "*.example.org", "FALLLINE_ALLOWED_HOSTS: must hold exact host names"),
        ("allowed_hosts", ",", "FALLLINE_ALLOWED_HOSTS: "),
        ("database", "postgresql://me:secret@db/x", "FALLLINE_DATABASE: must be a SQLite file"),
        ("database", "sqlite://", "FALLLINE_DATABASE: must be a SQLite file"),
        ("database", "sqlite:///:memory:", "FALLLINE_DATABASE: must be a SQLite file"),
        ("database", "nonsense", "FALLLINE_DATABASE: must be an address"),
        ("host", "0.0.0.0", "FALLLINE_ALLOWED_HOSTS must name the hosts"),
    ],
)
def test_a_refusal_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, text: str
) -> None:
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
    with pytest.raises(SettingsError) as refused:
        load()
    assert str(refused.value).startswith(text)
    assert "secret" not in str(refused.value)
