"""Whatever a peer sends, it never obtains a name that it was not attested for: requests, identities and tokens made to
deceive."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.ca import certificate, csr
from weft.ca.attestation import JoinTokens, NodeGrants, RefusedToken, node_identity
from weft.ca.authority import Untrusted
from weft.ca.csr import InvalidRequest, public_der
from weft.ca.handshakes import Handshakes
from weft.ca.server import CertificatesServicer, EnrollmentServicer, Lifetimes, Office
from weft.ca.transport.server import Peers, RefusalLog
from weft.identity import SpiffeId, spiffe_id
from weft.proto import node_pb2

from .authorities import NOW, authority
from .mesh_authority import key_pair

DOMAIN = "cluster.local"
OURS = authority()
REVIEWS = SpiffeId(DOMAIN, "default", "reviews")
OTHERS = (
    f"spiffe://{DOMAIN}/ns/default/sa/ratings",
    f"spiffe://{DOMAIN}/ns/weft-system/sa/node.n",
    f"spiffe://{DOMAIN}/ns/weft-system/sa/weft-control-plane",
    "spiffe://other/ns/default/sa/reviews",
    "weft.local",
)
HOUR = timedelta(hours=1)
GOOD_KEYS: tuple[Any, ...] = (csr.new_key(), ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048))
BAD_KEYS: tuple[Any, ...] = (
    ec.generate_private_key(ec.SECP521R1()),
    ec.generate_private_key(ec.SECP256K1()),
    ec.generate_private_key(ec.SECP192R1()),
    rsa.generate_private_key(65537, 1024),
    ed25519.Ed25519PrivateKey.generate(),
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

# DER, written by hand: what a library would not write is what an attacker would.


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element."""
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else bytes([0x82]) + size.to_bytes(2)
    return bytes([tag]) + length + content


def oid(dotted: str) -> bytes:
    """An object identifier."""
    first, second, *rest = map(int, dotted.split("."))
    body = bytes([40 * first + second])
    for number in rest:
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.insert(0, number & 0x7F | 0x80)
        body += bytes(digits)
    return tlv(6, body)


SAN, EXTENSIONS, CHALLENGE = oid("2.5.29.17"), oid("1.2.840.113549.1.9.14"), oid("1.2.840.113549.1.9.7")
MICROSOFT = oid("1.3.6.1.4.1.311.2.1.14")  # an older way to ask for extensions, which some authorities follow
UPN = oid("1.3.6.1.4.1.311.20.2.3")


def signed(key: Any, info: bytes) -> bytes:
    """A request around `info`, signed with `key`."""
    match key:
        case ec.EllipticCurvePrivateKey():
            return tlv(0x30, info, tlv(0x30, oid("1.2.840.10045.4.3.2")), _bits(key.sign(info, ec.ECDSA(hashes.SHA256()))))
        case rsa.RSAPrivateKey():
            algorithm = tlv(0x30, oid("1.2.840.113549.1.1.11"), tlv(5))
            return tlv(0x30, info, algorithm, _bits(key.sign(info, padding.PKCS1v15(), hashes.SHA256())))
    return tlv(0x30, info, tlv(0x30, oid("1.3.101.112")), _bits(key.sign(info)))


def _bits(content: bytes) -> bytes:
    return tlv(3, b"\0", content)


def info(key: Any, subject: str, attributes: Sequence[bytes]) -> bytes:
    """What is signed of a request."""
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    named = tlv(0x31, tlv(0x30, oid("2.5.4.3"), tlv(12, subject.encode()))) if subject else b""
    return tlv(0x30, tlv(2, b"\0"), tlv(0x30, named), public, tlv(0xA0, *attributes))


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """The attested name, another one, or something that looks like one of them to who reads carelessly."""
    text = draw(st.sampled_from((str(REVIEWS), *OTHERS)))
    trick = draw(st.integers(0, 11))
    return {
        1: text.encode() + b"\0" + draw(st.sampled_from(OTHERS)).encode(),
        2: text.upper().encode(),
        3: text.replace("e", "\u0435").encode(),  # a Cyrillic letter
        4: text.replace("reviews", "*").encode(),
        5: text.encode() + b"/",
        6: text.replace("/sa/", "/sa/../sa/").encode(),
        7: text.replace("default", "%64efault").encode(),
        8: text.encode() + b"?x=1#y",
        9: b" " + text.encode(),
        10: draw(st.binary(max_size=20)),
    }.get(trick, text.encode())


@st.composite
def general_names(draw: st.DrawFn) -> bytes:
    """One name of any form."""
    body = draw(texts())
    return draw(
        st.sampled_from(
            (
                tlv(0x86, body),
                tlv(0x86, body),
                tlv(0x82, body),
                tlv(0x81, body),
                tlv(0x87, body[:4]),
                tlv(0x88, body),
                tlv(0xA0, UPN, tlv(0xA0, tlv(12, body))),
                tlv(0xA4, tlv(0x30, tlv(0x31, tlv(0x30, oid("2.5.4.3"), tlv(12, body))))),
                tlv(0x8F, body),
            )
        )
    )


