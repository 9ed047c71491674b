"""The authority of the mesh: a root that is kept, an intermediate that signs, and the one function that issues.

The identity in a certificate is the one given to `issue`, never one read from the request. Nothing here reads a clock or
a file; `folder.py` does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from weft.ca import certificate
from weft.ca.certificate import Issuer, Leaf
from weft.ca.csr import new_key, verified_key
from weft.identity import SpiffeId
from weft.trust_bundle import TrustBundle

INTERMEDIATE_LIFE = timedelta(days=365)
SHORTEST, LONGEST = timedelta(seconds=10), timedelta(days=90)  # lifetimes an operator may choose for workloads


class Untrusted(Exception):
    """A certificate that this authority does not accept as its own, and why."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate: the PEM chain (leaf first, without the root), the PEM bundle of every root to trust, and its end."""

    chain: bytes
    bundle: bytes
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs for one trust domain. `roots` are all that peers trust; the first one signed the intermediate."""

    trust_domain: str
    intermediate: Issuer
    roots: tuple[x509.Certificate, ...]

    @property
    def trusted(self) -> TrustBundle:
        """Every root to trust."""
        return TrustBundle(self.trust_domain, tuple(root.public_bytes(Encoding.DER) for root in self.roots))

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
        hosts: Iterable[str | IPv4Address | IPv6Address] = (),
    ) -> Issued:
        """A certificate of `identity` for the key of `request` (DER). Raises csr.InvalidRequest.

        `identity` must have been attested by the caller and be of this trust domain (ValueError: our bug). `hosts` are
        names and addresses for a server of the control plane itself; no peer ever chooses them.
        """
        if identity.trust_domain != self.trust_domain:
            raise ValueError(f"{identity} is not of the trust domain {self.trust_domain}")
        key = verified_key(request, str(identity))
        names = (x509.UniformResourceIdentifier(str(identity)), *map(_host, hosts))
        made = certificate.leaf(key, Leaf(names), self.intermediate, lifetime, now)
        chain = certificate.pem(made, self.intermediate.certificate)
        return Issued(chain, self.bundle, made.not_valid_after_utc)

    def own(self, chain: bytes, now: datetime, grace: timedelta = timedelta(0)) -> x509.Certificate:
        """The leaf of a PEM `chain` that this authority's root issued, expired since `grace` at most. Raises Untrusted.

        The intermediate comes from the chain, since it may be one that was replaced meanwhile.
        """
        match _certificates(chain):
            case [leaf, signer]:
                _check_link(leaf, signer, self.roots)
                _check_time(leaf, now, grace)
                return leaf
        raise Untrusted("the chain must be a certificate and its intermediate")


def new_root(trust_domain: str, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """The root certificate of a trust domain."""
    subject = certificate.name(f"{trust_domain} root", "weft")
    return certificate.root(key, subject, now, f"spiffe://{trust_domain}")


def new_intermediate(trust_domain: str, root: Issuer, now: datetime) -> Issuer:
    """A new signing key with its certificate."""
    key = new_key()
    subject = certificate.name(f"{trust_domain} intermediate", "weft")
    uri = f"spiffe://{trust_domain}"
    return Issuer(key, certificate.intermediate(key.public_key(), root, subject, INTERMEDIATE_LIFE, now, uri))


def _host(host: str | IPv4Address | IPv6Address) -> x509.GeneralName:
    return x509.DNSName(host) if isinstance(host, str) else x509.IPAddress(host)


def _certificates(chain: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise Untrusted(f"not a chain of certificates: {error}") from error


def _check_link(leaf: x509.Certificate, signer: x509.Certificate, roots: Iterable[x509.Certificate]) -> None:
    if certificate.is_authority(leaf) or not certificate.is_authority(signer):
        raise Untrusted("the chain must be a certificate and its intermediate")
    if not _is_issued(leaf, signer) or not any(_is_issued(signer, root) for root in roots):
        raise Untrusted("the certificate was not issued by this mesh")


def _is_issued(by: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        by.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_time(leaf: x509.Certificate, now: datetime, grace: timedelta) -> None:
    if now < leaf.not_valid_before_utc:
        raise Untrusted("the certificate is not valid yet")
    if now > leaf.not_valid_after_utc + grace:
        raise Untrusted(f"the certificate expired at {leaf.not_valid_after_utc.isoformat()}, too long ago to renew it")
