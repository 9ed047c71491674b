"""The gRPC service for workloads that no agent runs: a first certificate for a token, the next ones for the one before.

The identity comes from the evidence; a request that asks for another name is refused before a token is used up. What a peer
learns of a refusal is that it was one.
"""

import asyncio
from typing import NoReturn

import grpc
from cryptography import x509

from weft.ca import certificate
from weft.ca.attestation import SYSTEM_NAMESPACE, JoinTokens, RefusedToken, subject
from weft.ca.authority import Authority, Issued, NotSigned, Untrusted
from weft.ca.csr import MAX_BYTES, InvalidRequest, is_proven, public_der, verified_key
from weft.ca.server import DEADLINE, Office, issued
from weft.ca.transport.server import Context, RefusalLog, abort, address
from weft.ca.workloads.kubernetes import Kubernetes, Unavailable
from weft.identity import SpiffeId, spiffe_id
from weft.proto import node_pb2, node_pb2_grpc


class AttestationServicer(node_pb2_grpc.AttestationServicer):  # type: ignore[misc]  # generated, without types
    """On the bootstrap port. `kubernetes`: the cluster whose service accounts are known; none: no token of one is taken."""

    def __init__(self, office: Office, tokens: JoinTokens, kubernetes: Kubernetes | None, refusals: RefusalLog) -> None:
        self._office = office
        self._tokens = tokens
        self._kubernetes = kubernetes
        self._refusals = refusals

    async def Attest(self, request: node_pb2.AttestRequest, context: Context) -> node_pb2.Certificate:
        """A certificate of the service account that the token is of."""
        try:
            async with asyncio.timeout(2 * DEADLINE):
                match request.WhichOneof("evidence"):
                    case "join_token":
                        return _message(await self._joined(request))
                    case "kubernetes_token":
                        return _message(await self._of_kubernetes(request))
            raise InvalidRequest("there is no evidence in it")
        except (RefusedToken, InvalidRequest, Unavailable, NotSigned, TimeoutError) as error:
            await self._refuse(error, context)

    async def Renew(self, request: node_pb2.RenewRequest, context: Context) -> node_pb2.Certificate:
        """The next certificate of a workload that joined with a token, proven by the key of the one before."""
        try:
            return _message(await self._renewed(request))
        except (InvalidRequest, Untrusted, NotSigned) as error:
            await self._refuse(error, context)

    async def _refuse(self, error: Exception, context: Context) -> NoReturn:
        code, told = grpc.StatusCode.UNAUTHENTICATED, str(error)
        match error:
            case RefusedToken():
                told = "the token is not valid: unknown, used, expired, or for another purpose"
            case InvalidRequest():
                code = grpc.StatusCode.INVALID_ARGUMENT
            case Unavailable() | TimeoutError() | NotSigned():
                code, told = grpc.StatusCode.UNAVAILABLE, "the evidence cannot be checked, or nothing be signed, now"
        self._refusals.refuse(address(context), f"attestation: {type(error).__name__}", str(error))
        await abort(context, code, told)

    async def _joined(self, request: node_pb2.AttestRequest) -> Issued:
        authority, now = self._office.authority(), self._office.now()
        bound = await asyncio.to_thread(self._tokens.bearer, request.join_token, now)
        identity = _bound(authority, bound)
        key = public_der(verified_key(request.csr, str(identity)))
        await asyncio.to_thread(self._tokens.consume, request.join_token, bound, now, key)
        return await self._issued(authority, request.csr, identity)

    async def _of_kubernetes(self, request: node_pb2.AttestRequest) -> Issued:
        if self._kubernetes is None:
            raise RefusedToken("no cluster is known whose tokens are taken")
        namespace, account = await self._kubernetes.account(request.kubernetes_token)
        authority = self._office.authority()
        identity = _checked(SpiffeId(authority.trust_domain, namespace, account))
        verified_key(request.csr, str(identity))
        return await self._issued(authority, request.csr, identity)

    async def _renewed(self, request: node_pb2.RenewRequest) -> Issued:
        if len(request.certificates) > MAX_BYTES:
            raise Untrusted("the chain is too large")
        authority, now = self._office.authority(), self._office.now()
        old = authority.own(request.certificates, now, self._office.lifetimes.renewable)
        identity = _identity(old)
        if identity.trust_domain != authority.trust_domain:
            raise Untrusted("the certificate is of another trust domain")
        if not await asyncio.to_thread(self._tokens.has_joined, subject(identity)):
            raise Untrusted(f"{identity} did not join with a token, or was sent away since")
        verified_key(request.csr, str(identity))
        if not is_proven(old, request.csr, request.signature):
            raise Untrusted("the request is not signed with the key of the certificate")
        return await self._issued(authority, request.csr, identity)

    async def _issued(self, authority: Authority, request: bytes, identity: SpiffeId) -> Issued:
        return await issued(authority, request, identity, self._office.lifetimes.workload, self._office.now())


def _bound(authority: Authority, bound: str) -> SpiffeId:
    try:
        return _checked(spiffe_id(f"spiffe://{authority.trust_domain}/{bound}"))
    except ValueError as error:
        raise RefusedToken(f"the token is for the node {bound}") from error


def _checked(identity: SpiffeId) -> SpiffeId:
    if identity.namespace == SYSTEM_NAMESPACE:
        raise RefusedToken(f"nothing outside is of the namespace {SYSTEM_NAMESPACE}")
    return identity


def _identity(of: x509.Certificate) -> SpiffeId:
    match certificate.uris(of):
        case [uri]:
            try:
                return spiffe_id(uri)
            except ValueError:
                pass
    raise Untrusted("the certificate is not one of a workload")


def _message(issued: Issued) -> node_pb2.Certificate:
    return node_pb2.Certificate(chain=issued.chain, bundle=issued.bundle, not_after=int(issued.not_after.timestamp()))