@st.composite
def extensions(draw: st.DrawFn) -> bytes:
    """An extension that is asked for: mostly a subject alternative name."""
    critical = draw(st.sampled_from((b"", tlv(1, b"\xff"))))
    if draw(st.integers(0, 4)):
        return tlv(0x30, SAN, critical, tlv(4, tlv(0x30, *draw(st.lists(general_names(), max_size=3)))))
    name, value = draw(
        st.sampled_from(
            (
                ("2.5.29.19", tlv(0x30, tlv(1, b"\xff"))),  # to be an authority
                ("2.5.29.15", tlv(3, b"\1\6")),  # to sign certificates
                ("2.5.29.37", tlv(0x30, oid("1.3.6.1.5.5.7.3.3"))),
                ("2.5.29.17", b"\x30\x80\0\0"),  # a name of indefinite length
                ("1.2.3.4", b"anything"),
            )
        )
    )
    return tlv(0x30, oid(name), critical, tlv(4, value))


@st.composite
def attributes(draw: st.DrawFn) -> bytes:
    """Where a request says what it asks for, and other places."""
    if not draw(st.integers(0, 6)):
        return tlv(0x30, CHALLENGE, tlv(0x31, tlv(12, draw(texts()))))
    wanted = draw(st.lists(extensions(), min_size=1, max_size=2))
    return tlv(0x30, draw(st.sampled_from((EXTENSIONS, EXTENSIONS, MICROSOFT))), tlv(0x31, tlv(0x30, *wanted)))


@st.composite
def requests(draw: st.DrawFn, bad_keys: bool = True) -> bytes:
    """A request, well formed or not, signed with its own key or not."""
    key = draw(st.sampled_from((*GOOD_KEYS, *BAD_KEYS) if bad_keys else GOOD_KEYS))
    subject = draw(st.sampled_from(("", "", "admin", str(node_identity(DOMAIN, "n")), "weft.local")))
    body = info(key, subject, draw(st.lists(attributes(), max_size=2)))
    der = signed(draw(st.sampled_from((key, key, key, GOOD_KEYS[0]))), body)
    match draw(st.integers(0, 9)):
        case 0:
            place = draw(st.integers(0, 4000)) % len(der)  # a signature is not always of one length
            return der[:place] + draw(st.binary(max_size=3)) + der[place + 1 :]
        case 1:
            return der + draw(st.sampled_from((b"\0", der, b"\0" * csr.MAX_BYTES)))
    return der


def only_attested(chain: bytes, identity: SpiffeId, request: bytes) -> None:
    """The certificate says the attested name and nothing else, for the key of the request, which is a good one."""
    made = x509.load_pem_x509_certificate(chain)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(str(identity))]
    assert not made.subject.rdns and not certificate.is_authority(made)
    asked = x509.load_der_x509_csr(request)
    assert public_der(made.public_key()) == public_der(asked.public_key())  # type: ignore[arg-type]
    assert any(public_der(made.public_key()) == public_der(key.public_key()) for key in GOOD_KEYS) and asked.is_signature_valid


@QUICK
@given(requests())
def test_no_request_obtains_another_name(request: bytes) -> None:
    """Several URIs, a host beside, otherName, NUL, look-alikes, wildcards, extensions twice, broken DER, weak keys, others'
    keys."""
    try:
        issued = OURS.issue(request, REVIEWS, HOUR, NOW)
    except InvalidRequest:
        return
    only_attested(issued.chain, REVIEWS, request)


def test_the_generator_makes_requests_that_are_signed() -> None:
    """It is not that everything is refused: by hand, too, one is written that is good."""
    san = tlv(0x30, SAN, tlv(4, tlv(0x30, tlv(0x86, str(REVIEWS).encode()))))
    good = tlv(0x30, EXTENSIONS, tlv(0x31, tlv(0x30, san)))
    for key in GOOD_KEYS:
        request = signed(key, info(key, "", [good]))
        only_attested(OURS.issue(request, REVIEWS, HOUR, NOW).chain, REVIEWS, request)


# The services, without a network: the peer is who its certificate says.


class Ended(Exception):
    """The call was refused."""


@dataclass
class Call:
    """gRPC's side of a call by the node `name`."""

    name: str

    def peer(self) -> str:
        """Its address."""
        return "ipv4:127.0.0.1:1"

    def auth_context(self) -> dict[str, list[bytes]]:
        """What its certificate says."""
        return {"peer_uri": [str(node_identity(DOMAIN, self.name)).encode()]}

    async def abort(self, code: object, details: str) -> NoReturn:
        """Ends it."""
        raise Ended(f"{code}: {details}")


_NAMES = st.sampled_from(
    ("default", "data", "weft-system", "*", "reviews", "node.n", "node.m", "weft-control-plane", "..", "a/b", "")
)
_IDENTITIES = st.one_of(
    st.builds(
        lambda domain, ns, sa: f"spiffe://{domain}/ns/{ns}/sa/{sa}", st.sampled_from((DOMAIN, "other", "")), _NAMES, _NAMES
    ),
    texts().map(lambda text: text.decode("utf-8", "ignore")),
)
_TABLES = st.dictionaries(st.sampled_from(("n", "m")), st.frozensets(st.tuples(_NAMES, _NAMES), max_size=4), max_size=2)


