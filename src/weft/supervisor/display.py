"""What `weft up` shows: a line for each thing that happens, and what the applications write, each with its name before it."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import TextIO

from weft.supervisor.fleet import Fleet
from weft.supervisor.home import Home
from weft.supervisor.logs import Tail
from weft.supervisor.progress import Level, Line

_COLORS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_LEVELS = {Level.INFO: 0, Level.WARNING: 33, Level.ERROR: 31}
_LOOK = 0.2


class Display:
    """Writes to `out`; nothing else does while it lives."""

    def __init__(
        self,
        home: Home,
        fleet: Callable[[], Fleet | None],
        *,
        color: bool,
        json: bool,
        times: bool = False,
        out: TextIO = sys.stdout,
    ) -> None:
        self._home, self._fleet, self._color, self._json, self._out = home, fleet, color, json, out
        self._times = times  # what is read later, in a log, says when
        self._tails: dict[str, Tail] = {}
        self._colors: dict[str, int] = {}
        self._width = 12

    def line(self, line: Line) -> None:
        """Shows that something happened."""
        if self._json:
            self._write(line.json())
            return
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.time)) if self._times else ""
        mark = "" if line.level is Level.INFO else f"{line.level.value}: "
        text = self._painted(mark + line.text, _LEVELS[line.level])
        parts = (when, self._painted("weft", 1), f"{line.source}:" if line.source else "", text)
        self._write(" ".join(part for part in parts if part))
        for more in line.detail:
            self._write(f"       {more}")

    async def run(self) -> None:
        """Shows what applications write, until cancelled. What was in their logs before is not shown."""
        while True:
            self.logs()
            await asyncio.sleep(_LOOK)

    def logs(self) -> None:
        """Shows what was written since the last look."""
        fleet = self._fleet()
        for instance in fleet.all() if fleet else ():
            plan = instance.plan
            if plan.service.gateway:
                continue
            tail = self._tails.get(plan.key)
            if tail is None:
                tail = self._tails[plan.key] = Tail(self._home.log(plan.process))
            for text in tail.lines():
                self._application(plan.name, text)
        self._out.flush()

    def _application(self, name: str, text: str) -> None:
        if self._json:
            import json

            self._write(json.dumps({"source": name, "log": text}))
            return
        self._width = max(self._width, len(name))
        color = self._colors.setdefault(name, _COLORS[len(self._colors) % len(_COLORS)])
        self._write(f"{self._painted(f'{name:<{self._width}} |', color)} {text}")

    def _painted(self, text: str, color: int) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if self._color and color else text

    def _write(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()
