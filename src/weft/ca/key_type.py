"""The kinds of keys that authorities and workloads may have: P-256 unless something else is asked for, P-384, or RSA."""

from enum import StrEnum

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from weft.ca.csr import MAX_RSA_BITS, PrivateKey

_CURVES = (ec.SECP256R1, ec.SECP384R1)


class KeyType(StrEnum):
    """As settings name them."""

    P256 = "ECDSA-P256"
    P384 = "ECDSA-P384"
    RSA2048 = "RSA-2048"
    RSA3072 = "RSA-3072"
    RSA4096 = "RSA-4096"


def key(of: KeyType) -> PrivateKey:
    """A new one. RSA takes a second or two."""
    match of:
        case KeyType.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.P384:
            return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(65537, int(of.value.removeprefix("RSA-")))


def authority_key(pem: bytes) -> PrivateKey:
    """The private key of an authority in `pem`. Raises ValueError for anything that may not sign: another curve, a short RSA
    key."""
    try:
        found = serialization.load_pem_private_key(pem, None)
    except TypeError as error:
        raise ValueError("the private key is encrypted") from error
    match found:
        case ec.EllipticCurvePrivateKey() if isinstance(found.curve, _CURVES):
            return found
        case rsa.RSAPrivateKey() if 2048 <= found.key_size <= MAX_RSA_BITS:
            return found
    raise ValueError("the private key of an authority is ECDSA P-256, P-384, or RSA from 2048 bits")
