"""The node's one mTLS channel to the control plane: signing, and the lease by which channels are replaced.

A gRPC channel keeps the certificate it was made with, so a new certificate means a new channel. Nothing new begins on the old
one; after a few seconds it is closed, and its streams open again on the new one, so that none outlives its certificate.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from weft.agent.config import ControlPlane
from weft.agent.enrollment_client import TIMEOUT, options
from weft.agent.identity import Identity
from weft.agent.refusal import Refused, Unreachable, refusal
from weft.proto import node_pb2, node_pb2_grpc

LINGER = 5.0
"""Seconds for which streams go on with the certificate before."""

LOST = (grpc.aio.AioRpcError, Refused, Unreachable, TimeoutError, asyncio.CancelledError, asyncio.InvalidStateError)
"""What a stream may end with. A cancellation among them is the channel's, unless the task itself is being cancelled."""


def why(error: BaseException) -> str:
    """The reason a stream ended, in one line. Raises `error` again when it is this task's own cancellation."""
    if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) and task.cancelling():
        raise error
    match error:
        case grpc.aio.AioRpcError():
            return f"{error.code().name}: {error.details()}"
        case Refused() | Unreachable():
            return str(error)
        case TimeoutError():
            return "no connection"
    return "the channel was closed"


async def ended(call: Any) -> None:
    """To be awaited when a stream gives no more messages. Raises Refused or Unreachable with its status."""
    code, details = await call.code(), await call.details()
    if code is not grpc.StatusCode.OK:
        raise refusal(code.name, details or "")
    raise Unreachable("the control plane ended the stream")


@dataclass(slots=True)
class _Leased:
    """A channel, and how many streams stand on it."""

    channel: grpc.aio.Channel
    streams: int = 0
    retired: bool = False


class NodeClient:
    """What the node asks with its certificate. Until `use` was called there is no channel, and who asks waits."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._current: _Leased | None = None
        self._material: tuple[Identity, bytes] | None = None
        self._ready = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()

    def use(self, identity: Identity, bundle: bytes) -> None:
        """From now on new calls show `identity` and trust `bundle`."""
        self._material = (identity, bundle)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=bundle, private_key=identity.key, certificate_chain=identity.chain
        )
        target, channel_options = self._control_plane.xds, options(self._control_plane)
        channel = grpc.aio.secure_channel(target, credentials, options=channel_options)
        retired, self._current = self._current, _Leased(channel)
        if retired:
            retired.retired = True
            self._close(retired, LINGER if retired.streams else 0.0)
        self._ready.set()

    async def abandon(self, grace: float = 0.0) -> None:
        """Ends everything on the current channel, whose peer does not answer, and begins a new one."""
        if self._current is None or self._material is None:
            return
        silent = self._current
        self.use(*self._material)
        await silent.channel.close(grace or None)

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[grpc.aio.Channel]:
        """A channel for a stream; it stays open until the stream has ended."""
        await self._ready.wait()
        leased = self._current
        assert leased is not None
        leased.streams += 1
        try:
            yield leased.channel
        finally:
            leased.streams -= 1
            if leased.retired and leased.streams == 0:
                self._close(leased)

    def _close(self, leased: _Leased, after: float = 0.0) -> None:
        async def close() -> None:
            await asyncio.sleep(after)
            await leased.channel.close(None)

        task = asyncio.create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def sign(self, spiffe_id: str, csr: bytes, root: str = "") -> node_pb2.Certificate:
        """A certificate for a workload of this node, or for the node; with `root` (SHA-256) one to try with who trusts that
        root. Raises Refused or Unreachable."""
        request = node_pb2.SignRequest(spiffe_id=spiffe_id, csr=csr, root=root)
        answer: node_pb2.Certificate = await self._asked(node_pb2_grpc.CertificatesStub, "Sign", request)
        return answer

    async def sign_jwt(self, spiffe_id: str, audiences: Sequence[str]) -> node_pb2.Jwt:
        """A token of a workload of this node. Raises Refused or Unreachable."""
        request = node_pb2.JwtRequest(spiffe_id=spiffe_id, audience=audiences)
        answer: node_pb2.Jwt = await self._asked(node_pb2_grpc.TokensStub, "SignJwt", request)
        return answer

    async def _asked(self, stub: Callable[[grpc.aio.Channel], Any], method: str, request: object) -> Any:
        async with self.lease() as channel:
            try:
                return await getattr(stub(channel), method)(request, timeout=TIMEOUT)
            except grpc.aio.AioRpcError as error:
                raise refusal(error.code().name, error.details() or "") from error
            except asyncio.CancelledError:
                if (task := asyncio.current_task()) and task.cancelling():
                    raise
                raise Unreachable("the channel was closed") from None
