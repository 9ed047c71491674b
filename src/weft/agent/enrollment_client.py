"""The two calls of a node without a valid certificate: Join with a one-use token, Renew with an expired certificate.

They go to the enrollment port, whose server is checked with the roots the node was given; the node itself shows no
certificate. Each call opens a connection of its own: they are rare.
"""

from pathlib import Path
from typing import Any

import grpc

from weft.agent.config import ControlPlane
from weft.agent.refusal import refusal
from weft.proto import node_pb2, node_pb2_grpc

TIMEOUT = 5.0

OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.enable_http_proxy", 0),  # the proxy variables of who started us are not about us
    ("grpc.use_local_subchannel_pool", 1),  # no back-off inherited from another channel to the same address
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 250),
    ("grpc.keepalive_time_ms", 5_000),  # a peer that vanished without a word is missed
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)


def options(control_plane: ControlPlane) -> tuple[tuple[str, int | str], ...]:
    """The options of every channel to the control plane."""
    if not control_plane.server_name:
        return OPTIONS
    return (*OPTIONS, ("grpc.ssl_target_name_override", control_plane.server_name))


class EnrollmentClient:
    """Asks for the node's own certificate. `trust` is read at each call, since the file may be renewed."""

    def __init__(self, control_plane: ControlPlane, trust: Path) -> None:
        self._control_plane = control_plane
        self._trust = trust

    async def join(self, token: str, node: str, csr: bytes) -> node_pb2.Certificate:
        """The first certificate. Raises Refused (the token) or Unreachable."""
        return await self._call("Join", node_pb2.JoinRequest(token=token, node=node, csr=csr))

    async def renew(self, expired: bytes, csr: bytes, signature: bytes) -> node_pb2.Certificate:
        """The next certificate for an expired one. Raises Refused or Unreachable."""
        return await self._call("Renew", node_pb2.RenewRequest(certificates=expired, csr=csr, signature=signature))

    async def attest(self, csr: bytes, *, token: str = "", kubernetes: str = "") -> node_pb2.Certificate:
        """A workload's first certificate, for a join token or that of a Kubernetes service account. Raises Refused or
        Unreachable."""
        evidence = {"kubernetes_token": kubernetes} if kubernetes else {"join_token": token}
        return await self._call("Attest", node_pb2.AttestRequest(csr=csr, **evidence), node_pb2_grpc.AttestationStub)

    async def renew_workload(self, chain: bytes, csr: bytes, signature: bytes) -> node_pb2.Certificate:
        """The next certificate of a workload that joined with a token. Raises Refused or Unreachable."""
        request = node_pb2.RenewRequest(certificates=chain, csr=csr, signature=signature)
        return await self._call("Renew", request, node_pb2_grpc.AttestationStub)

    async def _call(self, method: str, request: object, of: Any = node_pb2_grpc.EnrollmentStub) -> node_pb2.Certificate:
        credentials = grpc.ssl_channel_credentials(root_certificates=self._trust.read_bytes())
        target, channel_options = self._control_plane.enroll, options(self._control_plane)
        async with grpc.aio.secure_channel(target, credentials, options=channel_options) as channel:
            stub = of(channel)
            try:
                answer: node_pb2.Certificate = await getattr(stub, method)(request, timeout=TIMEOUT)
            except grpc.aio.AioRpcError as error:
                raise refusal(error.code().name, error.details() or "") from error
        return answer
