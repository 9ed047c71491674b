"""The gRPC services of the authority: a node's first certificate, its next one, and those of its workloads.

Every refusal says to the peer what it may know, and to the log why. A request is verified before a join token is used up,
so that a mistake does not cost the token.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import grpc
from cryptography import x509

from weft.ca import certificate
from weft.ca.attestation import Grants, JoinTokens, RefusedToken, is_node_name, may, node_identity, node_name
from weft.ca.authority import Authority, Issued, NotSigned, Untrusted
from weft.ca.csr import MAX_BYTES, InvalidRequest, is_proven, public_der, verified_key
from weft.ca.transport.server import Context, Peers, RefusalLog, abort, address
from weft.identity import SpiffeId, spiffe_id
from weft.proto import node_pb2, node_pb2_grpc

DEADLINE = 5.0  # seconds that one request may take us
TRIAL_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long certificates live, and for how long after its end a node's may still be renewed."""

    workload: timedelta = timedelta(hours=24)
    node: timedelta = timedelta(hours=24)
    renewable: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Office:
    """What both services need: the authority of the moment, the operator's grants and settings, and a clock. `toward` is the
    authority that can sign under the root of a fingerprint, for trying who trusts it; `certified` is told until when a node has a
    certificate."""

    authority: Callable[[], Authority]
    grants: Grants
    lifetimes: Lifetimes
    now: Callable[[], datetime]
    toward: Callable[[str], Authority | None] = lambda root: None
    certified: Callable[[str, datetime], None] = lambda node, until: None


class EnrollmentServicer(node_pb2_grpc.EnrollmentServicer):  # type: ignore[misc]  # generated, without types
    """On the bootstrap port, where the peer has no valid certificate."""

    def __init__(self, office: Office, tokens: JoinTokens, refusals: RefusalLog, arrived: Callable[[str], None]) -> None:
        """`arrived` is told the connection of each call."""
        self._office = office
        self._tokens = tokens
        self._refusals = refusals
        self._arrived = arrived

    async def Join(self, request: node_pb2.JoinRequest, context: Context) -> node_pb2.Certificate:
        """A node's first certificate, for a join token."""
        self._arrived(context.peer())
        try:
            async with asyncio.timeout(DEADLINE):
                return _message(await self._joined(request))
        except RefusedToken as error:
            self._refusals.refuse(address(context), "join token", str(error))
            await abort(
                context,
                grpc.StatusCode.UNAUTHENTICATED,
                "the join token is not valid: unknown, used, expired, or for another node",
            )
        except NotSigned as error:
            await abort(context, grpc.StatusCode.UNAVAILABLE, str(error))
        except InvalidRequest as error:
            self._refusals.refuse(address(context), "certificate request", str(error))
            await abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))

    async def Renew(self, request: node_pb2.RenewRequest, context: Context) -> node_pb2.Certificate:
        """A node's next certificate, when it could not renew in time."""
        self._arrived(context.peer())
        try:
            return _message(await self._renewed(request))
        except NotSigned as error:
            await abort(context, grpc.StatusCode.UNAVAILABLE, str(error))
        except InvalidRequest as error:
            self._refusals.refuse(address(context), "certificate request", str(error))
            await abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Untrusted as error:
            self._refusals.refuse(address(context), "expired certificate", str(error))
            await abort(context, grpc.StatusCode.UNAUTHENTICATED, str(error))

    async def _joined(self, request: node_pb2.JoinRequest) -> Issued:
        if not is_node_name(request.node):
            raise InvalidRequest("a node's name has only lower-case letters, digits, dots and dashes")
        authority, now = self._office.authority(), self._office.now()
        identity = node_identity(authority.trust_domain, request.node)
        key = public_der(verified_key(request.csr, str(identity)))
        await asyncio.to_thread(self._tokens.consume, request.token, request.node, now, key)
        return await _certified(self._office, authority, request.csr, identity, self._office.lifetimes.node)

    async def _renewed(self, request: node_pb2.RenewRequest) -> Issued:
        if len(request.certificates) > MAX_BYTES:
            raise Untrusted("the chain is too large")
        authority, now = self._office.authority(), self._office.now()
        old = authority.own(request.certificates, now, self._office.lifetimes.renewable)
        identity = self._node(old, authority.trust_domain)
        verified_key(request.csr, str(identity))
        if not is_proven(old, request.csr, request.signature):
            raise Untrusted("the request is not signed with the key of the expired certificate")
        return await _certified(self._office, authority, request.csr, identity, self._office.lifetimes.node)

    def _node(self, old: x509.Certificate, trust_domain: str) -> SpiffeId:
        identity = _identity(old)
        node = node_name(identity) if identity else None
        if identity is None or node is None or identity.trust_domain != trust_domain:
            raise Untrusted("the certificate is not one of a node of this mesh")
        if not self._office.grants.knows(node):
            raise Untrusted(f"the node {node} is not part of this mesh any more")
        return identity


