"""A supervisor for tests: the real control socket and held xDS socket, with instances given by the test.

Its children are its own: the real supervisor runs Python between fork and exec, which a process with gRPC in it cannot.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any

from weft.supervisor.control import Connection, Control, Json
from weft.supervisor.processes import Process
from weft.supervisor.socket import Splice


class Children:
    """Processes by name, each in a group of its own."""

    def __init__(self, ended: Callable[[str, int], None]) -> None:
        self._told = ended
        self._running: dict[str, tuple[Process, asyncio.Task[None]]] = {}

    async def spawn(self, name: str, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> Process:
        """Starts one, unless it runs."""
        if name in self._running:
            return self._running[name][0]
        with log.open("ab") as output:
            child = await asyncio.create_subprocess_exec(
                *argv,
                env=dict(env),
                cwd=cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        process = Process(name, child.pid, time.time())
        self._running[name] = (process, asyncio.create_task(self._await(name, child)))
        return process

    async def _await(self, name: str, child: asyncio.subprocess.Process) -> None:
        code = await child.wait()
        del self._running[name]
        self._told(name, code)

    def running(self, name: str) -> Process | None:
        """The one of that name."""
        return self._running[name][0] if name in self._running else None

    def all(self) -> tuple[Process, ...]:
        """All that run."""
        return tuple(process for process, _ in self._running.values())

    def signal(self, name: str, number: Signals) -> None:
        """To its whole group."""
        if process := self.running(name):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    async def stop(self, name: str, number: Signals, grace: float) -> None:
        """Asks, then kills."""
        if name not in self._running:
            return
        task = self._running[name][1]
        self.signal(name, number)
        if not (await asyncio.wait({task}, timeout=grace))[0]:
            self.signal(name, SIGKILL)
            await asyncio.wait({task})

    async def kill_all(self) -> None:
        """Kills all, and waits for it."""
        await asyncio.gather(*(self.stop(name, SIGKILL, 5.0) for name in tuple(self._running)))


class Supervisor:
    """Holds `run`; `said` is what the agent told it, as (op, instance or name)."""

    def __init__(self, run: Path, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.run_folder = run
        self.path = run / "supervisor.sock"
        self.instances: dict[str, Json] = {}
        self.said: list[Json] = []
        self.processes = Children(self.tell_exited)
        self._agents: list[Connection] = []
        self._told = asyncio.Condition()
        names = ("ready", "health", "drained", "bound", "finding")
        ops = dict.fromkeys(names, self._note)
        self._control = Control(
            self.path, ops | {"agent": self._agent, "spawn": self._spawn, "kill": self._kill, "processes": self._list}
        )

    async def run(self) -> None:
        """Serves until cancelled, then ends every child."""
        try:
            await asyncio.gather(self._control.run(), Splice(self.run_folder / "xds.sock", self.run_folder / "agent.sock").run())
        finally:
            await self.processes.kill_all()

    def put(self, instance: Json) -> None:
        """An instance is there, or changed."""
        self.instances[f"{instance['namespace']}/{instance['name']}"] = instance
        self.tell()

    def remove(self, key: str) -> None:
        """An instance is no more."""
        del self.instances[key]
        self.tell()

    async def hears(self, op: str, timeout: float = 15.0, **words: Any) -> Json:
        """Waits until the agent said `op` with these words, now or before."""
        async with asyncio.timeout(timeout), self._told:
            while True:
                for message in reversed(self.said):
                    if message["op"] == op and words.items() <= message.items():
                        return message
                await self._told.wait()

    async def _agent(self, connection: Connection, _: Json) -> Json:
        self._agents.append(connection)
        connection.closed.append(lambda: self._agents.remove(connection))
        return {"workloads": list(self.instances.values())}

    async def _spawn(self, _: Connection, request: Json) -> Json:
        process = await self.processes.spawn(
            request["name"],
            request["argv"],
            env={**os.environ, **request["env"]},
            cwd=Path(request["cwd"]),
            log=Path(request["log"]),
        )
        return {"pid": process.pid}

    async def _kill(self, _: Connection, request: Json) -> Json:
        await self.processes.stop(request["name"], Signals[f"SIG{request['signal']}"], request["grace"])
        return {}

    async def _list(self, _: Connection, __: Json) -> Json:
        return {"processes": [{"name": each.name, "pid": each.pid, "started": each.started} for each in self.processes.all()]}

    async def _note(self, _: Connection, request: Json) -> Json:
        async with self._told:
            self.said.append(request)
            self._told.notify_all()
        return {}

    def tell(self) -> None:
        """The list, to every agent."""
        for agent in self._agents:
            agent.send({"event": "workloads", "workloads": list(self.instances.values())})

    def tell_exited(self, name: str, code: int) -> None:
        """A process ended."""
        for agent in self._agents:
            agent.send({"event": "exited", "name": name, "code": code})
