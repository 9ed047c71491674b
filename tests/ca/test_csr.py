"""Certificate signing requests, honest and hostile."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from weft.ca import certificate, csr
from weft.ca.csr import InvalidRequest, verified_key

ID = "spiffe://cluster.local/ns/default/sa/reviews"
OTHER = "spiffe://cluster.local/ns/default/sa/ratings"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def request(key: Key, *extensions: x509.ExtensionType, subject: str = "", hash_: hashes.HashAlgorithm | None = None) -> bytes:
    """A request with any extensions."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hash_ or hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


def names(*values: x509.GeneralName) -> x509.SubjectAlternativeName:
    """A subject alternative name extension."""
    return x509.SubjectAlternativeName(values)


def test_the_agents_own_request_is_accepted() -> None:
    """What `request` makes, `verified_key` takes, and the key is the one that signed it."""
    key = csr.new_key()
    assert verified_key(csr.request(key, ID), ID) == key.public_key()
    assert csr.private_key(csr.key_pem(key)).public_key() == key.public_key()


def test_a_request_without_names_is_accepted() -> None:
    """The name comes from the attestation."""
    key = csr.new_key()
    assert verified_key(request(key), ID) == key.public_key()


@pytest.mark.parametrize(
    "extension",
    [
        names(x509.UniformResourceIdentifier(OTHER)),
        names(x509.UniformResourceIdentifier(ID), x509.UniformResourceIdentifier(OTHER)),
        names(x509.UniformResourceIdentifier(ID), x509.DNSName("reviews")),
        names(x509.DNSName("weft.local")),
        names(),
        x509.BasicConstraints(ca=True, path_length=None),
        x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CODE_SIGNING]),
    ],
    ids=["another identity", "two identities", "a host too", "a host", "no name", "to be an authority", "another usage"],
)
def test_a_request_for_anything_but_the_attested_name_is_refused(extension: x509.ExtensionType) -> None:
    """It is refused, not signed without what it asked for."""
    with pytest.raises(InvalidRequest):
        verified_key(request(csr.new_key(), extension), ID)


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)],
    ids=["P-384", "RSA-2048"],
)
def test_other_good_keys_are_accepted(key: Key) -> None:
    """P-384 and RSA from 2048 bits."""
    verified_key(request(key), ID)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP521R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.SECP224R1()),
        rsa.generate_private_key(65537, 1024),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-521", "secp256k1", "P-224", "RSA-1024", "Ed25519"],
)
def test_other_keys_are_refused(key: Key) -> None:
    """There is one short list of keys."""
    with pytest.raises(InvalidRequest, match="the key must be"):
        verified_key(request(key), ID)


def test_a_request_signed_by_another_key_is_refused() -> None:
    """Who sends it must hold the key."""
    mine, theirs = request(csr.new_key()), request(csr.new_key())
    forged = mine.replace(_point(mine), _point(theirs))
    assert forged != mine
    with pytest.raises(InvalidRequest, match="not signed with its own key"):
        verified_key(forged, ID)


def _point(der: bytes) -> bytes:
    return (
        x509.load_der_x509_csr(der)
        .public_key()
        .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )


def test_an_oversized_request_is_refused_unread() -> None:
    """16 KiB are plenty."""
    with pytest.raises(InvalidRequest, match="16385 bytes"):
        verified_key(b"\0" * 16385, ID)


def test_a_proof_holds_for_its_key_and_its_request_only() -> None:
    """A renewal is bound to who held the expired certificate's key."""
    key, der = csr.new_key(), csr.request(csr.new_key(), ID)
    holder = certificate.root(key, certificate.name("x"), datetime.now(UTC))
    assert csr.is_proven(holder, der, csr.proof(key, der))
    assert not csr.is_proven(holder, der + b"\0", csr.proof(key, der))
    assert not csr.is_proven(holder, der, csr.proof(csr.new_key(), der))
    assert not csr.is_proven(holder, der, b"")
