"""One instance while it lives: waits for its sidecar and for what it depends on, runs its application, and drains before it ends.

WAITING -> STARTING -> READY <-> UNHEALTHY      (the agent says which)
   any  -> RESTARTING -> STARTING               (it ended, and its policy says again)
   any  -> COMPLETED | FAILED                   (it ended, and its policy says no more)
   any  -> DRAINING -> gone                     (`stop`)
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from signal import Signals
from typing import Any

from weft.supervisor.address import shown
from weft.supervisor.changes import Changes
from weft.supervisor.home import Home
from weft.supervisor.logs import last_lines, size
from weft.supervisor.plan import Plan
from weft.supervisor.processes import Ended, Processes
from weft.supervisor.progress import Progress
from weft.supervisor.restart import GIVEN_UP, SETTLED, again, cause, delay

_LAST_LINES = 20
_SLOW_AGENT = 3.0  # seconds beyond the time to drain, for an agent that is just being started again
_PROOF = 1.0
"""Who is not checked is ready when it has lived so many seconds: one that cannot start ends before."""


class Phase(Enum):
    """Where an instance is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    RESTARTING = "restarting"
    DRAINING = "draining"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an instance needs of the supervisor. `admitted` waits until its application may start."""

    home: Home
    processes: Processes
    progress: Progress
    changes: Changes
    admitted: Callable[["Instance"], Awaitable[None]]


class Instance:
    """One instance."""

    def __init__(self, plan: Plan, around: Surroundings) -> None:
        self.plan = plan
        self.phase = Phase.WAITING
        self.reason = ""
        self.failure = ""
        self.restarts = 0
        self.exit_code: int | None = None
        self.bound: dict[str, int] = {}
        self.asked: dict[str, str] = {}
        self.findings: dict[str, dict[str, Any]] = {}
        self._around = around
        self._healthy = False
        self._was_ready = False
        self._failures = 0
        self._log_start = 0
        self._sidecar = asyncio.Event()
        self._drained = asyncio.Event()
        self._stop = asyncio.Event()
        self.gone = asyncio.Event()

    @property
    def pid(self) -> int:
        """The application's; 0 while it does not run."""
        running = self._around.processes.running(self.plan.process)
        return running.pid if running else 0

    @property
    def ready(self) -> bool:
        """Whether it serves, or has done what it was to do."""
        return self.phase in (Phase.READY, Phase.COMPLETED)

    @property
    def sidecar_ready(self) -> bool:
        """Whether its Envoy runs with its listeners."""
        return self._sidecar.is_set()

    @property
    def why(self) -> str:
        """Why it is not ready, in the words of who knows best; empty when nothing is wrong."""
        if self.failure:
            return self.failure
        if self.phase is Phase.WAITING:  # the agent only sees that the application does not run
            return "what it depends on is not ready" if self.sidecar_ready else "its sidecar is not ready"
        if self.phase is Phase.RESTARTING and self.exit_code is not None:
            return cause(self.exit_code)
        return self.reason

    @property
    def message(self) -> dict[str, Any]:
        """The instance as the agent is told of it."""
        return self.plan.message("drain" if self.phase is Phase.DRAINING else "run", self.pid)

    # what the agent says

    def sidecar_is_ready(self) -> None:
        """The application may start."""
        self._sidecar.set()
        self._around.changes.ring()

    def health(self, healthy: bool, reason: str) -> None:
        """The agent looked at the application. Of one that is not checked it knows nothing."""
        if self.plan.checked:
            self._found(healthy, reason)

    def _found(self, healthy: bool, reason: str) -> None:
        self._healthy, self.reason = healthy, "" if healthy else reason
        if self.phase in (Phase.STARTING, Phase.UNHEALTHY, Phase.READY) and self.pid:
            self._judge()
        self._around.changes.ring()

    def is_drained(self) -> None:
        """No request comes any more."""
        self._drained.set()

    # its life

    async def run(self) -> None:
        """Lives until `stop`, and until nothing of it runs."""
        life = asyncio.create_task(self._live())
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
            if life.done():
                life.result()  # our bug: raises
            await self._drain()
        finally:
            life.cancel()
            stop.cancel()
            self.gone.set()
            self._around.changes.ring()

    async def stop(self) -> None:
        """Drains, then ends the application; returns when it is gone."""
        self._stop.set()
        await self.gone.wait()

    async def _live(self) -> None:
        await self._sidecar.wait()
        await self._around.admitted(self)
        if self.plan.service.gateway:
            self._enter(Phase.READY)
            await self._for_ever()
        while True:
            ended = await self._run_once()
            if self._stop.is_set():
                return await self._for_ever()
            if not self._goes_on(ended):
                return await self._for_ever()
            self._enter(Phase.RESTARTING)
            await asyncio.sleep(delay(self._failures))
            self.restarts += 1

    async def _for_ever(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def _run_once(self) -> Ended:
        plan, around = self.plan, self._around
        self.failure = ""
        log = around.home.log(plan.process)
        self._log_start = size(log)
        try:
            around.processes.spawn(plan.process, plan.argv, env=plan.environment, cwd=plan.folder, log=log)
        except OSError as error:
            place = f" in {plan.folder}" if not plan.folder.is_dir() else ""
            with log.open("a") as file:
                file.write(f"weft: cannot start {plan.argv[0]!r}{place}: {error.strerror}\n")
            return Ended(plan.process, 0, 127, 0.0)
        self._enter(Phase.STARTING)
        self._judge()
        proof = asyncio.get_running_loop().call_later(_PROOF, self._found, True, "") if not plan.checked else None
        try:
            return await around.processes.ended(plan.process)
        finally:
            if proof:
                proof.cancel()

    def _goes_on(self, ended: Ended) -> bool:
        """Takes note of the end, says it, and whether the application is started again."""
        service, code = self.plan.service, ended.code
        self.exit_code, self._healthy = code, False
        self._failures = (0 if ended.lived >= SETTLED else self._failures) + (1 if code else 0)
        repeat = again(service.restart, service.restart_limit, code, self._failures) and ended.pid != 0
        text = self._cause(ended) + (f", is started again in {delay(self._failures):g} s" if repeat else "")
        if code:
            detail = last_lines(self._around.home.log(self.plan.process), _LAST_LINES, since=self._log_start)
            self._around.progress.error(self.plan.name, text, detail)
            if not repeat or (self._failures >= GIVEN_UP and not self._was_ready):
                self.failure = self._cause(ended)
        elif not repeat:
            self._around.progress.tell(self.plan.name, text)
        if not repeat:
            self.reason = self._cause(ended)
            self._enter(Phase.FAILED if code else Phase.COMPLETED)
        return repeat

    def _cause(self, ended: Ended) -> str:
        return cause(ended.code) if ended.pid else "cannot be started"

    def _judge(self) -> None:
        if self._healthy:
            self._enter(Phase.READY)
        elif self._was_ready and self.phase is not Phase.STARTING:
            self._enter(Phase.UNHEALTHY)

    def _enter(self, phase: Phase) -> None:
        if phase is self.phase:
            return
        if phase is Phase.READY:
            self._was_ready = True
            self._around.progress.tell(self.plan.name, "is ready" + self._place())
        elif phase is Phase.UNHEALTHY:
            self._around.progress.warn(self.plan.name, f"is unhealthy: {self.reason}" if self.reason else "is unhealthy")
        self.phase = phase
        self._around.changes.ring()

    def _place(self) -> str:
        host = self.plan.service.host
        places = ", ".join(f"{port.port.name} on {shown(host, port.application)}" for port in self.plan.ports)
        return f" ({places})" if places else ""

    async def _drain(self) -> None:
        served = self._sidecar.is_set()
        self._enter(Phase.DRAINING)
        if served and not self._drained.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), self.plan.service.stop_grace + _SLOW_AGENT)
        service = self.plan.service
        await self._around.processes.stop(self.plan.process, Signals[service.stop_signal], service.stop_grace)
