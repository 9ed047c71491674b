"""JSON Web Tokens that are signed with public-key algorithms, and the keys that they are checked with: RFC 7515, 7517, 7518,
7519.

An algorithm is accepted only when the key itself says it, or is of its kind: the token's header never chooses how a key is used.
`none` and the algorithms with a shared secret do not exist here. Nothing reads a clock.
"""

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

LONGEST = 16 * 1024  # characters of a token
MOST_KEYS = 100
MAX_RSA_BITS = 8192
LEEWAY = 60.0  # seconds by which clocks of two machines may differ

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_HASHES: Mapping[str, type[hashes.SHA256] | type[hashes.SHA384] | type[hashes.SHA512]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
_CURVES: Mapping[str, tuple[type[ec.EllipticCurve], str, int]] = {  # by the curve's name in a key: class, algorithm, bytes
    "P-256": (ec.SECP256R1, "ES256", 32),
    "P-384": (ec.SECP384R1, "ES384", 48),
    "P-521": (ec.SECP521R1, "ES512", 66),
}
_OF_CURVE: Mapping[str, tuple[str, str, int]] = {  # by the curve's name in the library: name in a key, algorithm, bytes
    str(curve.name): (name, algorithm, size) for name, (curve, algorithm, size) in _CURVES.items()
}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


class InvalidToken(Exception):
    """A token that is not accepted, and why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of an issuer. `algorithm` is what it is used with; empty: any of its kind."""

    kid: str
    public: PublicKey
    algorithm: str = ""

    @property
    def jwk(self) -> dict[str, str]:
        """As it stands in a key set, without `use`."""
        found = _jwk(self.public) | {"kid": self.kid}
        return found | ({"alg": self.algorithm} if self.algorithm else {})


def thumbprint(public: PublicKey) -> str:
    """A name for a key that is made of the key (RFC 7638)."""
    canonical = json.dumps(_jwk(public), sort_keys=True, separators=(",", ":"))
    return _encoded(hashlib.sha256(canonical.encode()).digest())


def key_set(keys: Iterable[Key], use: str = "") -> dict[str, Any]:
    """The keys as a JSON Web Key Set."""
    return {"keys": [{**key.jwk, **({"use": use} if use else {})} for key in keys]}


def keys(document: Any, use: Collection[str] = ("", "sig")) -> tuple[Key, ...]:
    """The keys of a key set that are for one of `use`. One that is of no known kind is left out, as the standard says. Raises
    ValueError for what is no key set."""
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise ValueError(f"a key set is an object with a list «keys» of at most {MOST_KEYS}")
    found = (_key(each) for each in listed if isinstance(each, Mapping) and each.get("use", "") in use)
    return tuple(key for key in found if key is not None)


def signed(claims: Mapping[str, Any], kid: str, key: ec.EllipticCurvePrivateKey) -> str:
    """A token of `claims`, signed with a key on a curve."""
    _, algorithm, size = _OF_CURVE[key.curve.name]
    header = {"alg": algorithm, "kid": kid, "typ": "JWT"}
    content = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    r, s = decode_dss_signature(key.sign(content.encode(), ec.ECDSA(_HASHES[algorithm[2:]]())))
    return f"{content}.{_encoded(r.to_bytes(size, 'big') + s.to_bytes(size, 'big'))}"


def unverified(token: str) -> dict[str, Any]:
    """The claims of a token, whoever wrote them: to find the keys that it must be checked with. Raises InvalidToken."""
    _, claims, _, _ = _parts(token)
    return claims


def verified(token: str, trusted: Iterable[Key], audiences: Collection[str], now: float) -> dict[str, Any]:
    """The claims of a token that one of `trusted` signed, for one of `audiences`, that holds at `now` (Unix seconds). Raises
    InvalidToken."""
    header, claims, content, signature = _parts(token)
    kid, algorithm = header.get("kid", ""), str(header.get("alg", ""))
    if header.get("typ", "JWT") not in ("JWT", "JOSE") or "crit" in header:
        raise InvalidToken("the token's header says what is not known here")
    fitting = [key for key in trusted if (not kid or key.kid == kid) and _fits(key, algorithm)]
    if not fitting:
        raise InvalidToken(f"there is no key {str(kid)[:100]!r} for the algorithm {algorithm[:20]!r}")
    if not any(_is_signed(content, signature, key.public, algorithm) for key in fitting):
        raise InvalidToken("the signature is not of a trusted key")
    _check_times(claims, now)
    if not set(audience(claims)) & set(audiences):
        raise InvalidToken("the token is for another audience")
    return claims


def audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Whom a token is for."""
    match claims.get("aud"):
        case str() as one:
            return (one,)
        case list() as several:
            return tuple(each for each in several if isinstance(each, str))
    return ()


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    ends = _number(claims.get("exp"))
    if ends is None:
        raise InvalidToken("the token does not say when it ends")
    if now >= ends:
        raise InvalidToken("the token expired")
    for name in ("nbf", "iat"):
        begins = _number(claims.get(name, now))
        if begins is None or begins > now + LEEWAY:
            raise InvalidToken("the token does not hold yet")


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    if len(token) > LONGEST:
        raise InvalidToken("the token is too long")
    try:
        header, claims, signature = token.split(".")
        found = [json.loads(_decoded(part)) for part in (header, claims)]
        if not all(isinstance(part, dict) for part in found):
            raise ValueError("no object")
        return found[0], found[1], f"{header}.{claims}".encode("ascii"), _decoded(signature)
    except (ValueError, RecursionError) as error:
        raise InvalidToken("this is no signed token") from error


def _fits(key: Key, algorithm: str) -> bool:
    if key.algorithm and key.algorithm != algorithm:
        return False
    if isinstance(key.public, rsa.RSAPublicKey):
        return algorithm in _RSA
    return _OF_CURVE.get(key.public.curve.name, ("", "", 0))[1] == algorithm


def _is_signed(content: bytes, signature: bytes, key: PublicKey, algorithm: str) -> bool:
    method = _HASHES[algorithm[2:]]()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, content, _padding(algorithm, method), method)
            return True
        size = _OF_CURVE[key.curve.name][2]
        if len(signature) != 2 * size:
            return False
        pair = (int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
        key.verify(encode_dss_signature(*pair), content, ec.ECDSA(method))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _padding(algorithm: str, method: hashes.HashAlgorithm) -> padding.AsymmetricPadding:
    if algorithm.startswith("PS"):
        return padding.PSS(padding.MGF1(method), padding.PSS.DIGEST_LENGTH)
    return padding.PKCS1v15()


def _key(of: Mapping[str, Any]) -> Key | None:
    kid, algorithm = of.get("kid", ""), of.get("alg", "")
    if not isinstance(kid, str) or not isinstance(algorithm, str):
        return None
    try:
        public = _public(of)
    except (ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm):
        return None
    return Key(kid, public, algorithm) if public is not None else None


def _public(of: Mapping[str, Any]) -> PublicKey | None:
    match of.get("kty"):
        case "EC" if of.get("crv") in _CURVES:
            curve, _, _ = _CURVES[of["crv"]]
            return ec.EllipticCurvePublicNumbers(_integer(of["x"]), _integer(of["y"]), curve()).public_key()
        case "RSA":
            modulus = _integer(of["n"])
            if 2048 <= modulus.bit_length() <= MAX_RSA_BITS:
                return rsa.RSAPublicNumbers(_integer(of["e"]), modulus).public_key()
    return None


def _jwk(public: PublicKey) -> dict[str, str]:
    if isinstance(public, rsa.RSAPublicKey):
        of = public.public_numbers()
        return {"kty": "RSA", "e": _of_integer(of.e), "n": _of_integer(of.n)}
    name, _, size = _OF_CURVE[public.curve.name]
    point = public.public_numbers()
    return {"kty": "EC", "crv": name, "x": _of_integer(point.x, size), "y": _of_integer(point.y, size)}


def _integer(text: str) -> int:
    return int.from_bytes(_decoded(text), "big")


def _of_integer(value: int, size: int = 0) -> str:
    return _encoded(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error
