"""Certificates of a cluster: whoever has them is a member, and members trust each other fully.

One authority, whose key is thrown away once it has signed one certificate that all members share: a
new member is given the files, and to shut one out new ones are made.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed.security import Security

from service import private_files
from service.errors import CertificatesUnusable

AUTHORITY, MEMBER, KEY = "ca.pem", "member.pem", "member-key.pem"
VALID = timedelta(days=3650)


def make(folder: Path) -> None:
    """Write the files of a new cluster into a folder.

    Raises:
        CertificatesUnusable: there are some already, or the folder cannot be written.
    """
    for name in (AUTHORITY, MEMBER, KEY):
        if (folder / name).exists():
            raise CertificatesUnusable(
                f"{folder / name} exists already, and a cluster may be using it. "
                "Name another folder, or remove its files first."
            )
    signer, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority, member = _name("Fallline cluster authority"), _name("Fallline cluster member")
    try:
        private_files.make_folder(folder)
        private_files.write(
            folder / AUTHORITY,
            _pem(_signed(authority, signer.public_key(), authority, signer, ca=True)),
        )
        private_files.write(
            folder / MEMBER, _pem(_signed(member, key.public_key(), authority, signer, ca=False))
        )
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        private_files.write(folder / KEY, text.decode("ascii"))
    except OSError as error:
        raise CertificatesUnusable(f"Cannot write to {folder}: {error.strerror}.") from None


def security(address: str, folder: Path) -> Security:
    """What a member needs to speak with the others; nothing, over plain TCP.

    Args:
        address: of the scheduler.
        folder: with the files that `make` wrote.

    Raises:
        CertificatesUnusable: a file is missing, for an address that wants TLS.
    """
    if not address.startswith("tls://"):
        return Security()
    paths = {name: folder / name for name in (AUTHORITY, MEMBER, KEY)}
    for path in paths.values():
        if not path.is_file():
            raise CertificatesUnusable(
                f"There is no {path}. Make certificates with `fallline cluster certs`, once for the "
                "whole cluster, and name their folder in FALLLINE_CERTIFICATES."
            )
    member, key = str(paths[MEMBER]), str(paths[KEY])
    return Security(
        require_encryption=True,
        tls_ca_file=str(paths[AUTHORITY]),
        tls_client_cert=member,
        tls_client_key=key,
        tls_scheduler_cert=member,
        tls_scheduler_key=key,
        tls_worker_cert=member,
        tls_worker_key=key,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    begins = datetime.now(UTC) - timedelta(hours=1)  # the others' clocks may be behind
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + VALID)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
