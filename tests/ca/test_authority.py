"""What an authority issues, and what it takes for its own."""

from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.verification import PolicyBuilder, Store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.ca import certificate, csr
from weft.ca.attestation import control_plane_identity, node_identity
from weft.ca.authority import Authority, Untrusted
from weft.ca.certificate import Issuer, Leaf
from weft.ca.csr import InvalidRequest
from weft.identity import SpiffeId

from .authorities import NOW, authority
from .test_csr import request as any_request

REVIEWS = SpiffeId("cluster.local", "default", "reviews")
HOUR = timedelta(hours=1)
OURS = authority()


def leaf(chain: bytes) -> x509.Certificate:
    """The first certificate of a chain."""
    return x509.load_pem_x509_certificates(chain)[0]


def test_a_certificate_carries_the_attested_identity_and_nothing_else() -> None:
    """An SVID: one URI, no subject, for handshakes of clients and servers, no authority."""
    key = csr.new_key()
    issued = OURS.issue(any_request(key, subject="admin"), REVIEWS, HOUR, NOW)
    made = leaf(issued.chain)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert list(names.value) == [x509.UniformResourceIdentifier(str(REVIEWS))] and names.critical
    assert made.public_key() == key.public_key() and not made.subject.rdns and not certificate.is_authority(made)
    usages = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {certificate.SERVER, certificate.CLIENT}
    assert made.serial_number.bit_length() > 128


def test_a_certificate_begins_a_little_early_and_ends_on_time() -> None:
    """Clocks differ; but half of a short life is never over at its beginning."""
    made = leaf(OURS.issue(any_request(csr.new_key()), REVIEWS, HOUR, NOW).chain)
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (NOW - timedelta(seconds=60), NOW + HOUR)
    short = leaf(OURS.issue(any_request(csr.new_key()), REVIEWS, timedelta(minutes=1), NOW + HOUR).chain)
    assert short.not_valid_before_utc == NOW + HOUR - timedelta(seconds=6)


def test_a_certificate_never_outlives_its_issuer() -> None:
    """The chain would be broken before the certificate ends."""
    issued = OURS.issue(any_request(csr.new_key()), REVIEWS, timedelta(days=400), NOW)
    assert issued.not_after == OURS.intermediate.certificate.not_valid_after_utc == leaf(issued.chain).not_valid_after_utc


def test_chain_and_bundle_are_what_a_verifier_needs() -> None:
    """cryptography's own verifier builds the chain from the leaf over the intermediate to the root."""
    identity = control_plane_identity("cluster.local")
    issued = OURS.issue(any_request(csr.new_key()), identity, HOUR, NOW, ["weft.local", ip_address("127.0.0.1")])
    first, *others = x509.load_pem_x509_certificates(issued.chain)
    store = Store(x509.load_pem_x509_certificates(issued.bundle))
    verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName("weft.local"))
    assert len(verifier.verify(first, others)) == 3


def test_an_identity_of_another_trust_domain_is_our_bug() -> None:
    """It is never asked for by a peer: that is checked before."""
    with pytest.raises(ValueError, match="trust domain"):
        OURS.issue(any_request(csr.new_key()), SpiffeId("other", "default", "a"), HOUR, NOW)


def test_own_certificates_are_recognized_until_their_grace_is_over() -> None:
    """An expired certificate may be renewed for a while, and no longer."""
    chain = OURS.issue(any_request(csr.new_key()), node_identity("cluster.local", "n"), HOUR, NOW).chain
    month = timedelta(days=30)
    assert OURS.own(chain, NOW) == OURS.own(chain, NOW + month, month) == leaf(chain)
    for now, grace in ((NOW + 2 * HOUR, timedelta(0)), (NOW + month + 2 * HOUR, month), (NOW - HOUR, month)):
        with pytest.raises(Untrusted):
            OURS.own(chain, now, grace)


def test_a_certificate_of_another_authority_is_not_our_own() -> None:
    """Not even with our names on it."""
    chain = authority().issue(any_request(csr.new_key()), REVIEWS, HOUR, NOW).chain
    with pytest.raises(Untrusted, match="not issued by this mesh"):
        OURS.own(chain, NOW)


