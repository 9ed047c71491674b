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
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from weft.ca.csr import PublicKey

ROOT_LIFE = timedelta(days=3652)
BACKDATED = timedelta(seconds=60)

SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH

_SIGNS_CERTIFICATES = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
_SIGNS_HANDSHAKES = x509.KeyUsage(True, False, False, False, False, False, False, False, False)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key that signs certificates, and the certificate that says so."""

    key: ec.EllipticCurvePrivateKey
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
    key: ec.EllipticCurvePrivateKey, subject: x509.Name, now: datetime, uri: str = "", path_length: int = 1
) -> x509.Certificate:
    """A self-signed certificate for ten years. `uri`: the trust domain's own SPIFFE ID."""
    builder = _builder(subject, subject, key.public_key(), now - BACKDATED, now + ROOT_LIFE)
    builder = _signing(builder, key.public_key(), path_length, uri)
    return builder.sign(key, hashes.SHA256())


def intermediate(
    public: ec.EllipticCurvePublicKey, issuer: Issuer, subject: x509.Name, lifetime: timedelta, now: datetime, uri: str = ""
) -> x509.Certificate:
    """A certificate that may sign leaves only, and ends no later than its issuer's."""
    end = min(now + lifetime, issuer.certificate.not_valid_after_utc)
    builder = _builder(subject, issuer.certificate.subject, public, now - BACKDATED, end)
    builder = _signing(builder, public, 0, uri).add_extension(_authority_key(issuer), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


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
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
