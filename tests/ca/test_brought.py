"""An authority that an operator brings: what is taken, and what is wrong of it."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from weft.ca import certificate, csr
from weft.ca.brought import Brought, from_folder, judged
from weft.ca.certificate import Issuer
from weft.ca.csr import PrivateKey, key_pem
from weft.ca.folder import AuthoritySettings, BrokenFolder, Folder
from weft.ca.key_type import KeyType
from weft.ca.key_type import key as new_key
from weft.ca.proof import fingerprint
from weft.ca.succession import Kind
from weft.identity import SpiffeId

from .authorities import NOW

DOMAIN = "cluster.local"
DAY = timedelta(days=1)


def made(
    issuer: Issuer | None,
    *,
    ca: bool = True,
    length: int | None = None,
    life: timedelta = 300 * DAY,
    begin: datetime = NOW - DAY,
    uri: str = "",
    constraint: str = "",
    signs: bool = True,
) -> Issuer:
    """An operator's own authority, not as weft would make it."""
    key = csr.new_key()
    above = issuer.certificate.subject.rfc4514_string().removeprefix("CN=") if issuer else ""
    subject = certificate.name(f"issuer below {above}" if issuer else "operator's root")
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + life)
        .add_extension(x509.BasicConstraints(ca, length if ca else None), critical=True)
        .add_extension(x509.KeyUsage(True, False, False, False, False, signs, True, False, False), critical=True)
    )
    if uri:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
    if constraint:
        permitted = x509.NameConstraints([x509.UniformResourceIdentifier(constraint)], None)
        builder = builder.add_extension(permitted, critical=True)
    return Issuer(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()))


ROOT = made(None)
MIDDLE = made(ROOT)
SIGNER = made(MIDDLE, length=0)
GOOD = Brought(
    certificate.pem(SIGNER.certificate),
    key_pem(SIGNER.key),
    certificate.pem(SIGNER.certificate, MIDDLE.certificate, ROOT.certificate),
    certificate.pem(ROOT.certificate),
)


def brought(signer: Issuer, *above: Issuer) -> Brought:
    """Files of a signer and those above it, the root last."""
    chain = certificate.pem(*(each.certificate for each in above[:-1]))
    root = certificate.pem(above[-1].certificate) if above else b""
    return Brought(certificate.pem(signer.certificate), key_pem(signer.key), chain, root)


def write(folder: Path, files: Brought) -> Path:
    """The files in Istio's layout."""
    folder.mkdir(exist_ok=True)
    names = {
        "ca-cert.pem": files.certificate,
        "ca-key.pem": files.key,
        "cert-chain.pem": files.chain,
        "root-cert.pem": files.root,
    }
    for name, content in names.items():
        (folder / name).write_bytes(content)
    return folder


def test_what_is_brought_signs_from_the_first_start_on(tmp_path: Path) -> None:
    """In Istio's layout, with a certificate between: chains lead to the operator's root, and openssl agrees."""
    files = from_folder(write(tmp_path / "cacerts", GOOD))
    found = judged(files, DOMAIN, NOW)
    assert found.successor is not None and not found.findings
    folder = Folder(tmp_path / "ca", DOMAIN)
    folder.bring(found.successor, found.others)
    folder.bring(found.successor, found.others)  # at every start
    current = folder.authority(NOW)
    assert current.roots == (ROOT.certificate,) and current.signer.certificate == SIGNER.certificate
    identity = SpiffeId(DOMAIN, "default", "a")
    chain = current.issue(csr.request(csr.new_key(), str(identity)), identity, DAY, NOW).chain
    leaf, *others = x509.load_pem_x509_certificates(chain)
    assert others == [SIGNER.certificate, MIDDLE.certificate] and current.own(chain, NOW) == leaf
    for name, content in (("leaf", [leaf]), ("others", others)):
        (tmp_path / name).write_bytes(certificate.pem(*content))
    command = ["openssl", "verify", "-attime", str(int(NOW.timestamp())), "-CAfile", str(tmp_path / "cacerts" / "root-cert.pem")]
    subprocess.run([*command, "-untrusted", str(tmp_path / "others"), str(tmp_path / "leaf")], check=True, capture_output=True)


def test_a_root_that_is_brought_with_its_key_has_an_intermediate_made_below_it(tmp_path: Path) -> None:
    """Its key does not sign workloads' certificates itself."""
    found = judged(brought(ROOT), DOMAIN, NOW)
    assert found.successor is not None and found.successor.root_key is not None
    folder = Folder(tmp_path, DOMAIN)
    folder.bring(found.successor, ())
    current = folder.authority(NOW)
    assert current.roots == (ROOT.certificate,) and current.signer.certificate != ROOT.certificate
    current.signer.certificate.verify_directly_issued_by(ROOT.certificate)


