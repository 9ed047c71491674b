"""How a process of many parts ends: by a signal, or because one of them failed."""

import asyncio
import signal
from collections.abc import Coroutine, Iterable
from typing import Any


async def until_signalled(parts: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs all of `parts` until a signal comes; when one of them fails, the others end and the failure is raised."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part) for part in parts]
        await stop.wait()
        for task in tasks:
            task.cancel()
