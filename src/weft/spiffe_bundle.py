"""The bundle of a trust domain as others read it: a JSON Web Key Set of its roots and token keys, a sequence and a refresh hint.

https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from weft import jwt
from weft.trust_bundle import TrustBundle, trust_bundle

X509, JWT = "x509-svid", "jwt-svid"
LARGEST = 1 << 20  # bytes of a document
HINT = 300  # seconds, when a document gives none


@dataclass(frozen=True, slots=True)
class SpiffeBundle:
    """Whom to trust of one trust domain. `sequence` grows with each change, 0: not said; `hint`: seconds until it is looked at
    again."""

    roots: TrustBundle
    keys: tuple[jwt.Key, ...] = ()
    sequence: int = 0
    hint: int = HINT

    @property
    def jwks(self) -> bytes:
        """The token keys alone, as a key set."""
        return json.dumps(jwt.key_set(self.keys, JWT), separators=(",", ":")).encode()


def document(of: SpiffeBundle) -> bytes:
    """The bundle in JSON."""
    roots = [_root(der) for der in of.roots.roots]
    said: dict[str, Any] = {"keys": [*roots, *jwt.key_set(of.keys, JWT)["keys"]], "spiffe_refresh_hint": of.hint}
    if of.sequence:
        said["spiffe_sequence"] = of.sequence
    return json.dumps(said, separators=(",", ":")).encode()


def spiffe_bundle(trust_domain: str, content: bytes) -> SpiffeBundle:
    """The bundle written in `content`: a document, or PEM certificates. Keys for other uses are passed over, as the standard
    says. Raises ValueError for what is neither, and for a bundle without a root."""
    if len(content) > LARGEST:
        raise ValueError("a bundle of more than 1 MiB")
    if b"-----BEGIN" in content:
        return SpiffeBundle(_checked(trust_bundle(trust_domain, content)))
    try:
        said = json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"neither JSON nor PEM: {problem}") from problem
    if not isinstance(said, Mapping) or not isinstance(said.get("keys"), list):
        raise ValueError("a bundle is an object with a list «keys»")
    roots = [root for each in said["keys"] if isinstance(each, Mapping) and each.get("use") == X509 for root in _roots(each)]
    if not roots:
        raise ValueError(f"there is no key for {X509} in it")
    keys = tuple(key for key in jwt.keys(said, (JWT,)) if key.kid)
    return SpiffeBundle(
        _checked(TrustBundle(trust_domain, tuple(dict.fromkeys(roots)))),
        keys,
        _whole(said.get("spiffe_sequence"), 0),
        _whole(said.get("spiffe_refresh_hint"), HINT),
    )


def _root(der: bytes) -> dict[str, Any]:
    public = x509.load_der_x509_certificate(der).public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise ValueError("a root's key is RSA or on a curve")
    told: dict[str, Any] = {**jwt.Key("", public).jwk, "use": X509, "x5c": [base64.b64encode(der).decode()]}
    del told["kid"]  # of a root the standard wants none
    return told


def _roots(key: Mapping[str, Any]) -> tuple[bytes, ...]:
    match key.get("x5c"):
        case [str() as one]:
            try:
                return (base64.b64decode(one, validate=True),)
            except binascii.Error as problem:
                raise ValueError(f"a root is not base64: {problem}") from problem
    raise ValueError(f"a key for {X509} holds its one certificate in x5c")


def _checked(of: TrustBundle) -> TrustBundle:
    for root in of.roots:
        found = x509.load_der_x509_certificate(root)
        try:
            signs = found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            signs = False
        if not signs or found.public_bytes(Encoding.DER) != root:
            raise ValueError("a certificate of the bundle is not one of an authority")
    return of


def _whole(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else otherwise
