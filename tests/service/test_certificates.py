"""Certificates that a cluster's members share."""

from pathlib import Path

import pytest
from cryptography import x509

from service import certificates
from service.errors import CertificatesUnusable


def test_a_member_is_signed_by_an_authority_whose_key_nobody_has(tmp_path: Path) -> None:
    certificates.make(tmp_path / "made")
    authority, member = (
        x509.load_pem_x509_certificate((tmp_path / "made" / name).read_bytes())
        for name in (certificates.AUTHORITY, certificates.MEMBER)
    )
    member.verify_directly_issued_by(authority)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not member.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert len(list((tmp_path / "made").iterdir())) == 3
    for path in (tmp_path / "made").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    found = certificates.security("tls://host:1", tmp_path / "made")
    assert found.require_encryption
    assert certificates.security("tcp://host:1", tmp_path / "none").require_encryption is False


def test_certificates_in_use_are_not_overwritten(tmp_path: Path) -> None:
    certificates.make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CertificatesUnusable, match=r"ca\.pem exists already"):
        certificates.make(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    certificates.make(tmp_path)
    (tmp_path / certificates.KEY).unlink()
    with pytest.raises(CertificatesUnusable, match=r"member-key\.pem.*fallline cluster certs"):
        certificates.security("tls://host:1", tmp_path)
    with pytest.raises(CertificatesUnusable, match="Cannot write to"):
        certificates.make(Path("/proc/nowhere"))
