"""The keys of nobody."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric import ec

from weft.model.authentication import NO_KEYS


def test_nobody_had_the_private_key() -> None:
    """Its point follows from words, so that it was never made from a private key."""
    (key,) = json.loads(NO_KEYS)["keys"]
    x = hashlib.sha256(b"weft: nobody has the key to this 0").digest()
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x02" + x).public_numbers()
    assert [key[of] for of in "xy"] == [
        base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode() for number in (point.x, point.y)
    ]
