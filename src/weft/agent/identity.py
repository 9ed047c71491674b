"""An identity at hand: a private key and the certificate for it, both PEM, and where they are kept.

Times are wall-clock seconds: a certificate's life goes on while a process is stopped or a machine sleeps.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization


@dataclass(frozen=True, slots=True)
class Identity:
    """`chain` is leaf first, without the root."""

    key: bytes
    chain: bytes
    not_before: float
    not_after: float
    uri: str = ""

    def expired(self, now: float) -> bool:
        """Whether nobody accepts it any more."""
        return now >= self.not_after

    @property
    def issuer(self) -> str:
        """SHA-256 of the certificate of who issued it; empty when the chain does not hold it."""
        found = x509.load_pem_x509_certificates(self.chain)
        return hashlib.sha256(found[1].public_bytes(serialization.Encoding.DER)).hexdigest() if len(found) > 1 else ""

    @property
    def leaf(self) -> str:
        """SHA-256 of the certificate itself."""
        leaf = x509.load_pem_x509_certificate(self.chain)
        return hashlib.sha256(leaf.public_bytes(serialization.Encoding.DER)).hexdigest()

    def leads_to(self, bundle: bytes) -> bool:
        """Whether a root of the PEM `bundle` issued a certificate of the chain: who trusts only the bundle accepts it."""
        roots = x509.load_pem_x509_certificates(bundle)
        return any(_is_issued(each, root) for each in x509.load_pem_x509_certificates(self.chain) for root in roots)

    def renewal(self, jitter: float) -> float:
        """When it is to be renewed: between 0.3 and 0.45 of its life, as `jitter` (-1 to 1) has it. So more than half of it is
        always left, and who signs may be away for that long."""
        return self.not_before + (self.not_after - self.not_before) * (0.375 + 0.075 * jitter)


def identity(key: bytes, chain: bytes) -> Identity:
    """The identity of a key and a certificate chain. Raises ValueError when they do not belong together."""
    leaf = x509.load_pem_x509_certificate(chain)
    private = serialization.load_pem_private_key(key, password=None)
    if _public_bytes(leaf.public_key()) != _public_bytes(private.public_key()):
        raise ValueError("the certificate is not for this key")
    uris: list[str] = []
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        pass
    return Identity(
        key, chain, leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp(), uris[0] if uris else ""
    )


def _is_issued(of: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        of.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _public_bytes(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


class KeyFolder:
    """The identities on disk, each as one file of key and chain, readable by the owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, name: str) -> Path:
        return self._folder / f"{name.replace('/', '_')}.pem"

    def read(self, name: str) -> Identity | None:
        """The identity kept as `name`; None when there is none that can be used."""
        try:
            content = self._path(name).read_bytes()
            end = content.index(b"-----BEGIN CERTIFICATE-----")
            return identity(content[:end], content[end:])
        except (OSError, ValueError):
            return None

    def write(self, name: str, kept: Identity) -> None:
        """Replaces what is kept as `name`, at any instant the old or the new."""
        write_private(self._path(name), kept.key + kept.chain)

    def forget(self, name: str) -> None:
        """Removes what is kept as `name`."""
        self._path(name).unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that only its owner can read, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
