"""Wakes whoever waits for a condition whenever something changed."""

import asyncio
from collections.abc import Callable


class Changes:
    """A bell. Waiters look again at what they wait for each time it rings."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Something changed."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def next(self) -> None:
        """Waits for the next ring."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until `condition` holds."""
        while not condition():
            await self.next()
