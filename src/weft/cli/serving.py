"""What a server process needs around it: room for connections, one log, and an orderly end."""

import asyncio
import os
import resource
import signal
from collections.abc import Coroutine
from contextlib import suppress


def prepare() -> None:
    """Call it before gRPC is imported. Raises the limit of open files to what the system allows (each connection is one),
    and leaves the logging of failed handshakes to us: gRPC's core would print a line for every one."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(65_536, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def until_stopped(server: Coroutine[object, object, None]) -> None:
    """Runs `server`; returns when it ends or when it was told to stop."""

    async def stoppable() -> None:
        task = asyncio.ensure_future(server)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(stoppable())
