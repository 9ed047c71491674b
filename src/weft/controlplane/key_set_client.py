"""Asks an issuer for the keys its tokens are signed with.

A key set (RFC 7517) is answered at the address itself, or an OpenID configuration that says where one is. What is not a public
key, and is there by mistake, is left behind. https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
"""

import json
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

_LARGEST = 1 << 20  # bytes of an answer
_REDIRECTS = 3
_CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


class Unfetched(Exception):
    """The keys were not to be had; says why."""


def trusted(authorities: str) -> ssl.SSLContext:
    """The system's roots, and those in the file `authorities`, unless it is empty. Raises OSError."""
    made = ssl.create_default_context()
    if authorities:
        made.load_verify_locations(authorities)
    return made


@dataclass(frozen=True, slots=True)
class Fetched:
    """A key set, and what an OpenID configuration beside it said of where to sign in, to get tokens and to end a session."""

    jwks: str
    authorization: str = ""
    token: str = ""
    end: str = ""


async def key_set(at: str, patience: float, trust: ssl.SSLContext, issuers: frozenset[str] = frozenset()) -> Fetched:
    """The key set at `at`, in one spelling whatever the order of its keys. `patience` is in seconds, for all of it. An OpenID
    configuration must be of one of `issuers`. Raises Unfetched."""
    limits: dict[str, Any] = {"timeout": patience, "follow_redirects": True, "max_redirects": _REDIRECTS}
    async with httpx.AsyncClient(trust_env=False, verify=trust, **limits) as client:
        said = await _document(client, at)
        if "keys" not in said and "jwks_uri" in said:
            if said.get("issuer") not in issuers:
                raise Unfetched(f"it is the OpenID configuration of {str(said.get('issuer'))[:200]!r}, another issuer")
            keys = await _document(client, str(said["jwks_uri"]))
            ends = ("authorization_endpoint", "token_endpoint", "end_session_endpoint")
            return Fetched(_public(keys), *(_address(said.get(name)) for name in ends))
    return Fetched(_public(said))


def _address(of: Any) -> str:
    parts = urlsplit(of) if isinstance(of, str) else None
    return str(of) if parts and parts.scheme in ("http", "https") and parts.hostname else ""


async def _document(client: httpx.AsyncClient, at: str) -> Mapping[str, Any]:
    try:
        said = json.loads(await _text(client, at))
    except httpx.TimeoutException:
        raise Unfetched(f"no answer within {client.timeout.read:g} s") from None
    except httpx.InvalidURL as problem:
        raise Unfetched(str(problem)) from None
    except httpx.HTTPError as problem:
        raise Unfetched(f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__) from None
    except ValueError as problem:
        raise Unfetched(f"the answer is not JSON: {problem}") from None
    if not isinstance(said, dict):
        raise Unfetched("the answer is no JSON object")
    return said


async def _text(client: httpx.AsyncClient, at: str) -> bytes:
    text = bytearray()
    async with client.stream("GET", at, headers={"accept": "application/json"}) as response:
        if response.status_code != httpx.codes.OK:
            raise Unfetched(f"the answer is {response.status_code} {response.reason_phrase}".rstrip())
        async for piece in response.aiter_bytes():
            text += piece
            if len(text) > _LARGEST:
                raise Unfetched(f"the answer is larger than {_LARGEST >> 20} MiB")
    return bytes(text)


def _public(said: Mapping[str, Any]) -> str:
    listed = said.get("keys")
    if not isinstance(listed, list):
        raise Unfetched("there are no keys in the answer")
    keys = [
        {name: value for name, value in sorted(one.items()) if name not in _PRIVATE}
        for one in listed
        if isinstance(one, dict) and _is_usable(one)
    ]
    if not keys:
        raise Unfetched("there is no key in the answer that Envoy could use (RSA, or EC on P-256, P-384 or P-521, or Ed25519)")
    return json.dumps({"keys": sorted(keys, key=json.dumps)}, separators=(",", ":"))


def _is_usable(key: Mapping[str, Any]) -> bool:
    """Whether it is a public key; one broken key must not cost the others."""
    try:
        match key.get("kty"):
            case "RSA":
                rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
            case "EC":
                ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), _CURVES[key["crv"]]).public_key()
            case "OKP":
                ed25519.Ed25519PublicKey.from_public_bytes(_bytes(key["x"]))
                return bool(key["crv"] == "Ed25519")
            case _:
                return False
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return True


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text), "big")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
