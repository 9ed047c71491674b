"""The authority of the mesh: a root that is kept, an intermediate that signs, and the one function that issues.

The identity in a certificate is the one given to `issue`, never one read from the request. Nothing here reads a clock or
a file; `folder.py` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from cryptography import x509

from weft.ca import certificate
from weft.ca.certificate import Issuer, Leaf
from weft.ca.csr import PrivateKey, PublicKey, public_der, verified_key
from weft.ca.key_type import KeyType
from weft.ca.key_type import key as new_key
from weft.ca.proof import trusted_path
from weft.identity import SpiffeId
from weft.trust_bundle import TrustBundle

INTERMEDIATE_LIFE = timedelta(days=365)
_LONGEST_CHAIN = 4  # certificates above a leaf
SHORTEST, LONGEST = timedelta(seconds=10), timedelta(days=90)  # lifetimes an operator may choose for workloads


class Untrusted(Exception):
    """A certificate that this authority does not accept as its own, and why."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate: the PEM chain (leaf first, without the root), the PEM bundle of every root to trust, and its end."""

    chain: bytes
    bundle: bytes
    not_after: datetime


class Signer(Protocol):
    """Who signs for an authority: its own intermediate, or a program elsewhere."""

    @property
    def certificate(self) -> x509.Certificate:
        """That of who issues."""
        ...

    def signed(
        self, request: bytes, key: PublicKey, what: Leaf, lifetime: timedelta, now: datetime
    ) -> tuple[x509.Certificate, ...]:
        """A certificate of `what` for `key`, whose proven request is `request` (DER), and those between it and the root, in their
        order. Raises NotSigned."""
        ...


class NotSigned(Exception):
    """The signer did not sign, or signed something else than it was asked to. Asking later may help."""


@dataclass(frozen=True, slots=True)
class LocalSigner:
    """An intermediate whose key is here. `above` are the certificates that follow it in a chain, the root left out."""

    intermediate: Issuer
    above: tuple[x509.Certificate, ...] = ()

    @property
    def certificate(self) -> x509.Certificate:
        """The intermediate's."""
        return self.intermediate.certificate

    def signed(
        self, request: bytes, key: PublicKey, what: Leaf, lifetime: timedelta, now: datetime
    ) -> tuple[x509.Certificate, ...]:
        """Never fails."""
        return (certificate.leaf(key, what, self.intermediate, lifetime, now), self.certificate, *self.above)


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs for one trust domain. `roots` are all that peers trust; the first one signed the intermediate. `above`: see
    LocalSigner. `former` roots are trusted no more, but who has a certificate of theirs may renew it; `cross` are ours as
    those vouched for them, which the control plane shows to who has not heard of the new root. With an `external` signer the
    there is no intermediate."""

    trust_domain: str
    intermediate: Issuer | None
    roots: tuple[x509.Certificate, ...]
    above: tuple[x509.Certificate, ...] = ()
    former: tuple[x509.Certificate, ...] = ()
    cross: tuple[x509.Certificate, ...] = ()
    external: Signer | None = None

    @property
    def signer(self) -> Signer:
        """Who signs."""
        if self.external is not None:
            return self.external
        assert self.intermediate is not None, "an authority has an intermediate or an external signer"
        return LocalSigner(self.intermediate, self.above)

    @property
    def trusted(self) -> TrustBundle:
        """Every root to trust."""
        return TrustBundle(self.trust_domain, tuple(map(certificate.der, self.roots)))

    @property
    def bundle(self) -> bytes:
        """PEM of every root to trust."""
        return self.trusted.pem

    def issue(
        self,
        request: bytes,
        identity: SpiffeId,
        lifetime: timedelta,
        now: datetime,
        hosts: Sequence[str | IPv4Address | IPv6Address] = (),
    ) -> Issued:
        """A certificate of `identity` for the key of `request` (DER). Raises csr.InvalidRequest and NotSigned.

        `identity` must have been attested by the caller and be of this trust domain (ValueError: our bug). `hosts` are
        names and addresses for a server of the control plane itself; no peer ever chooses them. An external signer may take its
        time: call it in a thread.
        """
        if identity.trust_domain != self.trust_domain:
            raise ValueError(f"{identity} is not of the trust domain {self.trust_domain}")
        key = verified_key(request, str(identity))
        what = Leaf((x509.UniformResourceIdentifier(str(identity)), *map(_host, hosts)))
        made, *rest = self.signer.signed(request, key, what, lifetime, now)
        rest += [each for each in self.cross if hosts and each not in rest]
        _check_signed(made, key, what)
        return Issued(certificate.pem(made, *rest), self.bundle, made.not_valid_after_utc)

    def own(self, chain: bytes, now: datetime, grace: timedelta = timedelta(0)) -> x509.Certificate:
        """The leaf of a PEM `chain` that a root of this authority issued, expired since `grace` at most. Raises Untrusted.

        The intermediate comes from the chain, since it may be one that was replaced meanwhile.
        """
        leaf, *others = _certificates(chain) or (None,)
        if leaf is None or not others or len(others) > _LONGEST_CHAIN or certificate.is_authority(leaf):
            raise Untrusted("the chain must be a certificate and its intermediate")
        path = trusted_path(leaf, others, (*self.roots, *self.former))
        if len(path) < 3:
            raise Untrusted("the certificate was not issued by this mesh")
        _check_time(leaf, now, grace)
        return leaf


def _check_signed(made: x509.Certificate, key: PublicKey, what: Leaf) -> None:
    """Nobody gets a certificate that says anything but what was attested, whoever signed it."""
    try:
        names = tuple(made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, x509.UnsupportedGeneralNameType, ValueError):
        names = ()
    if set(names) != set(what.names) or len(names) != len(what.names):
        raise NotSigned("the signer gave a certificate of other names than it was asked for")
    if public_der(key) != public_der(made.public_key()):
        raise NotSigned("the signer gave a certificate for another key")
    if certificate.is_authority(made):
        raise NotSigned("the signer gave a certificate that may sign others")


def new_root(trust_domain: str, key: PrivateKey, now: datetime, life: timedelta = certificate.ROOT_LIFE) -> x509.Certificate:
    """The root certificate of a trust domain. All its roots have one name, as RFC 5280 has it for an authority that changes
    its key: then one that vouches for the next is no step of the path's length."""
    subject = certificate.name(f"{trust_domain} root", "weft")
    return certificate.root(key, subject, now, f"spiffe://{trust_domain}", life=life)


def new_intermediate(
    trust_domain: str, root: Issuer, now: datetime, life: timedelta = INTERMEDIATE_LIFE, kind: KeyType = KeyType.P256
) -> Issuer:
    """A new signing key with its certificate."""
    key = new_key(kind)
    subject = certificate.name(f"{trust_domain} intermediate", "weft")
    uri = f"spiffe://{trust_domain}"
    return Issuer(key, certificate.intermediate(key.public_key(), root, subject, life, now, uri))


def _host(host: str | IPv4Address | IPv6Address) -> x509.GeneralName:
    return x509.DNSName(host) if isinstance(host, str) else x509.IPAddress(host)


def _certificates(chain: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise Untrusted(f"not a chain of certificates: {error}") from error


def _check_time(leaf: x509.Certificate, now: datetime, grace: timedelta) -> None:
    if now < leaf.not_valid_before_utc:
        raise Untrusted("the certificate is not valid yet")
    if now > leaf.not_valid_after_utc + grace:
        raise Untrusted(f"the certificate expired at {leaf.not_valid_after_utc.isoformat()}, too long ago to renew it")
