"""The authority at rest: a folder with `root.key`, `root.crt` and `intermediate.pem`, and a rotation while there is one.

`root.crt` may hold several certificates: the first belongs to `root.key`, all are trusted. The root's key is only read to
make an intermediate; where it is kept elsewhere, everything works until the intermediate must be replaced. The
intermediate's key and certificate share one file, since two files cannot be replaced at once.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from weft.ca import certificate, keys
from weft.ca.authority import INTERMEDIATE_LIFE, Authority, new_intermediate, new_root
from weft.ca.certificate import ROOT_LIFE, Issuer
from weft.ca.csr import PrivateKey, key_pem
from weft.ca.key_type import KeyType, authority_key
from weft.ca.key_type import key as new_key
from weft.ca.proof import fingerprint, is_issued
from weft.ca.rotation import is_due
from weft.ca.succession import CannotChange, Kind, Rotation, State, first
from weft.ca.succession_files import BrokenFolder, SuccessionFiles, Successor, certificates, signing

log = logging.getLogger("weft.ca")

_LOOK_AGAIN = timedelta(hours=1)
_FORMER = timedelta(days=30)  # for so long who missed a rotation of the root may come back by itself


@dataclass(frozen=True, slots=True)
class AuthoritySettings:
    """What is made here: the lives of new roots and intermediates, and the kind of their keys."""

    root_life: timedelta = ROOT_LIFE
    intermediate_life: timedelta = INTERMEDIATE_LIFE
    key_type: KeyType = KeyType.P256


@dataclass(frozen=True, slots=True)
class Folder:
    """Where one authority lives."""

    path: Path
    trust_domain: str
    settings: AuthoritySettings = AuthoritySettings()

    @property
    def files(self) -> SuccessionFiles:
        """Its rotation."""
        return SuccessionFiles(self.path)

    def authority(self, now: datetime) -> Authority:
        """The authority of this folder: made when there is none, its intermediate replaced from its half-life on.

        Calling it again is cheap, changes nothing that is good, and finishes what a crash left half done. While a rotation
        goes on it is what that one's state says. Raises keys.ExposedKey and BrokenFolder.
        """
        rotation = self.files.rotation()
        if rotation is not None and rotation.state in (State.PROMOTE, State.ABANDON):
            self.files.finish(rotation, certificates(self.path / "root.crt"), now)
            rotation = None
        roots = self._roots(now)
        if rotation is not None:
            return self._rotating(rotation, self.files.settle(rotation, roots), now)
        return self._settled(roots, now)

    def _settled(self, roots: tuple[x509.Certificate, ...], now: datetime) -> Authority:
        found = self._intermediate(roots)
        if found is None or _is_due(found[0], now):
            found = self._made(roots[0], found, now)
        cross = tuple(each for each in certificates(self.path / "cross.crt") if now < each.not_valid_after_utc)
        return Authority(self.trust_domain, found[0], roots, found[1], self._former(now), cross)

    def _rotating(self, rotation: Rotation, roots: tuple[x509.Certificate, ...], now: datetime) -> Authority:
        successor = self.files.successor()
        cross = (successor.cross,) if successor.cross and rotation.signs_new else ()
        if rotation.signs_new:
            above = (*successor.above, *cross) if rotation.trusts_old else successor.above
            found = (successor.intermediate, above)
        else:
            found = signing(self.path / "intermediate.pem")
        return Authority(self.trust_domain, found[0], roots, found[1], self._former(now), cross)

    def toward(self, root: str, now: datetime) -> Authority | None:
        """The authority that can sign under the root of this fingerprint: to try who trusts it. None: there is none."""
        rotation, current = self.files.rotation(), self.authority(now)
        if rotation is None or root not in (rotation.old_root, rotation.new_root):
            return current if current.roots and fingerprint(current.roots[0]) == root else None
        if root == rotation.new_root:
            successor = self.files.successor()
            return replace(current, intermediate=successor.intermediate, above=successor.above, cross=())
        old, above = signing(self.path / "intermediate.pem")
        return replace(current, intermediate=old, above=above, cross=())

    def begin(
        self, kind: Kind, now: datetime, brought: Successor | None = None, *, compromised: bool = False, stepwise: bool = False
    ) -> Rotation:
        """Begins to replace the root (and its intermediate), or the intermediate, by what is `brought` or made here. Raises
        CannotChange and BrokenFolder."""
        if self.files.rotation() is not None:
            raise CannotChange("a rotation goes on\n  hint: `weft ca status` shows it; `weft ca abort` takes it back")
        current = self.authority(now)
        root = current.roots[0]
        successor = self.below(brought, now) if brought else self._successor(kind, root, now)
        if (fingerprint(successor.root) == fingerprint(root)) != (kind is Kind.INTERMEDIATE):
            raise CannotChange(
                "this root is the one of the mesh already" if kind is Kind.ROOT else "the new intermediate is of another root"
            )
        if kind is Kind.ROOT and not compromised and successor.cross is None:
            successor = replace(successor, cross=self._cross(successor.root, root, now))
        said = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        rotation = Rotation(
            kind,
            first(kind),
            fingerprint(root),
            fingerprint(successor.root),
            fingerprint(current.signer.certificate),
            fingerprint(successor.intermediate.certificate),
            started=said,
            since=said,
            paused=stepwise,
            stepwise=stepwise,
            compromised=compromised,
        )
        self.files.begin(rotation, successor)
        return rotation

    # What is brought from elsewhere

    def bring(self, successor: Successor, others: tuple[x509.Certificate, ...]) -> None:
        """Takes what an operator brought as the authority: where there is none yet, or as the intermediate where the root is
        the same. Raises BrokenFolder when the mesh has another root: that is replaced by a rotation alone."""
        roots = certificates(self.path / "root.crt")
        if not roots:
            if successor.root_key is not None:
                keys.write(self.path / "root.key", key_pem(successor.root_key))
            else:
                self._sign_with(successor)
            keys.write(self.path / "root.crt", certificate.pem(successor.root, *others), keys.PUBLIC)
            return
        if self.files.rotation() is not None or successor.root in roots[1:]:
            return
        if successor.root != roots[0]:
            raise BrokenFolder(
                f"this mesh has another root than the one that is brought, {successor.root.subject.rfc4514_string()}\n"
                "  hint: `weft ca rotate --root --from FOLDER` replaces it while the mesh runs"
            )
        current = self._intermediate(roots)
        if successor.root_key is None and (current is None or current[0].certificate != successor.intermediate.certificate):
            self._sign_with(successor)

    def _sign_with(self, successor: Successor) -> None:
        made = successor.intermediate
        keys.write(self.path / "intermediate.pem", key_pem(made.key) + certificate.pem(made.certificate, *successor.above))

    def below(self, brought: Successor, now: datetime) -> Successor:
        """The same with an intermediate made below a root that was brought with its key."""
        if brought.root_key is None:
            return brought
        root, settings = Issuer(brought.root_key, brought.root), self.settings
        made = new_intermediate(self.trust_domain, root, now, settings.intermediate_life, settings.key_type)
        return replace(brought, intermediate=made, above=())

    def request(self) -> bytes:
        """A request (PEM) for an intermediate, to be signed where the root is kept. Its key stays here, the same until it was
        imported."""
        path = self.path / "pending.key"
        if not path.exists():
            keys.write(path, key_pem(new_key(self.settings.key_type)))
        return certificate.intermediate_request(_key(path), self.trust_domain)

    def pending(self) -> bytes:
        """The key of the last `request`, PEM. Raises CannotChange."""
        try:
            return keys.read(self.path / "pending.key")
        except FileNotFoundError:
            raise CannotChange("no request is open\n  hint: `weft ca csr` makes one") from None

    def imported(self) -> None:
        """The answer to the request has come: its key is in use, or is to be."""
        (self.path / "pending.key").unlink(missing_ok=True)

    def _successor(self, kind: Kind, root: x509.Certificate, now: datetime) -> Successor:
        made, life = self.settings.key_type, self.settings.intermediate_life
        if kind is Kind.INTERMEDIATE:
            key = self._root_key(root)
            if key is None:
                raise CannotChange(
                    "the root's key is not here\n"
                    "  hint: `weft ca csr` prints a request for it, and `weft ca import` takes the answer"
                )
            return Successor(new_intermediate(self.trust_domain, Issuer(key, root), now, life, made), (), root)
        key = new_key(made)
        fresh = new_root(self.trust_domain, key, now, self.settings.root_life)
        return Successor(new_intermediate(self.trust_domain, Issuer(key, fresh), now, life, made), (), fresh, key)

    def _cross(self, new: x509.Certificate, old: x509.Certificate, now: datetime) -> x509.Certificate | None:
        """The new root as the old one vouches for it: only where the old key is here, and its path is long enough."""
        key = self._root_key(old)
        if key is None or (new.subject != old.subject and _path_length(old) < 2):
            return None
        return certificate.cross(new, Issuer(key, old), now)

    def _former(self, now: datetime) -> tuple[x509.Certificate, ...]:
        path = self.path / "former.crt"
        if not path.exists() or now.timestamp() - path.stat().st_mtime > _FORMER.total_seconds():
            return ()
        return certificates(path)

    def _roots(self, now: datetime) -> tuple[x509.Certificate, ...]:
        path = self.path / "root.crt"
        if not path.exists():
            made = new_root(self.trust_domain, self._first_key(), now, self.settings.root_life)
            keys.write(path, certificate.pem(made), keys.PUBLIC)
        roots = certificates(path)
        if not roots:
            raise BrokenFolder(f"{path} holds no certificates")
        self._check_domain(roots[0])
        return roots

    def _first_key(self) -> PrivateKey:
        path = self.path / "root.key"
        if not path.exists():
            keys.write(path, key_pem(new_key(self.settings.key_type)))
        return _key(path)

    def _root_key(self, root: x509.Certificate) -> PrivateKey | None:
        path = self.path / "root.key"
        if not path.exists():
            return None
        key = _key(path)
        if key.public_key() != root.public_key():
            raise BrokenFolder(f"{path} is not the key of the first certificate of root.crt")
        return key

    def _check_domain(self, root: x509.Certificate) -> None:
        """A root of ours names its trust domain; an operator's own need not."""
        named = certificate.uris(root)
        if named and f"spiffe://{self.trust_domain}" not in named:
            raise BrokenFolder(
                f"{self.path} belongs to another trust domain than {self.trust_domain}: {', '.join(named)}\n"
                "  hint: a trust domain is chosen once; use its first name, or another folder"
            )

    def _intermediate(self, roots: tuple[x509.Certificate, ...]) -> "Signing | None":
        path = self.path / "intermediate.pem"
        if not path.exists():
            return None
        found, above = signing(path)
        top = above[-1] if above else found.certificate
        return (found, above) if any(is_issued(top, root) for root in roots) or found.certificate in roots else None

    def _made(self, root: x509.Certificate, old: "Signing | None", now: datetime) -> "Signing":
        key = self._root_key(root)
        if key is None:
            return self._kept(old, now)
        settings = self.settings
        made = new_intermediate(self.trust_domain, Issuer(key, root), now, settings.intermediate_life, settings.key_type)
        keys.write(self.path / "intermediate.pem", key_pem(made.key) + certificate.pem(made.certificate))
        return made, ()

    def _kept(self, old: "Signing | None", now: datetime) -> "Signing":
        if old is None or now >= old[0].certificate.not_valid_after_utc:
            raise BrokenFolder(
                f"{self.path} needs a new intermediate, and root.key is not there\n"
                "  hint: bring it back for one start, or have a request of `weft ca csr` signed and `weft ca import` it"
            )
        return old


