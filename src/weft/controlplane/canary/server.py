"""The canary's xDS server: one Envoy on a Unix socket, asked one thing at a time for each type, and what it answers.

Clusters and listeners are taken back right behind the question: so the canary holds next to nothing, and above all nothing that
warms. Envoy 1.40 keeps some clusters that it refused (a Maglev table whose size is no prime) among those that warm, and says
nothing about any cluster, not even its refusal, until that one is taken away. Virtual hosts come in one route configuration,
which the next question replaces.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

import grpc
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest

from weft.envoy.types import CLUSTER, LISTENER, ROUTE_CONFIGURATION, EnvoyResource, TypeUrl
from weft.xds.delta import Nonce, Response, Told

_METHOD = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_TYPES = (CLUSTER, LISTENER, ROUTE_CONFIGURATION)


class Gone(Exception):
    """The canary ended before it had answered, or is not there."""


class Silent(Exception):
    """The canary said nothing in time."""


class _Stream:
    """One connection of the canary: what it is to be told, and what it was asked."""

    def __init__(self) -> None:
        self.out: asyncio.Queue[bytes] = asyncio.Queue()
        self.asked: dict[str, asyncio.Future[str]] = {}
        self.begun: set[str] = set()


class CanaryServer:
    """Serves one Envoy at a Unix socket. `first` is the route configuration that it is told when it begins."""

    def __init__(self, first: EnvoyResource) -> None:
        self._first = first
        self._nonce = 0
        self._server: grpc.aio.Server | None = None
        self._stream: _Stream | None = None
        self._locks = {type_url: asyncio.Lock() for type_url in _TYPES}
        self._ready = asyncio.Event()

    async def start(self, path: str) -> None:
        """Listens at `path`."""
        self._server = grpc.aio.server()
        method = grpc.stream_stream_rpc_method_handler(
            self._serve, request_deserializer=DeltaDiscoveryRequest.FromString, response_serializer=None
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_METHOD, {"DeltaAggregatedResources": method}),)
        )
        self._server.add_insecure_port(f"unix:{path}")
        await self._server.start()

    async def stop(self) -> None:
        """Ends."""
        if self._server is not None:
            await self._server.stop(None)

    async def ready(self) -> None:
        """Waits until the canary can be asked."""
        await self._ready.wait()

    def lost(self) -> None:
        """The process ended: whoever waits for it is told."""
        if self._stream is not None:
            self._end(self._stream)

    async def ask(self, type_url: TypeUrl, resources: Iterable[EnvoyResource], timeout: float) -> str:
        """What the canary has against these together; nothing when it takes them. Raises Gone, Silent."""
        async with self._locks[type_url]:
            stream = self._stream
            if stream is None or not self._ready.is_set():
                raise Gone("it is not connected")
            told = tuple(resources)
            nonce = self._tell(stream, type_url, told)
            answer = stream.asked[nonce] = asyncio.get_running_loop().create_future()
            if type_url != ROUTE_CONFIGURATION:
                self._tell(stream, type_url, (), [one.name for one in told])
            try:
                return await asyncio.wait_for(answer, timeout)
            except TimeoutError:
                raise Silent(f"it said nothing for {timeout:g} s") from None
            finally:
                stream.asked.pop(nonce, None)

    def _tell(self, stream: _Stream, type_url: TypeUrl, told: Iterable[EnvoyResource], removed: Iterable[str] = ()) -> str:
        self._nonce += 1
        response = Response(type_url, Nonce(str(self._nonce)), tuple(Told(one) for one in told), tuple(removed))
        stream.out.put_nowait(response.serialized())
        return response.nonce

    # The stream

    async def _serve(
        self, requests: AsyncIterator[DeltaDiscoveryRequest], context: "grpc.aio.ServicerContext[DeltaDiscoveryRequest, bytes]"
    ) -> None:
        stream = self._stream = _Stream()
        reader = asyncio.create_task(self._read(stream, requests))
        writer = asyncio.create_task(_write(stream, context))
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reader.cancel()
            writer.cancel()
            self._end(stream)

    async def _read(self, stream: _Stream, requests: AsyncIterator[DeltaDiscoveryRequest]) -> None:
        async for request in requests:
            if request.response_nonce:
                words = request.error_detail.message or "refused without a word" if request.HasField("error_detail") else ""
                answer = stream.asked.get(request.response_nonce)
                if answer is not None and not answer.done():
                    answer.set_result(words)
            elif request.type_url in _TYPES and request.type_url not in stream.begun:
                stream.begun.add(request.type_url)
                first = (self._first,) if request.type_url == ROUTE_CONFIGURATION else ()
                self._tell(stream, TypeUrl(request.type_url), first)
                if stream.begun == set(_TYPES):
                    self._ready.set()

    def _end(self, stream: _Stream) -> None:
        if self._stream is stream:
            self._stream = None
            self._ready.clear()
        for answer in stream.asked.values():
            if not answer.done():
                answer.set_exception(Gone("it ended"))


async def _write(stream: _Stream, context: "grpc.aio.ServicerContext[DeltaDiscoveryRequest, bytes]") -> None:
    while True:
        await context.write(await stream.out.get())
