"""A process that must always run: the control plane, the agent. When it ends it is started again at once."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGTERM

from weft.supervisor.logs import last_lines
from weft.supervisor.processes import Processes
from weft.supervisor.progress import Progress
from weft.supervisor.restart import cause

_SHORT = 2.0


class Kept:
    """One such process. `argv` is asked anew at each start."""

    def __init__(
        self,
        name: str,
        argv: Callable[[], tuple[str, ...]],
        *,
        env: Mapping[str, str],
        folder: Path,
        log: Path,
        processes: Processes,
        progress: Progress,
    ) -> None:
        self._name, self._argv, self._env, self._folder, self._log = name, argv, env, folder, log
        self._processes, self._progress = processes, progress
        self.restarts = 0
        self._stopping = False

    @property
    def pid(self) -> int:
        """Of the process that runs; 0 when none does."""
        running = self._processes.running(self._name)
        return running.pid if running else 0

    async def run(self) -> None:
        """Keeps it running until `stop`. Who ends within two seconds, again and again, is started with pauses up to 2 s."""
        failures = 0
        while not self._stopping:
            self._processes.spawn(self._name, self._argv(), env=self._env, cwd=self._folder, log=self._log)
            ended = await self._processes.ended(self._name)
            if self._stopping:
                return
            failures = failures + 1 if ended.lived < _SHORT else 0
            self.restarts += 1
            detail = last_lines(self._log, 20) if ended.code > 0 and failures in (0, 1, 5) else ()
            self._progress.warn(self._name, f"{cause(ended.code)} and is started again", detail)
            await asyncio.sleep(min(2.0, 0.05 * 2**failures) if failures > 1 else 0)

    async def stop(self, grace: float = 5.0) -> None:
        """Ends it for good."""
        self._stopping = True
        await self._processes.stop(self._name, SIGTERM, grace)