Signing = tuple[Issuer, tuple[x509.Certificate, ...]]
"""Who signs, and the certificates between it and the root."""


def _path_length(of: x509.Certificate) -> int:
    """How many authorities may stand below; a large number when it is not said."""
    try:
        found = of.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except x509.ExtensionNotFound:
        return 0
    return 100 if found is None else found


def _is_due(found: Issuer, now: datetime) -> bool:
    return is_due(found.certificate.not_valid_before_utc, found.certificate.not_valid_after_utc, now)


def _key(path: Path) -> PrivateKey:
    try:
        return authority_key(keys.read(path))
    except ValueError as error:
        raise BrokenFolder(f"{path} holds no EC or RSA private key: {error}") from error


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

    @property
    def folder(self) -> Folder:
        """Where it lives."""
        return self._folder

    def refresh(self) -> Authority:
        """The authority, read anew: call it when the folder was changed."""
        self._read = datetime.min.replace(tzinfo=UTC)
        return self()

    def toward(self, root: str) -> Authority | None:
        """Who can sign under the root of this fingerprint now."""
        return self._folder.toward(root, self._now())

    def _again(self, current: Authority, now: datetime) -> Authority:
        try:
            return self._folder.authority(now)
        except (BrokenFolder, keys.ExposedKey, OSError) as error:
            log.error("event=authority_not_renewed reason=%r", str(error))
            return current
