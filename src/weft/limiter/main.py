"""The composition root of `weft limiter`."""

import asyncio
import time
from pathlib import Path

from weft.limiter.memory import MemoryStore
from weft.limiter.redis_store import RedisStore
from weft.limiter.server import RateLimitServicer, started
from weft.limiter.tally import Tally


async def run(socket: Path, redis: str = "") -> None:
    """A limiter at a Unix socket until cancelled. `redis` is the URL of the Redis in which it counts; empty: it counts itself."""
    store = RedisStore(redis, time.monotonic) if redis else MemoryStore(time.monotonic)
    tally = Tally()
    await asyncio.to_thread(socket.unlink, missing_ok=True)
    server = await started(str(socket), RateLimitServicer(store, tally))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(tally.run())
            if isinstance(store, MemoryStore):
                tasks.create_task(store.run())
    finally:
        tally.report()
        await server.stop(0.2)
        await store.close()
