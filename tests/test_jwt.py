"""JSON Web Tokens, against the official library's own parser and every way in which a token may lie."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from weft import jwt

NOW = 1_800_000_000.0
CURVES = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
KEY = ec.generate_private_key(CURVES[0])
RSA = rsa.generate_private_key(65537, 2048)
OWN = jwt.Key("one", KEY.public_key(), "ES256")
OF_RSA = jwt.Key("two", RSA.public_key())


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, changed; None leaves one out."""
    said = {"sub": "me", "aud": ["you"], "exp": NOW + 60, "iat": NOW} | changes
    return {name: value for name, value in said.items() if value is not None}


def forged(header: dict[str, Any], body: dict[str, Any], signature: bytes = b"") -> str:
    """A token as its forger likes it."""
    parts = (json.dumps(header).encode(), json.dumps(body).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_a_token_is_read_by_others_and_by_us(curve: ec.EllipticCurve) -> None:
    """A token of each curve is valid for another implementation, with the key as it stands in the key set."""
    key = ec.generate_private_key(curve)
    public = jwt.Key("k", key.public_key())
    token = jwt.signed(claims(), "k", key)
    assert jwt.verified(token, (public,), ("you",), NOW) == claims()
    theirs = pyjwt.PyJWK(public.jwk).key
    options = {"verify_exp": False, "verify_iat": False}
    assert pyjwt.decode(token, theirs, ["ES256", "ES384", "ES512"], audience="you", options=options) == claims()
    assert jwt.keys(jwt.key_set((public,), "jwt-svid"), ("jwt-svid",)) == (public,)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_a_token_of_an_rsa_key_is_checked(algorithm: str) -> None:
    """What another implementation signs with RSA is accepted, and not with one byte changed."""
    pem = RSA.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    token = pyjwt.encode(claims(), pem, algorithm, headers={"kid": "two"})
    (read,) = jwt.keys({"keys": [OF_RSA.jwk]})
    assert jwt.verified(token, (OWN, read), ("you", "they"), NOW) == claims()
    head, body, signature = token.split(".")
    with pytest.raises(jwt.InvalidToken, match="signature"):
        jwt.verified(f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}", (read,), ("you",), NOW)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"exp": NOW}, "expired"),
        ({"exp": None}, "when it ends"),
        ({"exp": "9999999999"}, "when it ends"),
        ({"exp": float("nan")}, "when it ends"),
        ({"exp": float("inf")}, "when it ends"),
        ({"exp": True}, "when it ends"),
        ({"nbf": NOW + 120}, "not hold yet"),
        ({"iat": NOW + 120}, "not hold yet"),
        ({"aud": ["they"]}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"aud": {"you": 1}}, "another audience"),
    ],
)
def test_a_signed_token_that_does_not_hold_is_refused(said: dict[str, Any], why: str) -> None:
    """A good signature does not help what is over, not begun, without end, or for somebody else."""
    with pytest.raises(jwt.InvalidToken, match=why):
        jwt.verified(jwt.signed(claims(**said), "one", KEY), (OWN,), ("you",), NOW)


def _shared_secret() -> str:
    """The public key taken for a shared secret (the RS256/HS256 confusion)."""
    secret = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    unsigned = forged({"alg": "HS256", "kid": "two"}, claims()).rpartition(".")[0]
    mac = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "token",
    [
        forged({"alg": "none"}, claims()),
        forged({"alg": "None", "kid": "one"}, claims()),
        forged({"alg": "ES256", "kid": "one"}, claims()),
        forged({"alg": "ES256", "kid": "one"}, claims(), bytes(64)),
        forged({"alg": "RS256", "kid": "one"}, claims(), b"x" * 256),
        forged({"alg": "ES384", "kid": "one"}, claims(), b"x" * 96),
        _shared_secret(),
        jwt.signed(claims(), "unknown", KEY),
        jwt.signed(claims(), "one", ec.generate_private_key(CURVES[0])),
        forged({"alg": "ES256", "kid": "one", "crit": ["exp"]}, claims(), b"x" * 64),
        forged({"alg": ["ES256"], "kid": ["one"]}, claims(), b"x" * 64),
        "",
        "a.b",
        "a.b.c",
        "e30.e30.e30.e30",
        "W10.W10.e30",
        "é.é.é",
        "[" * 20_000,
        "x" * 20_000,
        f"{base64.urlsafe_b64encode(b'[' * 9000).decode()}.e30.e30",
    ],
)
def test_a_token_that_nobody_trusted_signed_is_refused(token: str) -> None:
    """No algorithm, another one, a wrong key and what is no token at all come to the same."""
    with pytest.raises(jwt.InvalidToken):
        jwt.verified(token, (OWN, OF_RSA), ("you",), NOW)


def test_a_key_set_leaves_out_what_it_does_not_know() -> None:
    """Keys of other kinds, for other uses, too small or broken are passed over; what is no key set is an error."""
    small = {"kty": "RSA", "kid": "s", "e": "AQAB", "n": base64.urlsafe_b64encode(b"\xff" * 64).decode()}
    broken = OWN.jwk | {"x": "AAAA"}
    others = [small, broken, {"kty": "oct", "k": "AAAA"}, {"kty": "OKP"}, OWN.jwk | {"use": "enc"}, OWN.jwk | {"kid": 3}, 7]
    assert jwt.keys({"keys": [*others, OWN.jwk]}) == (OWN,)
    for wrong in ({}, [], {"keys": {}}, {"keys": [{}] * 101}, None):
        with pytest.raises(ValueError):
            jwt.keys(wrong)
