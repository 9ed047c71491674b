"""The proxies of the push benchmark: simulated Envoys on real streams, 50 of them on a connection as behind one node's agent.

For the raw peer the same streams carry a client that only reads each response and acknowledges it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from benchmarks import push_mesh
from benchmarks.child import serve
from benchmarks.raw_fan_out import METHOD
from weft.envoy.names import HTTP_PROXY_ROUTES, INNER_LISTENER, vhds_name
from weft.envoy.types import VIRTUAL_HOST
from weft.testing.ads_client import AdsClient
from weft.testing.envoy_session import EnvoySession

PER_CONNECTION = 50
_QUIET = 0.4  # seconds without any response that end a measurement


@dataclass(slots=True)
class RecordedSession(EnvoySession):
    """A simulated Envoy that keeps the last responses' bytes."""

    recorded: list[bytes] = field(default_factory=list)

    def receive(self, data: bytes, now: float) -> list[DeltaDiscoveryRequest]:
        """See `EnvoySession.receive`."""
        self.recorded.append(data)
        return EnvoySession.receive(self, data, now)


class Clients:
    """All simulated proxies."""

    def __init__(self) -> None:
        self._sessions: list[RecordedSession] = []
        self._channels: list[grpc.aio.Channel] = []
        self._clients: list[AdsClient] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, address: str, clients: int, services: int, each: int) -> None:
        """Connects all; returns when every one holds the hosts it calls."""
        self._channels = _channels(address, clients)
        self._sessions = [RecordedSession(push_mesh.proxy_name(client)) for client in range(clients)]
        self._clients = [AdsClient(s, self._channels[i // PER_CONNECTION], time.monotonic) for i, s in enumerate(self._sessions)]
        self._tasks = [asyncio.create_task(client.run()) for client in self._clients]
        await asyncio.gather(*(self._ask(number, services, each) for number in range(clients)))
        await self.quiet()

    async def _ask(self, number: int, services: int, each: int) -> None:
        client = self._clients[number]
        await client.until(lambda session: VIRTUAL_HOST in session.held)
        names = [vhds_name(HTTP_PROXY_ROUTES, host) for host in push_mesh.called(number, services, each)]
        client.send(client.session.ask(*names))
        await client.until(lambda session: not session.waiting)

    async def quiet(self) -> None:
        """Returns when nothing came for a while."""
        last, since = -1, time.monotonic()
        while time.monotonic() - since < _QUIET:
            count = sum(session.responses for session in self._sessions)
            if count != last:
                last, since = count, time.monotonic()
            await asyncio.sleep(0.05)

    async def received(self) -> list[tuple[int, int]]:
        """Responses and bytes that each proxy received so far; begins a new record."""
        for session in self._sessions:
            session.recorded.clear()
        return await self.counts()

    async def counts(self) -> list[tuple[int, int]]:
        """Responses and bytes that each proxy received so far."""
        return [(session.responses, session.received) for session in self._sessions]

    async def record(self, client: int) -> list[str]:
        """What a proxy was sent since `received` was last asked, as hexadecimal."""
        return [data.hex() for data in self._sessions[client].recorded]

    async def trouble(self) -> list[str]:
        """What a real Envoy, which has some static clusters, would have answered with failed requests."""
        static = f"names cluster {INNER_LISTENER}, which is not here"
        return [one for session in self._sessions for one in session.trouble if not one.endswith(static)]

    async def drop(self, count: int) -> None:
        """The first `count` proxies lose their streams."""
        for task in self._tasks[:count]:
            task.cancel()
        await asyncio.gather(*self._tasks[:count], return_exceptions=True)

    async def reopen(self, count: int) -> float:
        """They come back at once, with what they hold. Says when."""
        at = time.monotonic()
        self._tasks[:count] = [asyncio.create_task(client.run()) for client in self._clients[:count]]
        return at

    async def close(self) -> None:
        """Ends all streams and connections."""
        await self.drop(len(self._tasks))
        await asyncio.gather(*(channel.close(None) for channel in self._channels))
        self._sessions, self._channels, self._clients, self._tasks = [], [], [], []

    async def open_raw(self, address: str, clients: int) -> None:
        """Connects `clients` that only acknowledge."""
        self._channels = _channels(address, clients)
        calls = [channel.stream_stream(METHOD, None, None) for channel in self._channels]
        self._tasks = [asyncio.create_task(_acknowledging(calls[client // PER_CONNECTION])) for client in range(clients)]


def _channels(address: str, clients: int) -> list[grpc.aio.Channel]:
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
    return [grpc.aio.insecure_channel(address, options=options) for _ in range(-(-clients // PER_CONNECTION))]


async def _acknowledging(call: "grpc.aio.StreamStreamMultiCallable[bytes, bytes]") -> None:
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    answers.put_nowait(b"")

    async def requests() -> AsyncIterator[bytes]:
        while True:
            yield await answers.get()

    stream = call(requests())
    try:
        async for data in stream:
            answers.put_nowait(_acknowledgement(data))
    finally:
        stream.cancel()


def _acknowledgement(data: bytes) -> bytes:
    response = DeltaDiscoveryResponse.FromString(data)
    return bytes(DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce).SerializeToString())


def _operations(of: Clients) -> Sequence[Callable[..., Awaitable[Any]]]:
    return (of.open, of.quiet, of.received, of.counts, of.record, of.trouble, of.drop, of.reopen, of.close, of.open_raw)


def main() -> None:
    """The process."""

    async def run() -> None:
        await serve({operation.__name__: operation for operation in _operations(Clients())})

    asyncio.run(run())


if __name__ == "__main__":
    main()
