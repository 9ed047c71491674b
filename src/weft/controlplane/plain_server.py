"""Plain HTTP on a loopback address, for Prometheus."""

import asyncio
import contextlib
import socket

from starlette.types import ASGIApp
from uvicorn import Config, Server

from weft.model.workload import Address


class PlainServer:
    """Serves `app` at `address` (port 0: a free one). `listen`, then `run` until it is cancelled."""

    def __init__(self, app: ASGIApp, address: Address) -> None:
        self._address = address
        config = Config(
            app, lifespan="off", ws="none", access_log=False, log_config=None, proxy_headers=False, server_header=False
        )
        self._server = _Server(config)
        self._socket: socket.socket | None = None

    def listen(self) -> Address:
        """Binds, and says where. Raises OSError."""
        family = socket.AF_INET6 if ":" in self._address.host else socket.AF_INET
        self._socket = socket.create_server((self._address.host, self._address.port), family=family)
        return Address(*self._socket.getsockname()[:2])

    async def run(self) -> None:
        """Serves until cancelled."""
        assert self._socket
        try:
            await self._server.serve(sockets=[self._socket])
        except asyncio.CancelledError:
            self._server.should_exit = True
            raise


class _Server(Server):
    """uvicorn's server without its hold on the process's signals."""

    def install_signal_handlers(self) -> None:
        """None."""

    def capture_signals(self):  # type: ignore[no-untyped-def]
        """None."""
        return contextlib.nullcontext()
