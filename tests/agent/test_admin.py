"""The agent's own pages, over a real socket."""

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

from weft.agent import http1
from weft.agent.admin import Admin


async def test_pages_are_answered_and_others_are_not() -> None:
    """Health and proxies are there; an unknown proxy, an unknown page and another method are refused in words."""
    with tempfile.TemporaryDirectory(prefix="weft-t-") as folder:
        socket = Path(folder) / "admin.sock"
        admin = Admin(list, lambda key: None, lambda: [("weft_x", "gauge", "An x.", 1.0)])
        task = asyncio.create_task(admin.run(socket, ""))
        while not socket.exists():
            await asyncio.sleep(0.01)
        assert (await http1.get(socket, "/healthz")).body == b"ok\n"
        assert (await http1.get(socket, "/proxies")).body == b"[]"
        assert b"weft_x 1" in (await http1.get(socket, "/metrics")).body
        assert (await http1.get(socket, "/proxies/a/b/config_dump")).status == 404
        assert (await http1.get(socket, "/quitquitquit")).status == 404
        assert (await http1.get(socket, "/healthz", method="POST")).status == 405
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