def test_a_workload_cannot_sign_for_others() -> None:
    """A leaf that plays the intermediate is no authority."""
    key = csr.new_key()
    mine = leaf(OURS.issue(any_request(key), REVIEWS, HOUR, NOW).chain)
    names = (x509.UniformResourceIdentifier(str(node_identity("cluster.local", "n"))),)
    forged = certificate.leaf(csr.new_key().public_key(), Leaf(names), Issuer(key, mine), HOUR, NOW)
    for chain in (certificate.pem(forged, mine), certificate.pem(forged, mine, OURS.intermediate.certificate)):
        with pytest.raises(Untrusted):
            OURS.own(chain, NOW)


@pytest.mark.parametrize("chain", [b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_chain_is_refused(chain: bytes) -> None:
    """A peer can send anything."""
    with pytest.raises(Untrusted):
        OURS.own(chain, NOW)


_URIS = st.sampled_from(
    [str(REVIEWS), "spiffe://cluster.local/ns/weft-system/sa/node.n", str(REVIEWS) + "/", "spiffe://x", "http://a/"]
)
_NAMES = st.one_of(
    _URIS.map(x509.UniformResourceIdentifier),
    st.sampled_from(["reviews", "*", "weft.local"]).map(x509.DNSName),
    st.ip_addresses().map(x509.IPAddress),
    st.just(x509.RFC822Name("a@b.c")),
)
_EXTENSIONS = st.one_of(
    st.lists(_NAMES, max_size=3).map(x509.SubjectAlternativeName),
    st.booleans().map(lambda ca: x509.BasicConstraints(ca, None)),
    st.just(x509.ExtendedKeyUsage([certificate.SERVER])),
)
_KEY = csr.new_key()


def only_attested(issuer: Authority, request: bytes) -> None:
    """Either the request is refused, or the certificate has the attested name and no other."""
    try:
        issued = issuer.issue(request, REVIEWS, HOUR, NOW)
    except InvalidRequest:
        return
    made = leaf(issued.chain)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(str(REVIEWS))]
    assert not made.subject.rdns and not certificate.is_authority(made)
    assert {extension.oid for extension in made.extensions} == _USUAL


_USUAL = {extension.oid for extension in leaf(OURS.issue(any_request(_KEY), REVIEWS, HOUR, NOW).chain).extensions}


@given(st.lists(_EXTENSIONS, max_size=3, unique_by=type), st.text(st.characters(codec="ascii", categories=["L"]), max_size=20))
@settings(max_examples=150, deadline=None)
def test_whatever_a_request_asks_for_no_other_name_is_signed(extensions: list[x509.ExtensionType], subject: str) -> None:
    """Well-formed requests with any names, extensions and subject."""
    only_attested(OURS, any_request(_KEY, *extensions, subject=subject))


_GOOD = csr.request(_KEY, str(REVIEWS))
_BYTES = st.tuples(st.integers(0, len(_GOOD) - 1), st.integers(0, 255))


@given(st.lists(_BYTES, min_size=1, max_size=6), st.integers(0, len(_GOOD)))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_request_never_gets_another_name_nor_another_error(changes: list[tuple[int, int]], cut: int) -> None:
    """Any bytes changed, any end cut off: refused, or signed for the attested name."""
    damaged = bytearray(_GOOD)
    for place, value in changes:
        damaged[place] = value
    only_attested(OURS, bytes(damaged))
    only_attested(OURS, bytes(damaged[:cut]))


@given(st.binary(max_size=2000))
def test_any_bytes_are_refused_cleanly(junk: bytes) -> None:
    """No byte string makes anything but a refusal."""
    with pytest.raises(InvalidRequest):
        OURS.issue(junk, REVIEWS, HOUR, NOW)


def test_a_weakly_signed_request_is_refused() -> None:
    """SHA-2 only."""
    with pytest.raises(InvalidRequest):
        OURS.issue(any_request(csr.new_key(), hash_=hashes.SHA3_256()), REVIEWS, HOUR, NOW)
