"""The peer of the push benchmark: grpc.aio alone, which writes given bytes to every stream and counts what comes back.

It knows no mesh, compiles nothing and remembers nothing: nothing on this stack can fan out faster.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc

from benchmarks.child import serve
from weft.xds.server import SERVER_OPTIONS

_SERVICE = "raw.FanOut"
METHOD = f"/{_SERVICE}/Stream"


class RawFanOut:
    """The server. A stream counts from its first request on."""

    def __init__(self) -> None:
        self._address = ""
        self._outboxes: list[asyncio.Queue[bytes]] = []
        self._missing = 0
        self._done = asyncio.Event()
        self._joined = asyncio.Event()

    async def run(self) -> None:
        """Until standard input ends."""
        server = grpc.aio.server(options=SERVER_OPTIONS)
        method = grpc.stream_stream_rpc_method_handler(self._serve)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Stream": method}),))
        self._address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        operations = (self.address, self.connected, self.push)
        await serve({operation.__name__: operation for operation in operations})

    async def _serve(self, requests: AsyncIterator[bytes], context: Any) -> None:
        outbox: asyncio.Queue[bytes] = asyncio.Queue()
        reader = asyncio.create_task(self._read(requests, outbox))
        try:
            while True:
                await context.write(await outbox.get())
        finally:
            reader.cancel()

    async def _read(self, requests: AsyncIterator[bytes], outbox: asyncio.Queue[bytes]) -> None:
        await anext(requests)
        self._outboxes.append(outbox)
        self._joined.set()
        async for _ in requests:
            self._missing -= 1
            if not self._missing:
                self._done.set()

    # Operations

    async def address(self) -> str:
        """Where it listens."""
        return self._address

    async def connected(self, streams: int) -> None:
        """Returns when that many streams are there."""
        while len(self._outboxes) < streams:
            self._joined.clear()
            await self._joined.wait()

    async def push(self, messages: list[str], streams: int) -> tuple[float, float]:
        """Seconds, and CPU seconds, from the first write to the last acknowledgement of `streams` of the streams."""
        data = [bytes.fromhex(message) for message in messages]
        start, cpu = time.monotonic(), time.process_time()
        self._missing = len(data) * streams
        self._done.clear()
        for outbox in self._outboxes[:streams]:
            for message in data:
                outbox.put_nowait(message)
        if self._missing:
            await self._done.wait()
        return time.monotonic() - start, time.process_time() - cpu


def main() -> None:
    """The process."""
    asyncio.run(RawFanOut().run())


if __name__ == "__main__":
    main()
