"""A rotation on disk: `rotation.json`, and `next/` with what is to come. It survives whatever kills the process.

`rotation.json` is the one file that says which state holds; it is written whole, before anything is done in that state. What a
state asks of the other files (`root.crt`, `former.crt`) is made from it again at every look, and ending a rotation is a row of
steps of which each may be done twice.
"""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from weft.ca import certificate, keys
from weft.ca.certificate import Issuer
from weft.ca.csr import PrivateKey, key_pem
from weft.ca.key_type import authority_key
from weft.ca.proof import fingerprint
from weft.ca.succession import Kind, Rotation, State


class BrokenFolder(Exception):
    """The files do not belong together or cannot be read, and what to do."""


@dataclass(frozen=True, slots=True)
class Successor:
    """What is to come: who signs, what stands between it and the root, the root with its key (None: it is kept elsewhere), and
    the new root as the old one vouches for it."""

    intermediate: Issuer
    above: tuple[x509.Certificate, ...]
    root: x509.Certificate
    root_key: PrivateKey | None = None
    cross: x509.Certificate | None = None


@dataclass(frozen=True, slots=True)
class SuccessionFiles:
    """Those of one authority's folder."""

    path: Path

    @property
    def _next(self) -> Path:
        return self.path / "next"

    def rotation(self) -> Rotation | None:
        """The rotation that goes on; None: there is none. Raises BrokenFolder."""
        said = self._said().get("rotation")
        if not said:
            return None
        try:
            return Rotation(**{**said, "kind": Kind(said["kind"]), "state": State(said["state"])})
        except (TypeError, ValueError, KeyError) as error:
            raise BrokenFolder(f"{self.path / 'rotation.json'} is not readable: {error}") from error

    def last(self) -> dict[str, Any]:
        """How the last rotation ended; empty: there was none."""
        found = self._said().get("last", {})
        return dict(found) if isinstance(found, dict) else {}

    def _said(self) -> dict[str, Any]:
        try:
            found = json.loads((self.path / "rotation.json").read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise BrokenFolder(f"{self.path / 'rotation.json'} is not readable: {error}") from error
        return found if isinstance(found, dict) else {}

    def save(self, rotation: Rotation | None, last: dict[str, Any] | None = None) -> None:
        """From now on this state holds."""
        body = {"rotation": asdict(rotation) if rotation else None, "last": self.last() if last is None else last}
        keys.write(self.path / "rotation.json", json.dumps(body, indent=2).encode())

    def begin(self, rotation: Rotation, successor: Successor) -> None:
        """Writes what is to come, and then that the rotation has begun."""
        shutil.rmtree(self._next, ignore_errors=True)
        made = successor.intermediate
        content = key_pem(made.key) + certificate.pem(made.certificate, *successor.above)
        keys.write(self._next / "intermediate.pem", content)
        keys.write(self._next / "root.crt", certificate.pem(successor.root), keys.PUBLIC)
        if successor.root_key is not None:
            keys.write(self._next / "root.key", key_pem(successor.root_key))
        if successor.cross is not None:
            keys.write(self._next / "cross.crt", certificate.pem(successor.cross), keys.PUBLIC)
        self.save(rotation)

    def successor(self) -> Successor:
        """What is to come. Raises BrokenFolder."""
        found, above = signing(self._next / "intermediate.pem")
        (root, *_), cross = certificates(self._next / "root.crt"), certificates(self._next / "cross.crt")
        return Successor(found, above, root, cross=cross[0] if cross else None)

    def settle(self, rotation: Rotation, roots: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
        """The roots to trust in this state, that of who signs first, written down for who reads the file. `roots` are those of
        the file."""
        new = certificates(self._next / "root.crt")
        known = {fingerprint(root): root for root in (*roots, *new)}
        old = known.get(rotation.old_root)
        if rotation.kind is Kind.ROOT and not rotation.trusts_old and old is not None:
            if not rotation.compromised:
                self._remember(old)
            del known[rotation.old_root]
        if rotation.kind is Kind.ROOT and not rotation.trusts_new:
            known.pop(rotation.new_root, None)
        leading = rotation.new_root if rotation.signs_new else rotation.old_root
        found = tuple(sorted(known.values(), key=lambda root: fingerprint(root) != leading))
        if found != roots:
            keys.write(self.path / "root.crt", certificate.pem(*found), keys.PUBLIC)
        return found

    def _remember(self, root: x509.Certificate) -> None:
        former = certificate.distinct((*certificates(self.path / "former.crt"), root))
        keys.write(self.path / "former.crt", certificate.pem(*former), keys.PUBLIC)

    def finish(self, rotation: Rotation, roots: tuple[x509.Certificate, ...], now: datetime) -> None:
        """Does what PROMOTE and ABANDON say: the next becomes the current one, or is thrown away."""
        if self._next.exists():
            self.settle(rotation, roots)
            if rotation.state is State.PROMOTE:
                self._promote(rotation.kind)
            shutil.rmtree(self._next)
        done = asdict(replace(rotation, since=now.strftime("%Y-%m-%dT%H:%M:%SZ")))
        self.save(None, {**done, "ended": "done" if rotation.state is State.PROMOTE else "aborted"})

    def _promote(self, kind: Kind) -> None:
        if kind is Kind.ROOT:
            self._replace("root.key", keys.PRIVATE)
            self._replace("cross.crt", keys.PUBLIC)
        keys.write(self.path / "intermediate.pem", keys.read(self._next / "intermediate.pem"))

    def _replace(self, name: str, mode: int) -> None:
        if (self._next / name).exists():
            keys.write(self.path / name, (self._next / name).read_bytes(), mode)
        else:
            (self.path / name).unlink(missing_ok=True)


def certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Those of a PEM file; none when there is no file. Raises BrokenFolder."""
    if not path.exists():
        return ()
    try:
        return certificate.distinct(x509.load_pem_x509_certificates(path.read_bytes()))
    except ValueError as error:
        raise BrokenFolder(f"{path} holds no certificates: {error}") from error


def signing(path: Path) -> tuple[Issuer, tuple[x509.Certificate, ...]]:
    """The key and certificate of a file, and the certificates that follow. Raises BrokenFolder, keys.ExposedKey,
    FileNotFoundError."""
    content = keys.read(path)
    try:
        first, *above = x509.load_pem_x509_certificates(content)
        found = Issuer(authority_key(content), first)
    except ValueError as error:
        raise BrokenFolder(f"{path} holds no key and certificate: {error}\n  hint: remove it; a new one is made") from error
    if found.certificate.public_key() != found.key.public_key():
        raise BrokenFolder(f"the key and the certificate of {path} do not belong together\n  hint: remove it; a new one is made")
    return found, tuple(above)
