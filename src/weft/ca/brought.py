"""An authority that an operator brings in files: read, and judged before anything is made of it.

The names are Istio's for its `cacerts`: the certificate and key that sign workloads' certificates, the chain from it to the
root, and the root. What is wrong is told as findings, all of it at once, since whoever made the files has to make them anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509

from weft.ca import certificate
from weft.ca.certificate import Issuer
from weft.ca.csr import PrivateKey
from weft.ca.key_type import authority_key
from weft.ca.proof import is_issued, trusted_path
from weft.ca.succession_files import Successor
from weft.finding import Finding
from weft.messages import finding
from weft.ref import Ref

CERTIFICATE, KEY, CHAIN, ROOT = "ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"
"""Istio's names of the files."""


@dataclass(frozen=True, slots=True)
class Brought:
    """PEM. `chain` may hold the certificate and the root again; without `root` the last of the chain is it. `names` are what the
    four are called in messages."""

    certificate: bytes
    key: bytes
    chain: bytes = b""
    root: bytes = b""
    names: tuple[str, str, str, str] = (CERTIFICATE, KEY, CHAIN, ROOT)


@dataclass(frozen=True, slots=True)
class Judged:
    """What was brought, ready to be used; None when a finding says why not. `others` are further roots to trust."""

    successor: Successor | None
    others: tuple[x509.Certificate, ...] = ()
    findings: tuple[Finding, ...] = ()


def from_folder(folder: Path) -> Brought:
    """The files of a folder in Istio's layout. Raises OSError."""
    return from_files(folder / CERTIFICATE, folder / KEY, _there(folder / CHAIN), _there(folder / ROOT))


def from_files(certificate: Path, key: Path, chain: Path | None = None, root: Path | None = None) -> Brought:
    """The files as they are named. Raises OSError."""
    paths = (certificate, key, chain or Path(CHAIN), root or Path(ROOT))
    above, top = (path.read_bytes() if path else b"" for path in (chain, root))
    names = (str(paths[0]), str(paths[1]), str(paths[2]), str(paths[3]))
    return Brought(certificate.read_bytes(), key.read_bytes(), above, top, names)


def _there(path: Path) -> Path | None:
    return path if path.exists() else None


def judged(brought: Brought, trust_domain: str, now: datetime) -> Judged:
    """What was brought, read, with what is wrong of it."""
    reading = _Reading(brought, trust_domain, now)
    successor, others = reading.read()
    return Judged(None if reading.findings else successor, others, tuple(reading.findings))


@dataclass(slots=True)
class _Reading:
    brought: Brought
    trust_domain: str
    now: datetime
    findings: list[Finding] = field(default_factory=list)

    def add(self, which: int, problem: str, hint: str = "") -> None:
        ref = Ref("ca", "file", "", self.brought.names[which])
        self.findings.append(finding("invalid-authority", ref, problem=problem, hint=hint))

    def read(self) -> tuple[Successor | None, tuple[x509.Certificate, ...]]:
        signing, chain, roots = (self._certificates(which) for which in (0, 2, 3))
        key = self._key()
        if self.findings or not signing or key is None:
            return None, ()
        first, beside = signing[0], (*signing[1:], *chain)
        roots = roots or tuple(each for each in (*beside, first) if is_issued(each, each))[:1]
        self._check_key(key, first)
        for each in dict.fromkeys((first, *beside, *roots)):
            self._check(each, 0 if each == first else 3 if each in roots else 2)
        path = (first,) if first in roots else trusted_path(first, [each for each in beside if each != first], roots)
        if not roots:
            self.add(3, "there is no root", f"bring it as {ROOT}, or at the end of {CHAIN}")
        elif not path:
            self.add(
                2, "the chain does not lead from the certificate to the root", "every certificate between them belongs into it"
            )
        else:
            self._check_lengths(path)
        return self._successor(key, path), tuple(root for root in roots if not path or root != path[-1])

    def _successor(self, key: PrivateKey, path: Sequence[x509.Certificate]) -> Successor | None:
        """A root that was brought with its key is used as one: an intermediate is made of it."""
        if not path:
            return None
        return Successor(Issuer(key, path[0]), tuple(path[1:-1]), path[-1], key if len(path) == 1 else None)

    def _certificates(self, which: int) -> tuple[x509.Certificate, ...]:
        content = (self.brought.certificate, self.brought.key, self.brought.chain, self.brought.root)[which]
        if not content.strip():
            if which == 0:
                self.add(0, "it is empty", "the certificate that signs is needed, as PEM")
            return ()
        try:
            return certificate.distinct(x509.load_pem_x509_certificates(content))
        except ValueError as error:
            self.add(which, f"it holds no PEM certificates: {error}")
            return ()

    def _key(self) -> PrivateKey | None:
        try:
            return authority_key(self.brought.key)
        except ValueError as error:
            self.add(
                1, f"it holds no key that can sign: {error}", "as PEM, not encrypted: ECDSA P-256 or P-384, or RSA from 2048 bits"
            )
            return None

    def _check_key(self, key: PrivateKey, first: x509.Certificate) -> None:
        if key.public_key() != first.public_key():
            self.add(
                1,
                f"the key is not that of {self.brought.names[0]}",
                "`openssl x509 -pubkey` and `openssl pkey -pubout` must agree",
            )

    def _check(self, one: x509.Certificate, which: int) -> None:
        said = one.subject.rfc4514_string() or "a certificate"
        if not certificate.is_authority(one):
            self.add(which, f"{said} is not an authority", "it needs basicConstraints with CA:TRUE")
        elif not _may_sign(one):
            self.add(which, f"{said} may not sign certificates", "its keyUsage needs keyCertSign")
        if self.now >= one.not_valid_after_utc:
            self.add(which, f"{said} expired at {one.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}")
        if self.now < one.not_valid_before_utc:
            self.add(which, f"{said} is valid only from {one.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}", "is the clock right?")
        for domain in _other_domains(one, self.trust_domain):
            hint = f"this mesh is {self.trust_domain}: `x-weft.trustDomain` names it, before its first start"
            self.add(which, f"{said} is of the trust domain {domain}", hint)

    def _check_lengths(self, path: Sequence[x509.Certificate]) -> None:
        """Below a root that was brought with its key an intermediate is made."""
        below = 1 if len(path) == 1 else 0
        for position, each in enumerate(path):
            length = _path_length(each)
            if length is not None and length < position + below:
                which = 0 if position == 0 else 3 if each is path[-1] else 2
                what = "an intermediate is made below it" if below else f"{position} authorities stand below it"
                hint = "make it with a longer path, or bring an intermediate of it with its key"
                self.add(which, f"{each.subject.rfc4514_string()} has the path length {length}, and {what}", hint)


def _may_sign(one: x509.Certificate) -> bool:
    try:
        return one.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _path_length(one: x509.Certificate) -> int | None:
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except x509.ExtensionNotFound:
        return None


def _other_domains(one: x509.Certificate, ours: str) -> Iterator[str]:
    """Trust domains that the certificate is bound to and that are not ours: by its own SPIFFE ID, or by its name constraints."""
    named = [uri.removeprefix("spiffe://").partition("/")[0] for uri in certificate.uris(one) if uri.startswith("spiffe://")]
    if named and ours not in named:
        yield named[0]
    try:
        permitted = one.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    except x509.ExtensionNotFound:
        return
    hosts = [name.value for name in permitted if isinstance(name, x509.UniformResourceIdentifier)]
    if hosts and not any(ours == host or (host.startswith(".") and ours.endswith(host)) for host in hosts):
        yield hosts[0]
