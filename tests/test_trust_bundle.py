"""The trust bundle: one value for all who are told whom to trust."""

import pytest
from ca.authorities import authority
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from weft.trust_bundle import TrustBundle, trust_bundle

ROOTS = tuple(authority().roots[0] for _ in range(2))
DERS = tuple(root.public_bytes(Encoding.DER) for root in ROOTS)


def test_several_roots_are_written_and_read_in_their_order() -> None:
    """What one part writes as PEM, another reads as the same value, and cryptography's own reader agrees."""
    bundle = TrustBundle("cluster.local", DERS)
    assert trust_bundle("cluster.local", bundle.pem) == bundle
    assert tuple(x509.load_pem_x509_certificates(bundle.pem)) == ROOTS
    assert bundle.fingerprints == tuple(root.fingerprint(SHA256()).hex() for root in ROOTS)


def test_a_root_that_stands_twice_is_one() -> None:
    """And text between certificates means nothing."""
    bundle = TrustBundle("cluster.local", DERS)
    assert trust_bundle("cluster.local", b"# the first\n" + bundle.pem + b"\n" + bundle.pem) == bundle


def test_nothing_is_no_bundle() -> None:
    """An empty bundle would trust nobody, a broken one who knows whom."""
    for broken in (b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(ValueError):
            trust_bundle("cluster.local", broken)
