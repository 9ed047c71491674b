"""Asks the supervisor for the rate limiter as soon as a RateLimit counts for all proxies together."""

import asyncio
import contextlib
import json
import logging
from pathlib import Path

from weft.model.mesh import Mesh
from weft.model.rate_limit import RateLimit

_log = logging.getLogger("weft.controlplane")
_PAUSE = 1.0  # seconds between two tries


class LimiterClient:
    """Whoever runs the mesh keeps the limiter, so that it outlives the control plane. Without a supervisor somebody else does."""

    def __init__(self, supervisor: Path | None) -> None:
        self._supervisor = supervisor
        self._wanted = asyncio.Event()

    def look(self, mesh: Mesh) -> None:
        """Whether `mesh` needs one."""
        if self._supervisor and not self._wanted.is_set() and needs_limiter(mesh):
            self._wanted.set()

    async def run(self) -> None:
        """Until a limiter has been asked for."""
        await self._wanted.wait()
        while not await self._asked():  # noqa: ASYNC110 - another process, with nothing to wait on
            await asyncio.sleep(_PAUSE)

    async def _asked(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._supervisor))
        except OSError as problem:
            _log.warning("event=no-limiter reason=%r", str(problem))
            return False
        with contextlib.closing(writer):
            writer.write(json.dumps({"id": 1, "op": "limiter"}).encode() + b"\n")
            answer = json.loads(await reader.readline() or b"{}")
        if not answer.get("ok"):
            _log.warning("event=no-limiter reason=%r", answer.get("error", "the supervisor hung up"))
        return bool(answer.get("ok"))


def needs_limiter(mesh: Mesh) -> bool:
    """Whether anything in it is counted for all proxies together."""
    said = (one for guards in mesh.guards.values() for one in guards if isinstance(one, RateLimit))
    return any(limit.is_global for one in said for limit in one.limits)
