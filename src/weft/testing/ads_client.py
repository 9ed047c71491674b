"""A simulated Envoy on a real gRPC stream. Thousands of them share a few channels."""

import asyncio
from collections.abc import Callable, Sequence

import grpc
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest

from weft.testing.envoy_session import EnvoySession

_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


def _serialized(message: DeltaDiscoveryRequest) -> bytes:
    return bytes(message.SerializeToString())


class AdsClient:
    """One stream for `session`, opened with the metadata by which the control plane knows the proxy."""

    def __init__(self, session: EnvoySession, channel: grpc.aio.Channel, clock: Callable[[], float]) -> None:
        self.session = session
        self.progress = asyncio.Event()  # set after every response
        self._clock = clock
        self._call = channel.stream_stream(_METHOD, request_serializer=_serialized, response_deserializer=None)
        self._outbox: asyncio.Queue[DeltaDiscoveryRequest] = asyncio.Queue()

    def send(self, requests: Sequence[DeltaDiscoveryRequest]) -> None:
        """Sends requests when it is their turn."""
        for request in requests:
            self._outbox.put_nowait(request)

    async def run(self) -> None:
        """Lives until the stream ends or is cancelled. grpc.aio.AioRpcError says why it ended."""
        stream = self._call(None, metadata=(("weft-proxy", self.session.node),))
        self._outbox = asyncio.Queue()
        await stream.initial_metadata()  # comes when the stream is accepted, or with its refusal
        self.send(self.session.opened())
        writer = asyncio.create_task(self._write(stream))
        try:
            async for data in stream:
                self.send(self.session.receive(data, self._clock()))
                self.progress.set()
        finally:
            writer.cancel()
            stream.cancel()

    async def _write(self, stream: "grpc.aio.StreamStreamCall[DeltaDiscoveryRequest, bytes]") -> None:
        while not stream.done():
            await stream.write(await self._outbox.get())

    async def until(self, condition: Callable[[EnvoySession], bool]) -> None:
        """Returns when `condition` holds after a response."""
        while not condition(self.session):
            self.progress.clear()
            await self.progress.wait()
