"""The files of docker-compose.yml's volume of secrets: made once, each service reads its own."""

import json
import secrets
from pathlib import Path

from service import certificates, private_files
from service.errors import SecretsUnusable

BYTES = 32  # of randomness in each
GROUP_MODE = 0o640  # the database runs as a user of its own, who is in our group
CREDENTIALS = """\
[default]
aws_access_key_id = fallline
aws_secret_access_key = {key}
"""


def make(folder: Path) -> list[str]:
    """Write the files that are not there yet.

    Args:
        folder: of the volume.

    Returns:
        The names of all that are there.

    Raises:
        SecretsUnusable: the folder cannot be written.
        CertificatesUnusable: as `certificates.make`.
    """
    try:
        private_files.make_folder(folder)
        _kept(folder / "fallline_token")
        password = _kept(folder / "database_password")
        (folder / "database_password").chmod(GROUP_MODE)
        key = _kept(folder / "store_key")
        # What holds one of these in a service's own form follows it.
        address = f"postgresql+psycopg://fallline:{password}@database/fallline"
        private_files.write(folder / "fallline_database", address)
        private_files.write(folder / "s3_credentials", CREDENTIALS.format(key=key))
        private_files.write(folder / "store.json", json.dumps({"identities": [_identity(key)]}))
    except OSError as error:
        raise SecretsUnusable(f"Cannot write to {folder}: {error.strerror}.") from None
    if not (folder / "certificates").exists():
        certificates.make(folder / "certificates")
    return sorted(path.name for path in folder.iterdir())


def _kept(path: Path) -> str:
    """The secret in a file, made if there is none."""
    if not path.exists():
        private_files.write(path, secrets.token_urlsafe(BYTES))
    return path.read_text(encoding="utf-8")


def _identity(key: str) -> dict[str, object]:
    return {
        "name": "fallline",
        "credentials": [{"accessKey": "fallline", "secretKey": key}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
