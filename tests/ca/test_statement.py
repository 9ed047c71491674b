"""What the authority signs can be checked, also with openssl, and nothing else passes for it."""

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from weft.ca import certificate
from weft.ca.authority import Authority, Untrusted
from weft.ca.csr import new_key, request
from weft.ca.folder import Folder
from weft.ca.statement import Signed, check, signed
from weft.identity import SpiffeId

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TEXT = b'{"issued": "2026-05-01T00:00:00Z"}\n'


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority."""
    return Folder(tmp_path / "ca", "cluster.local").authority(NOW)


def test_a_statement_is_checked_years_later(authority: Authority) -> None:
    """The time that counts is the one at which it was signed; another text, time or root fails."""
    found = signed(authority, TEXT, NOW)
    check(TEXT, found, authority.roots, NOW)
    for text, said, roots, issued in (
        (TEXT + b" ", found, authority.roots, NOW),
        (TEXT, replace(found, signature=found.signature[:-1] + b"\0"), authority.roots, NOW),
        (TEXT, found, (), NOW),
        (TEXT, found, authority.roots, NOW + timedelta(days=1)),
        (TEXT, replace(found, chain=b"none"), authority.roots, NOW),
    ):
        with pytest.raises(Untrusted):
            check(text, said, roots, issued)


def test_a_workload_cannot_sign_statements(authority: Authority) -> None:
    """Its certificate is of the same root, and is for handshakes only."""
    key, identity = new_key(), SpiffeId("cluster.local", "default", "web")
    issued = authority.issue(request(key, str(identity)), identity, timedelta(hours=1), NOW)
    forged = Signed(key.sign(TEXT, ec.ECDSA(hashes.SHA256())), issued.chain)
    with pytest.raises(Untrusted, match="signs statements"):
        check(TEXT, forged, authority.roots, NOW)


def test_openssl_checks_a_statement(authority: Authority, tmp_path: Path) -> None:
    """With the two commands of the documentation."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    found = signed(authority, TEXT, NOW)
    files = {
        "r.json": TEXT,
        "r.json.sig": found.signature,
        "r.json.pem": found.chain,
        "root.crt": certificate.pem(*authority.roots),
    }
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
    chain = "openssl verify -no_check_time -CAfile root.crt -untrusted r.json.pem r.json.pem"
    key = "openssl x509 -in r.json.pem -noout -pubkey > key.pem"
    text = "openssl dgst -sha256 -verify key.pem -signature r.json.sig r.json"
    for command in (chain, key, text):
        done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
