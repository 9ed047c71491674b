"""The agent's xDS server: each Envoy's stream paired with one stream to the control plane, secrets answered on the way.

Only this file of the relay does I/O; what is said is decided in `proxy_session.py` and `sds.py`. The server listens on a
Unix socket that only the supervisor connects to: the socket Envoys know is the supervisor's, and outlives the agent.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
from envoy.service.discovery.v3 import discovery_pb2

from weft.agent.calls import Calls
from weft.agent.certificates import Certificates
from weft.agent.held import Held, HeldFiles
from weft.agent.node_client import LOST, NodeClient, ended, why
from weft.agent.proxy_session import ProxySession, Rebind
from weft.agent.registry_client import RegistryClient
from weft.agent.sds import SecretSession, parted
from weft.envoy.types import ENDPOINTS, SECRET

LOG = logging.getLogger(__name__)
CALLS_METHOD = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
)
_BACK_OFF = (0.02, 0.05, 0.1, 0.25)
_WRITE_BEHIND = 0.2
_ANSWER = 0.3  # seconds in which a control plane that is in doubt must answer a heartbeat

RebindOf = Callable[[str], Rebind | None]


class XdsRelay(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Serves all Envoys of the node."""

    def __init__(
        self,
        socket: Path,
        certificates: Certificates,
        client: NodeClient,
        registry: RegistryClient,
        files: HeldFiles,
        calls: Calls,
    ) -> None:
        self._socket = socket
        self._certificates = certificates
        self._client = client
        self._registry = registry
        self._files = files
        self._calls = calls
        self.rebind: RebindOf = lambda _: None  # for a proxy, the change its listeners need; None for a sidecar
        self._remembered: dict[str, Held] = {}
        self.streams: dict[str, ProxyStream] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The methods that are served, with bytes in and out."""
        if handler_call_details.method == CALLS_METHOD:
            return grpc.stream_unary_rpc_method_handler(self._take_calls)
        if handler_call_details.method != METHOD:
            return None
        return grpc.stream_stream_rpc_method_handler(self._serve)

    async def run(self) -> None:
        """Serves until cancelled."""
        self._socket.unlink(missing_ok=True)
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((self,))
        server.add_insecure_port(f"unix:{self._socket}")
        await server.start()
        LOG.info("serving xds socket=%s", self._socket)
        try:
            while True:
                await asyncio.sleep(_WRITE_BEHIND)
                await self._write_behind()
        finally:
            for stream in self.streams.values():
                stream.end()
            await self._write_behind()
            await server.stop(0.2)

    async def _write_behind(self) -> None:
        for key, stream in tuple(self.streams.items()):
            if stream.session.changed:
                await asyncio.to_thread(self._files.write, key, stream.session.record())

    def forget(self, key: str) -> None:
        """A proxy is gone for good: so is what it held."""
        self._remembered.pop(key, None)
        self._files.forget(key)

    def held(self, key: str) -> Held:
        """What an Envoy holds now, or held last."""
        if key in self.streams:
            return self.streams[key].session.held
        return self._remembered.get(key, {})

    def endpoints(self, key: str) -> dict[str, bytes]:
        """The endpoint assignments an Envoy holds, by cluster, each a serialized discovery `Resource`."""
        return {name: resource.body for name, resource in self.held(key).get(ENDPOINTS, {}).items()}

    async def _take_calls(self, messages: AsyncIterator[bytes], _: object) -> bytes:
        """The calls that one worker of an Envoy tells of. The first message says who, and of which port."""
        told: tuple[str, int] | None = None
        async for message in messages:
            told = told or self._calls.stream(message)
            if told is None:
                break
            self._calls.take(*told, message)
        return b""

    async def _serve(self, _: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        first = await context.read()
        if not isinstance(first, bytes):
            return
        key = discovery_pb2.DeltaDiscoveryRequest.FromString(first).node.id
        predecessor = self.streams.get(key)
        if predecessor:
            self._remembered[key] = predecessor.session.record()
        if key not in self._remembered:
            self._remembered[key] = await asyncio.to_thread(self._files.read, key)
        stream = ProxyStream(key, context, self._remembered[key], self.rebind(key))
        self.streams[key] = stream
        LOG.info("envoy connected proxy=%s", key)
        try:
            await stream.run(first, self._certificates, self._client, self._registry)
        finally:
            LOG.info("envoy disconnected proxy=%s", key)
            if self.streams.get(key) is stream:
                del self.streams[key]
                self._remembered[key] = stream.session.record()


class ProxyStream:
    """One Envoy's stream and its counterpart upstream."""

    def __init__(
        self,
        key: str,
        context: grpc.aio.ServicerContext[bytes, bytes],
        remembered: Held,
        rebind: Rebind | None,
    ) -> None:
        self.key = key
        self.session = ProxySession(remembered, time.monotonic(), rebind)
        self.secrets = SecretSession()
        self.rejection = ""  # what the Envoy refused last, and why
        self._context = context
        self._for_envoy = asyncio.Event()
        self._for_upstream = asyncio.Event()
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Ends the stream; the Envoy opens another one, to whoever serves then."""
        self._ended.set()

    async def run(self, first: bytes, certificates: Certificates, client: NodeClient, registry: RegistryClient) -> None:
        """Relays until the Envoy's stream ends."""

        def rotated() -> None:
            self.secrets.update(certificates.of(self.key), certificates.bundle, certificates.domains)
            self._for_envoy.set()

        end = certificates.observe(self.key, rotated)
        rotated()
        tasks: tuple[asyncio.Task[Any], ...] = (
            asyncio.create_task(self._read(first)),
            asyncio.create_task(self._write(registry)),
            asyncio.create_task(self._upstream(client, registry)),
            asyncio.create_task(self._ended.wait()),
        )
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            end()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, message: bytes | object) -> None:
        while isinstance(message, bytes):
            if discovery_pb2.DeltaDiscoveryRequest.FromString(message).type_url == SECRET:
                own, message = parted(message)
                if own:
                    self.secrets.request(own)
            if message:
                self.session.request(message, time.monotonic())
                self._report()
            self._for_envoy.set()
            self._for_upstream.set()
            message = await self._context.read()

    def _report(self) -> None:
        while self.session.rejections:
            rejection = self.session.rejections.pop(0)
            kind = rejection.type_url.rpartition(".")[2]
            self.rejection = f"{kind}: {rejection.message}"
            LOG.warning("envoy rejected proxy=%s type=%s reason=%r", self.key, kind, rejection.message)

    async def _write(self, registry: RegistryClient) -> None:
        while True:
            self._for_envoy.clear()
            self.session.time(time.monotonic())
            if self.session.doubts(time.monotonic()):
                await self._find_out(registry)
            for queue in (self.secrets.to_envoy, self.session.to_envoy):
                while queue:
                    await self._context.write(queue.pop(0))
            deadline = self.session.deadline()
            try:
                async with asyncio.timeout(None if deadline is None else max(0.01, deadline - time.monotonic())):
                    await self._for_envoy.wait()
            except TimeoutError:
                pass

    async def _find_out(self, registry: RegistryClient) -> None:
        if await registry.answers(within=_ANSWER):
            self.session.trust(time.monotonic())
        else:
            self.session.distrust(time.monotonic())

    async def _upstream(self, client: NodeClient, registry: RegistryClient) -> None:
        attempt, reason, said = 0, "", ""
        while True:
            await registry.registered(self.key)
            began = time.monotonic()
            try:
                async with client.lease() as channel:
                    await self._converse(channel)
            except LOST as error:
                said = why(error)
            self.session.lost(time.monotonic())
            self._for_envoy.set()
            if said != reason:
                LOG.warning("control plane lost proxy=%s reason=%r", self.key, said)
                reason = said
            attempt = 0 if time.monotonic() - began > 1 else attempt + 1
            await asyncio.sleep(_BACK_OFF[min(attempt, len(_BACK_OFF) - 1)])

    async def _converse(self, channel: Any) -> None:
        async with asyncio.timeout(1.0):
            await channel.channel_ready()
        call = channel.stream_stream(METHOD)(metadata=(("weft-proxy", self.key),))
        self.session.to_upstream.clear()
        self.session.opened()
        writing = asyncio.create_task(self._send(call))
        try:
            while isinstance(message := await call.read(), bytes):
                self.session.response(message)
                self._for_envoy.set()
            await ended(call)
        finally:
            writing.cancel()
            call.cancel()

    async def _send(self, call: Any) -> None:
        while True:
            self._for_upstream.clear()
            while self.session.to_upstream:
                try:
                    await call.write(self.session.to_upstream.pop(0))
                except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
                    return  # the reader learns why
            await self._for_upstream.wait()
