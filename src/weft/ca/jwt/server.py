"""The gRPC service that gives nodes the JWT-SVIDs of their workloads."""

from datetime import timedelta

import grpc

from weft.ca.attestation import SYSTEM_NAMESPACE, Grants, may
from weft.ca.jwt.keys import LIFE, JwtKeys, check_audiences
from weft.ca.transport.server import Context, Peers, abort
from weft.identity import SpiffeId, spiffe_id
from weft.proto import node_pb2, node_pb2_grpc


class TokensServicer(node_pb2_grpc.TokensServicer):  # type: ignore[misc]  # generated, without types
    """On the node port: tokens of identities that the calling node was granted."""

    def __init__(self, keys: JwtKeys, trust_domain: str, grants: Grants, peers: Peers, life: timedelta = LIFE) -> None:
        self._keys = keys
        self._trust_domain = trust_domain
        self._grants = grants
        self._peers = peers
        self._life = life

    async def SignJwt(self, request: node_pb2.JwtRequest, context: Context) -> node_pb2.Jwt:
        """A token of a workload of the node, which names for whom it is."""
        node = await self._peers.node(context)
        try:
            identity = spiffe_id(request.spiffe_id)
            check_audiences(request.audience)
        except ValueError as error:
            self._peers.refusals.refuse(node, "token request", str(error))
            await abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if not self._may(node, identity):
            self._peers.refusals.refuse(node, "identity not granted", request.spiffe_id)
            await abort(context, grpc.StatusCode.PERMISSION_DENIED, f"the node {node} is not granted {identity}")
        token, ends = self._keys.token(identity, list(request.audience), self._life)
        return node_pb2.Jwt(token=token, not_after=int(ends))

    def _may(self, node: str, identity: SpiffeId) -> bool:
        """A workload's only: nothing of the system's own is proven by a token."""
        mine = identity.trust_domain == self._trust_domain and identity.namespace != SYSTEM_NAMESPACE
        return mine and may(self._grants, node, identity)
