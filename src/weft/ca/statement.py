"""Statements that the authority signs: a text, a signature of it, and the chain of the key that made it.

Each statement has a key of its own, whose certificate says that it signs documents (RFC 9336) and nothing else: no workload is
ever given such a certificate, and a proxy takes none for a caller's. What was signed can be checked as long as the root is known,
with openssl as well as here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from weft.ca import certificate
from weft.ca.authority import Authority, NotSigned, Untrusted
from weft.ca.certificate import Leaf
from weft.ca.proof import trusted_path

DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
_LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Signed:
    """`signature` is ECDSA with SHA-256 over the text, in DER; `chain` is PEM, the signer first, without the root."""

    signature: bytes
    chain: bytes


def signed(authority: Authority, text: bytes, now: datetime) -> Signed:
    """The signature of a text, by a key that is made for it and forgotten. Raises NotSigned where the authority is elsewhere:
    what it signs is for handshakes."""
    if authority.intermediate is None:
        raise NotSigned("an authority that is elsewhere signs no statements")
    key = ec.generate_private_key(ec.SECP256R1())
    names = (x509.UniformResourceIdentifier(f"spiffe://{authority.trust_domain}/statement"),)
    signer = certificate.leaf(key.public_key(), Leaf(names, (DOCUMENT_SIGNING,)), authority.intermediate, _LIFE, now)
    chain = certificate.pem(signer, authority.intermediate.certificate, *authority.above)
    return Signed(key.sign(text, ec.ECDSA(hashes.SHA256())), chain)


def check(text: bytes, said: Signed, roots: Sequence[x509.Certificate], issued: datetime) -> None:
    """Raises Untrusted when the text was not signed at `issued`, as it says itself, by an authority below one of `roots`."""
    try:
        leaf, *others = x509.load_pem_x509_certificates(said.chain)
    except ValueError:
        raise Untrusted("the chain must be certificates, the signer's first") from None
    if certificate.is_authority(leaf) or len(trusted_path(leaf, others, tuple(roots))) < 3:
        raise Untrusted("the certificate was not issued by this mesh")
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usages = x509.ExtendedKeyUsage([])
    public = leaf.public_key()
    if list(usages) != [DOCUMENT_SIGNING] or not isinstance(public, ec.EllipticCurvePublicKey):
        raise Untrusted("the certificate is not one that signs statements")
    if not leaf.not_valid_before_utc <= issued <= leaf.not_valid_after_utc:
        raise Untrusted("the statement was not made while the certificate was valid")
    try:
        public.verify(said.signature, text, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Untrusted("the text is not the one that was signed") from None
