"""Counts in this process: the store that needs nothing."""

import asyncio
from collections.abc import Callable

from weft.limiter.bucket import Decision, decision
from weft.limiter.store import Counted

_MOST = 1_000_000
"""Buckets that are kept. Of more, those asked longest ago begin anew: somebody asks with made-up names."""

_SWEEP = 10.0  # seconds between two looks for buckets that are full again


class MemoryStore:
    """When each bucket will be full again, those asked last at the end."""

    def __init__(self, now: Callable[[], float], most: int = _MOST) -> None:
        self._now = now
        self._most = most
        self._full: dict[bytes, float] = {}

    async def take(self, buckets: tuple[Counted, ...], hits: int) -> tuple[tuple[Decision, ...], float]:
        """As `Store.take`."""
        now = self._now()
        found = tuple(decision(self._full.get(one.key, 0.0), now, one.quota, hits) for one in buckets)
        passes = all(made.passes or one.shadow for one, made in zip(buckets, found, strict=True))
        for one, made in zip(buckets, found, strict=True):
            if made.passes and (passes or one.shadow):
                self._full.pop(one.key, None)
                self._full[one.key] = made.full
        while len(self._full) > self._most:
            del self._full[next(iter(self._full))]
        return found, now

    async def run(self) -> None:
        """Forgets buckets that are full again, without end."""
        while True:
            await asyncio.sleep(_SWEEP)
            self.sweep()

    def sweep(self) -> None:
        """Forgets them now."""
        now = self._now()
        for key in [key for key, full in self._full.items() if full <= now]:
            del self._full[key]

    @property
    def held(self) -> int:
        """How many buckets it keeps."""
        return len(self._full)

    async def close(self) -> None:
        """Nothing is left to do."""
