"""Runs a server until SIGTERM or SIGINT, which cancel it."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress


def until_stopped(server: Coroutine[object, object, None]) -> None:
    """Runs `server`; returns when it ends or when it was told to stop."""

    async def stoppable() -> None:
        task = asyncio.ensure_future(server)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(stoppable())
