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
        "secrets": str(tmp_path),
        "database": f"sqlite:///{tmp_path}/other.db",
        "store": "s3://bucket/prefix",
        "store_cache_bytes": "1000000",
        "allowed_hosts": "Tune.example.org, localhost",
        "webhook_hosts": "Hooks.example.org, http://10.0.0.5:8080",
        "webhook_secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
        "max_upload_bytes": "1000",
        "workers": "3",
        "cluster": "tls://scheduler.example.org:8786",
        "cluster_insecure": "true",
        "certificates": str(tmp_path / "certificates"),
        "jobs": "6",
        "jobs_of_one_owner": "2",
        "drain_seconds": "12.5",
        "keep_jobs_days": "30",
        "keep_audit_days": "90",
        "quota_bytes": "1000000",
        "quota_jobs": "10",
        "quota_trials": "50",
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
    assert settings.webhook_hosts == ("https://hooks.example.org:443", "http://10.0.0.5:8080")
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


def test_a_store_on_local_disk_is_a_folder_like_the_one_at_home(tmp_path: Path) -> None:
    assert load(home=tmp_path).blob_folder == tmp_path / "blobs"
    settings = load(home=tmp_path, store="file:///mnt/blobs")
    assert (settings.blob_folder, settings.store_elsewhere) == (Path("/mnt/blobs"), None)


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
        ("store", "s3://me:secret@bucket", "FALLLINE_STORE: must hold no credentials"),
        ("store", "s3://bucket?key=secret", "FALLLINE_STORE: must hold no credentials"),
        ("store", "bucket/prefix", "FALLLINE_STORE: must be an address such as s3://"),
        ("store", "file://relative", "FALLLINE_STORE: must be an address such as s3://"),
        ("store", "memory://files", "FALLLINE_STORE: must be an address such as s3://"),
        ("webhook_hosts", "*.example.org", "FALLLINE_WEBHOOK_HOSTS: must hold hosts such as"),
        ("webhook_hosts", "https://example.org/path", "FALLLINE_WEBHOOK_HOSTS: must hold hosts"),
        ("webhook_hosts", "example.org:99999", "FALLLINE_WEBHOOK_HOSTS: must hold hosts such as"),
        ("webhook_hosts", "example.org", "FALLLINE_WEBHOOK_SECRET must be given for webhooks"),
        ("webhook_secret", "whsec_c2VjcmV0", "FALLLINE_WEBHOOK_SECRET: must be whsec_ and the"),
        ("webhook_secret", "no-such-secret", "FALLLINE_WEBHOOK_SECRET: must be whsec_ and the"),
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


@pytest.mark.parametrize(
    "address",
    [
        "tls://host",
        "host:8786",
        "http://host:8786",
        "tls://host:99999",
        "tls://a@host:1",
        "tls://h:1/x",
    ],
)
def test_a_cluster_is_named_by_scheme_host_and_port(address: str) -> None:
    with pytest.raises(SettingsError, match=r"FALLLINE_CLUSTER: must be an address such as tls://"):
        load(cluster=address)


def test_a_cluster_beyond_this_machine_needs_tls_unless_it_is_asked_for() -> None:
    assert load(cluster="tcp://127.0.0.1:8786").cluster == "tcp://127.0.0.1:8786"
    with pytest.raises(SettingsError, match=r"no TLS.*FALLLINE_CLUSTER_INSECURE=true"):
        load(cluster="tcp://10.0.0.5:8786")
    assert load(cluster="tcp://10.0.0.5:8786", cluster_insecure=True).cluster_insecure


def test_a_folder_of_secrets_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FALLLINE_SECRETS", str(tmp_path / "gone"))
    with pytest.raises(SettingsError, match=r"FALLLINE_SECRETS: there is no folder .*gone"):
        load()
