"""The authority of the API: its server's certificate and the administrator's client certificate in the kubeconfig.

It is separate from the mesh's: no workload certificate opens the API, and no kubeconfig opens a workload. All of it lives
in one folder: `ca.pem` (key and certificate, 0600), and `server.pem` and `admin.pem` (key, then chain, 0600).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from cryptography import x509

from weft.ca import certificate, keys
from weft.ca.certificate import CLIENT, SERVER, Issuer, Leaf
from weft.ca.csr import key_pem, new_key, private_key, verified_key
from weft.ca.rotation import is_due

SERVER_LIFE = timedelta(days=90)
ADMIN_LIFE = timedelta(days=365)
ADMIN = certificate.name("weft-admin", "system:masters")  # what Kubernetes' own administrators are called
LOOPBACK: tuple[str | IPv4Address | IPv6Address, ...] = ("localhost", "weft.local", ip_address("127.0.0.1"), ip_address("::1"))


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and its certificate chain, both PEM. `path` is a file that holds both, as servers read them."""

    path: Path
    key: bytes
    chain: bytes
    not_after: datetime


@dataclass(frozen=True, slots=True)
class ApiIdentity:
    """What the API's server and its administrator need. `authority` is PEM, for both to trust the other."""

    authority: bytes
    authority_path: Path
    server: KeyPair
    admin: KeyPair


def api_identity(folder: Path, now: datetime, hosts: Iterable[str | IPv4Address | IPv6Address] = LOOPBACK) -> ApiIdentity:
    """The API's keys and certificates in `folder`: made when missing, renewed from their half-life on. Call it again (at
    a start, once an hour) to renew. Raises keys.ExposedKey."""
    issuer = _authority(folder / "ca.pem", now)
    names = tuple(x509.DNSName(host) if isinstance(host, str) else x509.IPAddress(host) for host in hosts)
    public = folder / "ca.crt"
    if not public.exists() or public.read_bytes() != certificate.pem(issuer.certificate):
        keys.write(public, certificate.pem(issuer.certificate), keys.PUBLIC)
    return ApiIdentity(
        certificate.pem(issuer.certificate),
        public,
        _pair(folder / "server.pem", Leaf(names, (SERVER,), certificate.name("weft-api")), issuer, SERVER_LIFE, now),
        _pair(folder / "admin.pem", Leaf((), (CLIENT,), ADMIN), issuer, ADMIN_LIFE, now),
    )


def client_certificate(folder: Path, csr: bytes, user: str, groups: Iterable[str], life: timedelta, now: datetime) -> bytes:
    """A client certificate (PEM) for the key of a CSR (DER), which may ask for no name. Raises csr.InvalidRequest."""
    issuer = _authority(folder / "ca.pem", now)
    what = Leaf((), (CLIENT,), certificate.name(user, *groups))
    return certificate.pem(certificate.leaf(verified_key(csr, ""), what, issuer, life, now))


def _authority(path: Path, now: datetime) -> Issuer:
    found = _read(path)
    if found is not None:
        return found
    key = new_key()
    made = Issuer(key, certificate.root(key, certificate.name("weft API", "weft"), now, path_length=0))
    keys.write(path, key_pem(key) + certificate.pem(made.certificate))
    return made


def _pair(path: Path, what: Leaf, issuer: Issuer, life: timedelta, now: datetime) -> KeyPair:
    found = _read(path)
    if found is None or not _is_good(found.certificate, what, issuer, now):
        key = new_key()
        found = Issuer(key, certificate.leaf(key.public_key(), what, issuer, life, now))
        keys.write(path, key_pem(key) + certificate.pem(found.certificate))
    return KeyPair(path, key_pem(found.key), certificate.pem(found.certificate), found.certificate.not_valid_after_utc)


def _is_good(found: x509.Certificate, what: Leaf, issuer: Issuer, now: datetime) -> bool:
    if found.issuer != issuer.certificate.subject or found.subject != what.subject:
        return False
    return _names(found) == set(what.names) and not is_due(found.not_valid_before_utc, found.not_valid_after_utc, now)


def _names(found: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _read(path: Path) -> Issuer | None:
    try:
        content = keys.read(path)
        return Issuer(private_key(content), x509.load_pem_x509_certificate(content))
    except FileNotFoundError:
        return None