@QUICK
@given(_TABLES, st.sampled_from(("n", "m", "stranger")), _IDENTITIES, requests(bad_keys=False), st.booleans())
def test_no_node_obtains_an_identity_that_it_was_not_granted(
    table: dict[str, frozenset[tuple[str, str]]], node: str, wanted: str, hostile: bytes, honest: bool
) -> None:
    """Whatever it asks for: its own identity, or one of a pair that covers it; never the control plane's or another node's."""
    grants = NodeGrants(table)
    office = Office(lambda: OURS, grants, Lifetimes(), lambda: NOW)
    service = CertificatesServicer(office, Peers(DOMAIN, grants, RefusalLog(), Handshakes(1)))
    with suppress(ValueError):
        hostile = csr.request(GOOD_KEYS[0], wanted) if honest else hostile
    try:
        answer = asyncio.run(service.Sign(node_pb2.SignRequest(spiffe_id=wanted, csr=hostile), Call(node)))  # type: ignore[arg-type]
    except Ended:
        return
    identity = spiffe_id(wanted)
    only_attested(answer.chain, identity, hostile)
    assert identity.trust_domain == DOMAIN and node in table
    if identity.namespace == "weft-system":
        assert identity == node_identity(DOMAIN, node)
    else:
        pairs = table[node]
        assert any((ns, sa) in pairs for ns in (identity.namespace, "*") for sa in (identity.service_account, "*"))


_MOMENTS = st.integers(-2, 20).map(lambda minutes: NOW + timedelta(minutes=minutes))
_TRIES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(("n", "m", "N", "n.", "node.n", "")), st.integers(0, 2), _MOMENTS), max_size=12
)


@settings(max_examples=40, deadline=None)
@given(_TRIES)
def test_no_token_makes_a_node_of_another_name_or_serves_twice(tries: list[tuple[int, str, int, datetime]]) -> None:
    """Replayed by another key, expired, altered, or for another node: each is refused, whatever came before."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = JoinTokens(Path(folder) / "tokens.db")
        minted = [tokens.create("n", NOW), tokens.create("m", NOW, timedelta(minutes=5)), "", tokens.create("n", NOW)[:-1]]
        bound, ends = ("n", "m"), (NOW + timedelta(minutes=15), NOW + timedelta(minutes=5))
        used: dict[int, int] = {}
        for which, node, key, moment in tries:
            office = Office(lambda: OURS, NodeGrants(), Lifetimes(), lambda moment=moment: moment)  # type: ignore[misc]
            service = EnrollmentServicer(office, tokens, RefusalLog(), lambda connection: None)
            request = (
                csr.request(GOOD_KEYS[0], str(node_identity(DOMAIN, node)))
                if key == 0
                else signed(GOOD_KEYS[key], info(GOOD_KEYS[key], "", []))
            )
            asked = node_pb2.JoinRequest(token=minted[which], node=node, csr=request)
            try:
                answer = asyncio.run(service.Join(asked, Call(node)))  # type: ignore[arg-type]
            except Ended:
                continue
            assert which < 2 and node == bound[which] and moment < ends[which] and used.setdefault(which, key) == key
            only_attested(answer.chain, node_identity(DOMAIN, node), request)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(("n", "gone")), st.integers(0, 2), st.integers(-1, 40), st.booleans(), st.booleans())
def test_no_expired_certificate_renews_into_another_name(node: str, whose: int, days: int, proven: bool, ours: bool) -> None:
    """Only that of a node of this mesh, for itself, with its own key, within a month of its end."""
    issuer = OURS if ours else authority()
    identity = (node_identity(DOMAIN, node), REVIEWS, replace(node_identity(DOMAIN, node), namespace="default"))[whose]
    held = key_pair(issuer, identity, made=NOW)
    now = NOW + HOUR + timedelta(days=days)
    request = csr.request(csr.new_key(), str(node_identity(DOMAIN, node)))
    proof = csr.proof(csr.private_key(held.key) if proven else csr.new_key(), request)
    office = Office(lambda: OURS, NodeGrants({"n": frozenset()}), Lifetimes(), lambda: now)
    service = EnrollmentServicer(office, JoinTokens(Path("unused")), RefusalLog(), lambda connection: None)
    message = node_pb2.RenewRequest(certificates=held.chain, csr=request, signature=proof)
    try:
        answer = asyncio.run(service.Renew(message, Call(node)))  # type: ignore[arg-type]
    except (Ended, Untrusted, RefusedToken):
        return
    assert ours and proven and node == "n" and whose == 0 and -1 <= days <= 30
    made = x509.load_pem_x509_certificate(answer.chain)
    assert certificate.uris(made) == [str(node_identity(DOMAIN, "n"))]
