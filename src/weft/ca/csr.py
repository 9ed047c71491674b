"""Certificate signing requests (PKCS#10, RFC 2986): what an agent makes, and what an authority accepts of one.

A request proves that who sends it holds the key; it decides nothing else. The authority takes the public key out of it and
refuses a request that asks for any name but the attested identity, instead of dropping the name silently. This is the one
file that the agent shares with the authority, and it imports nothing of ours.
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

MAX_BYTES = 16 * 1024
MAX_RSA_BITS = 8192  # a larger key only costs the verifier time

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_CURVES = (ec.SECP256R1, ec.SECP384R1)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    x509.InvalidVersion,
)


class InvalidRequest(Exception):
    """A request that is not signed, and why."""


def new_key() -> ec.EllipticCurvePrivateKey:
    """A new P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey) -> bytes:
    """The private key as PKCS#8 PEM, not encrypted."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """The EC private key of `pem`. Raises ValueError for anything else."""
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic curve private key")
    return key


def request(key: PrivateKey, spiffe_id: str) -> bytes:
    """A request (DER) for a certificate of `spiffe_id`, signed with `key`."""
    name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(name, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def nameless_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A request (DER) of who does not know its identity: it is that of the evidence that goes with it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def verified_key(der: bytes, spiffe_id: str) -> PublicKey:
    """The public key of a request that may be signed for `spiffe_id`. Raises InvalidRequest.

    The request must be signed with its own key, the key one we accept (P-256, P-384, RSA from 2048 bits), and the only
    extension it may ask for is a subject alternative name that is exactly `spiffe_id`.
    """
    if len(der) > MAX_BYTES:
        raise InvalidRequest(f"the request has {len(der)} bytes; {MAX_BYTES} are allowed")
    try:
        read = x509.load_der_x509_csr(der)
        key = _accepted_key(read.public_key())
        signed = isinstance(read.signature_hash_algorithm, _HASHES) and read.is_signature_valid
        extensions = tuple(read.extensions)
    except _UNREADABLE as error:
        raise InvalidRequest(f"not a certificate signing request: {error}") from error
    if not signed:
        raise InvalidRequest("the request is not signed with its own key and SHA-2")
    for extension in extensions:
        _check_extension(extension, spiffe_id)
    return key


def public_der(key: CertificatePublicKeyTypes) -> bytes:
    """A public key's bytes: equal for equal keys."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def proof(key: ec.EllipticCurvePrivateKey, der: bytes) -> bytes:
    """The signature that binds the request `der` to who holds `key`: what a renewal carries."""
    return key.sign(der, ec.ECDSA(hashes.SHA256()))


def is_proven(certificate: x509.Certificate, der: bytes, signature: bytes) -> bool:
    """Whether `signature` over the request `der` was made with the key of `certificate`."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, der, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _accepted_key(key: object) -> PublicKey:
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, _CURVES):
            return key
        case rsa.RSAPublicKey() if 2048 <= key.key_size <= MAX_RSA_BITS:
            return key
    raise InvalidRequest("the key must be P-256, P-384, or RSA from 2048 bits")


def _check_extension(extension: x509.Extension[x509.ExtensionType], spiffe_id: str) -> None:
    match extension.value:
        case x509.SubjectAlternativeName() as names:
            if list(names) != [x509.UniformResourceIdentifier(spiffe_id)]:
                raise InvalidRequest("the request asks for other names than the attested identity")
        case _:
            raise InvalidRequest(f"the request asks for the extension {extension.oid.dotted_string}")
