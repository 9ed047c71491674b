"""The certificates we make, field by field (RFC 5280, and the SPIFFE X509-SVID profile for those of the mesh:
https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md).

Time is an argument. A certificate begins a little before it is made, since clocks differ, but never by so much that its
half-life would have passed already.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from weft.ca.csr import PrivateKey, PublicKey

ROOT_LIFE = timedelta(days=3652)
BACKDATED = timedelta(seconds=60)

SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH

_SIGNS_CERTIFICATES = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
_SIGNS_HANDSHAKES = x509.KeyUsage(True, False, False, False, False, False, False, False, False)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key that signs certificates, and the certificate that says so."""

    key: PrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a certificate of an end entity says. `names` are its subject alternative names."""

    names: tuple[x509.GeneralName, ...]
    usages: tuple[x509.ObjectIdentifier, ...] = (SERVER, CLIENT)
    subject: x509.Name = x509.Name([])


def name(common_name: str, *organizations: str) -> x509.Name:
    """A subject."""
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def root(
    key: PrivateKey,
    subject: x509.Name,
    now: datetime,
    uri: str = "",
    path_length: int = 1,
    life: timedelta = ROOT_LIFE,
) -> x509.Certificate:
    """A self-signed certificate, for ten years by default. `uri`: the trust domain's own SPIFFE ID."""
    builder = _builder(subject, subject, key.public_key(), now - BACKDATED, now + life)
    builder = _signing(builder, key.public_key(), path_length, uri)
    return builder.sign(key, hashes.SHA256())


def intermediate(
    public: PublicKey, issuer: Issuer, subject: x509.Name, lifetime: timedelta, now: datetime, uri: str = ""
) -> x509.Certificate:
    """A certificate that may sign leaves only, and ends no later than its issuer's."""
    end = min(now + lifetime, issuer.certificate.not_valid_after_utc)
    builder = _builder(subject, issuer.certificate.subject, public, now - BACKDATED, end)
    builder = _signing(builder, public, 0, uri).add_extension(_authority_key(issuer), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def intermediate_request(key: PrivateKey, trust_domain: str) -> bytes:
    """A request (PEM) for an intermediate of a trust domain, which says what it is to be."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")])
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name(f"{trust_domain} intermediate", "weft"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS_CERTIFICATES, critical=True)
        .add_extension(names, critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def cross(certified: x509.Certificate, issuer: Issuer, now: datetime) -> x509.Certificate:
    """The authority `certified`, vouched for by another root: who trusts only that one can follow the way too. It says of
    itself what `certified` says, and ends with the first of both (RFC 4210, 4.4: new with old)."""
    end = min(certified.not_valid_after_utc, issuer.certificate.not_valid_after_utc)
    public = certified.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise ValueError("the key of the certificate is neither EC nor RSA")
    builder = _builder(certified.subject, issuer.certificate.subject, public, now - BACKDATED, end)
    for each in certified.extensions:
        if not isinstance(each.value, x509.AuthorityKeyIdentifier):
            builder = builder.add_extension(each.value, each.critical)
    return builder.add_extension(_authority_key(issuer), critical=False).sign(issuer.key, hashes.SHA256())


def leaf(public: PublicKey, what: Leaf, issuer: Issuer, lifetime: timedelta, now: datetime) -> x509.Certificate:
    """A certificate of an end entity, that ends no later than its issuer's."""
    begin = max(now - min(BACKDATED, lifetime / 10), issuer.certificate.not_valid_before_utc)
    end = min(now + lifetime, issuer.certificate.not_valid_after_utc)
    builder = _builder(what.subject, issuer.certificate.subject, public, begin, end)
    if what.names:
        nameless = not what.subject.rdns  # RFC 5280 4.2.1.6: then the alternative name is critical
        builder = builder.add_extension(x509.SubjectAlternativeName(what.names), critical=nameless)
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNS_HANDSHAKES, critical=True)
        .add_extension(x509.ExtendedKeyUsage(what.usages), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(_authority_key(issuer), critical=False)
    )
    return builder.sign(issuer.key, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    """The certificates, one after the other."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def der(certificate: x509.Certificate) -> bytes:
    """The certificate as it stands on the wire."""
    return certificate.public_bytes(serialization.Encoding.DER)


def distinct(certificates: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The certificates in their order, each once."""
    return tuple(dict.fromkeys(certificates))


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign other certificates."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension):
        return False


def uris(certificate: x509.Certificate) -> Sequence[str]:
    """The URIs among its subject alternative names."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ()
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _builder(subject: x509.Name, issuer: x509.Name, public: PublicKey, begin: datetime, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())  # 159 random bits
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _signing(builder: x509.CertificateBuilder, public: PublicKey, path_length: int, uri: str) -> x509.CertificateBuilder:
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_SIGNS_CERTIFICATES, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if uri:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        builder = builder.add_extension(names, critical=False)
    return builder


def _authority_key(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    try:
        identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:  # an operator's own
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
