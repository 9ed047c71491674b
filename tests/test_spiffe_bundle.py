"""The SPIFFE bundle document, and what is no bundle."""

import base64
import json

import pytest
from ca.authorities import authority
from cryptography.hazmat.primitives.asymmetric import ec
from spiffe import TrustDomain
from spiffe.bundle.jwt_bundle.jwt_bundle import JwtBundle

from weft import jwt
from weft.ca import csr
from weft.ca.authority import Authority
from weft.identity import SpiffeId
from weft.spiffe_bundle import SpiffeBundle, document, spiffe_bundle

OTHER: Authority = authority("other.example")
KEY = jwt.Key("k", ec.generate_private_key(ec.SECP256R1()).public_key(), "ES256")
BUNDLE = SpiffeBundle(OTHER.trusted, (KEY,), 7, 60)


def test_a_bundle_is_written_and_read_as_the_same_value() -> None:
    """Roots, token keys, sequence and hint; the official library reads the token keys too."""
    assert spiffe_bundle("other.example", document(BUNDLE)) == BUNDLE
    theirs = JwtBundle.parse(TrustDomain("other.example"), BUNDLE.jwks)
    assert theirs.jwt_authorities["k"].public_numbers() == KEY.public.public_numbers()


def test_pem_and_documents_of_others_are_read() -> None:
    """PEM certificates are a bundle without token keys; keys without a use, of other uses and without an id are passed over."""
    assert spiffe_bundle("other.example", OTHER.bundle).roots == OTHER.trusted
    said = json.loads(document(BUNDLE))
    said["keys"] += [
        KEY.jwk,
        KEY.jwk | {"use": "sig"},
        {"use": "jwt-svid", "kty": "EC"},
        KEY.jwk | {"use": "jwt-svid", "kid": ""},
        7,
    ]
    said["spiffe_refresh_hint"], said["spiffe_sequence"], said["more"] = "soon", -1, {}
    found = spiffe_bundle("other.example", json.dumps(said).encode())
    assert (found.roots, found.keys, found.sequence, found.hint) == (OTHER.trusted, (KEY,), 0, 300)


def _with(x5c: object) -> bytes:
    return json.dumps({"keys": [{"use": "x509-svid", "kty": "EC", "x5c": x5c}]}).encode()


def _leaf() -> bytes:
    """A certificate that is no authority's."""
    me, key = SpiffeId("other.example", "a", "b"), csr.new_key()
    from datetime import UTC, datetime, timedelta

    return OTHER.issue(csr.request(key, str(me)), me, timedelta(hours=1), datetime.now(UTC)).chain


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": {}}', b"[" * 100_000,
     _with([]), _with("MIIB"), _with(["!"]),
     _with([base64.b64encode(b"no").decode()]),
     _with([base64.b64encode(OTHER.trusted.roots[0]).decode()] * 2), _leaf(), b"-----BEGIN CERTIFICATE-----", b" " * (2 << 20)],
)  # fmt: skip
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    """No keys, no roots, more than one certificate to a key, broken ones, and one that is of no authority."""
    with pytest.raises(ValueError):
        spiffe_bundle("other.example", content)