class CertificatesServicer(node_pb2_grpc.CertificatesServicer):  # type: ignore[misc]  # generated, without types
    """On the node port: certificates of a node's workloads, and its own next one."""

    def __init__(self, office: Office, peers: Peers) -> None:
        self._office = office
        self._peers = peers

    async def Sign(self, request: node_pb2.SignRequest, context: Context) -> node_pb2.Certificate:
        """A certificate of an identity that the calling node was granted."""
        node = await self._peers.node(context)
        identity = await self._granted(request.spiffe_id, node, context)
        authority, life = self._office.authority(), self._life(identity)
        try:
            if request.root:
                trial = await self._trial(request.root, identity, context)
                return _message(await issued(trial, request.csr, identity, TRIAL_LIFE, self._office.now()))
            return _message(await _certified(self._office, authority, request.csr, identity, life))
        except NotSigned as error:
            await abort(context, grpc.StatusCode.UNAVAILABLE, str(error))
        except InvalidRequest as error:
            self._peers.refusals.refuse(node, "certificate request", str(error))
            await abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))

    def _life(self, identity: SpiffeId) -> timedelta:
        lifetimes = self._office.lifetimes
        return lifetimes.node if node_name(identity) else lifetimes.workload

    async def _trial(self, root: str, identity: SpiffeId, context: Context) -> Authority:
        """Who signs what a proxy is tried with: for the node itself alone."""
        found = self._office.toward(root) if node_name(identity) else None
        if found is None:
            await abort(context, grpc.StatusCode.FAILED_PRECONDITION, "there is no such root to be tried")
        return found

    async def _granted(self, text: str, node: str, context: Context) -> SpiffeId:
        try:
            identity = spiffe_id(text)
        except ValueError as error:
            self._peers.refusals.refuse(node, "identity", str(error))
            await abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if identity.trust_domain != self._office.authority().trust_domain or not may(self._office.grants, node, identity):
            self._peers.refusals.refuse(node, "identity not granted", text)
            await abort(context, grpc.StatusCode.PERMISSION_DENIED, f"the node {node} is not granted {identity}")
        return identity


async def _certified(office: Office, authority: Authority, request: bytes, identity: SpiffeId, life: timedelta) -> Issued:
    """A certificate, and who has to know of it knows."""
    made = await issued(authority, request, identity, life, office.now())
    if node := node_name(identity):
        office.certified(node, made.not_after)
    return made


async def issued(authority: Authority, request: bytes, identity: SpiffeId, life: timedelta, now: datetime) -> Issued:
    """As the authority issues it; a signer elsewhere is waited for in a thread. Raises InvalidRequest and NotSigned."""
    if authority.external is None:
        return authority.issue(request, identity, life, now)
    return await asyncio.to_thread(authority.issue, request, identity, life, now)


def _identity(of: x509.Certificate) -> SpiffeId | None:
    match certificate.uris(of):
        case [uri]:
            try:
                return spiffe_id(uri)
            except ValueError:
                return None
    return None


def _message(issued: Issued) -> node_pb2.Certificate:
    return node_pb2.Certificate(chain=issued.chain, bundle=issued.bundle, not_after=int(issued.not_after.timestamp()))