def test_another_signer_of_the_same_root_takes_over_and_another_root_does_not(tmp_path: Path) -> None:
    """The first is what a renewal of the files is; the second needs a rotation, and with it the same files are good."""
    folder = Folder(tmp_path, DOMAIN)
    first, other = judged(GOOD, DOMAIN, NOW).successor, judged(brought(made(ROOT), ROOT), DOMAIN, NOW).successor
    assert first is not None and other is not None
    folder.bring(first, ())
    folder.bring(other, ())
    assert folder.authority(NOW).signer.certificate == other.intermediate.certificate
    root = made(None)
    foreign = judged(brought(made(root), root), DOMAIN, NOW).successor
    assert foreign is not None
    with pytest.raises(BrokenFolder, match="another root"):
        folder.bring(foreign, ())
    rotation = folder.begin(Kind.ROOT, NOW, foreign)
    assert rotation.new_root == fingerprint(root.certificate)
    assert set(folder.authority(NOW).roots) == {ROOT.certificate, root.certificate}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (replace(GOOD, key=key_pem(csr.new_key())), "the key is not that of ca-cert.pem"),
        (replace(GOOD, key=b"-----BEGIN NOTHING-----"), "it holds no key that can sign"),
        (replace(GOOD, certificate=b""), "it is empty"),
        (replace(GOOD, certificate=b"x"), "it holds no PEM certificates"),
        (brought(made(ROOT, ca=False), ROOT), "is not an authority"),
        (brought(made(ROOT, signs=False), ROOT), "may not sign certificates"),
        (brought(made(ROOT, life=DAY / 2), ROOT), "expired at 2026-03-01"),
        (brought(made(ROOT, begin=NOW + DAY), ROOT), "is valid only from 2026-03-02"),
        (brought(made(None, length=0)), "has the path length 0, and an intermediate is made below it"),
        (brought(SIGNER, made(MIDDLE, length=0), ROOT), "the chain does not lead"),
        (brought(SIGNER, ROOT), "the chain does not lead"),
        (replace(GOOD, chain=b"", root=b""), "there is no root"),
        (brought(made(ROOT, uri="spiffe://example.org"), ROOT), "is of the trust domain example.org"),
        (brought(made(ROOT, constraint=".example.org"), ROOT), "is of the trust domain .example.org"),
    ],
)
def test_what_cannot_be_an_authority_is_said(files: Brought, problem: str) -> None:
    """With the file, before anything is made of it."""
    found = judged(files, DOMAIN, NOW)
    assert found.successor is None and found.findings[0].code == "invalid-authority"
    assert any(problem in each.message for each in found.findings), [each.message for each in found.findings]


def test_a_path_that_is_too_long_for_what_stands_above_is_said() -> None:
    """A root with the path length 0 has no authority below it that has one below itself."""
    root = made(None, length=0)
    assert (
        judged(brought(made(root), root), DOMAIN, NOW)
        .findings[0]
        .message.endswith("the path length 0, and 1 authorities stand below it")
    )


def test_the_root_is_kept_elsewhere_and_signs_a_request(tmp_path: Path) -> None:
    """The offline path with openssl alone: a request is printed, signed, and brought back; its key never moves."""
    folder = Folder(tmp_path / "ca", DOMAIN)
    now = datetime.now(UTC)
    folder.authority(now)
    request = folder.request()
    assert (
        request != b"" and x509.load_pem_x509_csr(request).public_key() == x509.load_pem_x509_csr(folder.request()).public_key()
    )
    (tmp_path / "request.pem").write_bytes(request)
    openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-days", "3650"]
    subprocess.run(
        [*openssl, "-subj", "/CN=offline", "-keyout", "k.pem", "-out", "r.pem"], cwd=tmp_path, check=True, capture_output=True
    )
    sign = [
        "openssl",
        "x509",
        "-req",
        "-in",
        "request.pem",
        "-CA",
        "r.pem",
        "-CAkey",
        "k.pem",
        "-copy_extensions",
        "copy",
        "-days",
        "365",
    ]
    subprocess.run([*sign, "-out", "signed.pem"], cwd=tmp_path, check=True, capture_output=True)
    files = Brought((tmp_path / "signed.pem").read_bytes(), folder.pending(), root=(tmp_path / "r.pem").read_bytes())
    found = judged(files, DOMAIN, datetime.now(UTC))
    assert found.successor is not None, found.findings
    folder.begin(Kind.ROOT, datetime.now(UTC), found.successor)
    folder.imported()
    assert len(folder.authority(datetime.now(UTC)).roots) == 2 and not (tmp_path / "ca" / "pending.key").exists()


@pytest.mark.parametrize("kind", [KeyType.P384, KeyType.RSA2048])
def test_keys_and_lives_are_chosen(tmp_path: Path, kind: KeyType) -> None:
    """Of root and intermediate, also when they are rotated; requests with such keys are signed."""
    settings = AuthoritySettings(root_life=20 * DAY, intermediate_life=4 * DAY, key_type=kind)
    folder = Folder(tmp_path, DOMAIN, settings)
    current = folder.authority(NOW)
    root, signer = current.roots[0], current.signer.certificate
    assert root.not_valid_after_utc - NOW == 20 * DAY and signer.not_valid_after_utc - NOW == 4 * DAY
    key: PrivateKey = new_key(kind)
    assert type(root.public_key()) is type(key.public_key()) is type(signer.public_key())
    identity = SpiffeId(DOMAIN, "default", "a")
    chain = current.issue(csr.request(key, str(identity)), identity, DAY, NOW).chain
    assert current.own(chain, NOW).public_key() == key.public_key()
    assert folder.begin(Kind.ROOT, NOW) and folder.toward(fingerprint(root), NOW) is not None
