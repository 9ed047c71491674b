"""The authority at rest: a folder with `root.key`, `root.crt` and `intermediate.pem`.

`root.crt` may hold several certificates: the first belongs to `root.key`, all are trusted. The root's key is only read to
make an intermediate; where it is kept elsewhere, everything works until the intermediate must be replaced. The
intermediate's key and certificate share one file, since two files cannot be replaced at once.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from weft.ca import certificate, keys
from weft.ca.authority import Authority, new_intermediate, new_root
from weft.ca.certificate import Issuer
from weft.ca.csr import key_pem, new_key, private_key
from weft.ca.rotation import is_due

log = logging.getLogger("weft.ca")

_LOOK_AGAIN = timedelta(hours=1)


class BrokenFolder(Exception):
    """The files do not belong together or cannot be read, and what to do."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where one authority lives."""

    path: Path
    trust_domain: str

    def authority(self, now: datetime) -> Authority:
        """The authority of this folder: made when there is none, its intermediate replaced from its half-life on.

        Calling it again is cheap, changes nothing that is good, and finishes what a crash left half done. Raises
        keys.ExposedKey and BrokenFolder.
        """
        roots = self._roots(now)
        self._check_domain(roots[0])
        found = self._intermediate(roots)
        if found is not None and not _is_due(found, now):
            return Authority(self.trust_domain, found, roots)
        made = self._made(roots[0], found, now)
        return Authority(self.trust_domain, made, roots)

    def _roots(self, now: datetime) -> tuple[x509.Certificate, ...]:
        path = self.path / "root.crt"
        if not path.exists():
            keys.write(path, certificate.pem(new_root(self.trust_domain, self._first_key(), now)), keys.PUBLIC)
        try:
            return certificate.distinct(x509.load_pem_x509_certificates(path.read_bytes()))
        except ValueError as error:
            raise BrokenFolder(f"{path} holds no certificates: {error}") from error

    def _first_key(self) -> ec.EllipticCurvePrivateKey:
        path = self.path / "root.key"
        if not path.exists():
            keys.write(path, key_pem(new_key()))
        return _key(path)

    def _check_domain(self, root: x509.Certificate) -> None:
        if f"spiffe://{self.trust_domain}" not in certificate.uris(root):
            raise BrokenFolder(
                f"{self.path} belongs to another trust domain than {self.trust_domain}: {', '.join(certificate.uris(root))}\n"
                "  hint: a trust domain is chosen once; use its first name, or another folder"
            )

    def _intermediate(self, roots: tuple[x509.Certificate, ...]) -> Issuer | None:
        path = self.path / "intermediate.pem"
        if not path.exists():
            return None
        content = keys.read(path)
        try:
            found = Issuer(private_key(content), x509.load_pem_x509_certificate(content))
        except ValueError as error:
            raise BrokenFolder(f"{path} holds no key and certificate: {error}\n  hint: remove it; a new one is made") from error
        if found.certificate.public_key() != found.key.public_key():
            raise BrokenFolder(
                f"the key and the certificate of {path} do not belong together\n  hint: remove it; a new one is made"
            )
        return found if any(found.certificate.issuer == root.subject for root in roots) else None

    def _made(self, root: x509.Certificate, old: Issuer | None, now: datetime) -> Issuer:
        path = self.path / "root.key"
        if not path.exists():
            return self._kept(old, now)
        key = _key(path)
        if key.public_key() != root.public_key():
            raise BrokenFolder(f"{path} is not the key of the first certificate of root.crt")
        made = new_intermediate(self.trust_domain, Issuer(key, root), now)
        keys.write(self.path / "intermediate.pem", key_pem(made.key) + certificate.pem(made.certificate))
        return made

    def _kept(self, old: Issuer | None, now: datetime) -> Issuer:
        if old is None or now >= old.certificate.not_valid_after_utc:
            raise BrokenFolder(
                f"{self.path} needs a new intermediate, and root.key is not there\n  hint: bring it back for one start"
            )
        return old


def _is_due(found: Issuer, now: datetime) -> bool:
    return is_due(found.certificate.not_valid_before_utc, found.certificate.not_valid_after_utc, now)


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        return private_key(keys.read(path))
    except ValueError as error:
        raise BrokenFolder(f"{path} holds no EC private key: {error}") from error


class CurrentAuthority:
    """The authority of a folder, as long as the process runs: call it for the one of the moment."""

    def __init__(self, folder: Folder, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._now = now
        self._current: Authority | None = None
        self._read = datetime.min.replace(tzinfo=UTC)

    def __call__(self) -> Authority:
        """The authority; the folder is looked at again once an hour, so that what is due is renewed.

        A folder that is broken at the start is an error; one that breaks later is logged, and the authority that was read
        before goes on.
        """
        now = self._now()
        if self._current is None:
            self._current, self._read = self._folder.authority(now), now
        elif not timedelta(0) <= now - self._read < _LOOK_AGAIN:
            self._current, self._read = self._again(self._current, now), now
        return self._current

    def _again(self, current: Authority, now: datetime) -> Authority:
        try:
            return self._folder.authority(now)
        except (BrokenFolder, keys.ExposedKey, OSError) as error:
            log.error("event=authority_not_renewed reason=%r", str(error))
            return current
