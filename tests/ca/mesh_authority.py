"""The two servers of an authority, running, and peers of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc

from weft.ca import csr
from weft.ca.attestation import JoinTokens, NodeGrants, node_identity
from weft.ca.authority import Authority
from weft.ca.server import CertificatesServicer, EnrollmentServicer, Lifetimes, Office
from weft.ca.transport.own_certificate import SERVER_NAME, OwnCertificate
from weft.ca.transport.server import NODES, STRANGERS, Limits, Listener, Peers, RefusalLog, keep
from weft.identity import SpiffeId
from weft.proto import node_pb2, node_pb2_grpc

from .authorities import authority

DOMAIN = "cluster.local"
GRANTS = NodeGrants({"web": frozenset({("default", "reviews")}), "db": frozenset({("data", "*")})})
REVIEWS = f"spiffe://{DOMAIN}/ns/default/sa/reviews"

More = Callable[[Peers], Iterable[Callable[[grpc.aio.Server], None]]]


def now() -> datetime:
    """The real time: TLS knows no other."""
    return datetime.now(UTC)


@dataclass(slots=True)
class KeyPair:
    """A peer's key and chain."""

    key: bytes
    chain: bytes


def key_pair(
    issuer: Authority, identity: SpiffeId, life: timedelta = timedelta(hours=1), made: datetime | None = None
) -> KeyPair:
    """A certificate of `issuer`."""
    key = csr.new_key()
    issued = issuer.issue(csr.request(key, str(identity)), identity, life, made or now())
    return KeyPair(csr.key_pem(key), issued.chain)


@dataclass(slots=True)
class MeshAuthority:
    """The servers, and what they stand on."""

    authority: Authority
    tokens: JoinTokens
    nodes: Listener
    strangers: Listener
    own: OwnCertificate
    lifetimes: Lifetimes = field(default_factory=Lifetimes)

    def node(self, name: str = "web", life: timedelta = timedelta(hours=1)) -> KeyPair:
        """A good node's certificate."""
        return key_pair(self.authority, node_identity(DOMAIN, name), life)

    @asynccontextmanager
    async def channel(self, port: int, peer: KeyPair | None = None, bundle: bytes = b"") -> AsyncIterator[grpc.aio.Channel]:
        """A connection as an agent makes it."""
        pair = (peer.key, peer.chain) if peer else (None, None)
        credentials = grpc.ssl_channel_credentials(bundle or self.authority.bundle, *pair)
        options = [("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
            yield channel

    async def join(self, token: str, node: str, request: bytes | None = None) -> node_pb2.Certificate:
        """A node's first certificate."""
        request = csr.request(csr.new_key(), str(node_identity(DOMAIN, node))) if request is None else request
        async with self.channel(self.strangers.port) as channel:
            stub = node_pb2_grpc.EnrollmentStub(channel)
            return await stub.Join(node_pb2.JoinRequest(token=token, node=node, csr=request), timeout=10)

    async def renew(self, expired: KeyPair, request: bytes, signature: bytes | None = None) -> node_pb2.Certificate:
        """A node's next certificate."""
        signature = csr.proof(csr.private_key(expired.key), request) if signature is None else signature
        async with self.channel(self.strangers.port) as channel:
            stub = node_pb2_grpc.EnrollmentStub(channel)
            message = node_pb2.RenewRequest(certificates=expired.chain, csr=request, signature=signature)
            return await stub.Renew(message, timeout=10)

    async def sign(self, peer: KeyPair | None, identity: str = REVIEWS, request: bytes | None = None) -> node_pb2.Certificate:
        """A workload's certificate."""
        request = csr.request(csr.new_key(), identity) if request is None else request
        async with self.channel(self.nodes.port, peer) as channel:
            stub = node_pb2_grpc.CertificatesStub(channel)
            return await stub.Sign(node_pb2.SignRequest(spiffe_id=identity, csr=request), timeout=10)


@asynccontextmanager
async def mesh_authority(
    folder: Path,
    nodes: Limits = NODES,
    strangers: Limits = STRANGERS,
    own_life: timedelta = timedelta(hours=1),
    period: float = 0.1,
    more: More = lambda peers: (),
) -> AsyncIterator[MeshAuthority]:
    """Both servers on free ports of the loopback interface, looked after every `period` seconds; `more` services for nodes."""
    issuer = authority(now=now() - timedelta(days=60))
    refusals = RefusalLog()
    own = OwnCertificate(lambda: issuer, now, own_life)
    first = Listener("nodes", own, nodes, mutual=True)
    second = Listener("strangers", own, strangers, mutual=False)
    office = Office(lambda: issuer, GRANTS, Lifetimes(), now)
    tokens = JoinTokens(folder / "tokens.db")
    peers = Peers(DOMAIN, GRANTS, refusals, first.handshakes)
    certificates = CertificatesServicer(office, peers)
    enrollment = EnrollmentServicer(office, tokens, refusals, second.handshakes.call)
    services = [lambda server: node_pb2_grpc.add_CertificatesServicer_to_server(certificates, server), *more(peers)]
    await first.start("127.0.0.1", 0, services)
    await second.start("127.0.0.1", 0, [lambda server: node_pb2_grpc.add_EnrollmentServicer_to_server(enrollment, server)])
    keeping = asyncio.create_task(keep(own, (first, second), refusals, period))
    try:
        yield MeshAuthority(issuer, tokens, first, second, own)
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await asyncio.gather(first.stop(0), second.stop(0))
