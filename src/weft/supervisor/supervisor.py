"""The loop: puts the parts together, brings the mesh up, keeps it, and takes it down in order."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from signal import SIG_UNBLOCK, pthread_sigmask

from weft.supervisor.application import Application, Service
from weft.supervisor.changes import Changes
from weft.supervisor.config import STOPPING, SupervisorConfig
from weft.supervisor.control import Connection, Control, Json, Op, Refused
from weft.supervisor.display import Display
from weft.supervisor.fleet import Fleet
from weft.supervisor.home import Home
from weft.supervisor.instance import Instance, Surroundings
from weft.supervisor.logs import rotated
from weft.supervisor.operations import Operations
from weft.supervisor.plan import plan
from weft.supervisor.ports import Ports, owner
from weft.supervisor.processes import Ended, Processes
from weft.supervisor.progress import Progress
from weft.supervisor.record import Record
from weft.supervisor.reload import Reload
from weft.supervisor.socket import Splice
from weft.supervisor.startup import StartFailed, Startup

_ENVOYS_LIMIT = 5.0
_LOG_LOOK = 10.0
_TELL = 0.3  # for who waits to hear why


class Supervisor:
    """One mesh on this machine. `environ` is the environment that applications inherit."""

    def __init__(
        self, config: SupervisorConfig, application: Application, home: Home, progress: Progress, environ: Mapping[str, str]
    ) -> None:
        self._config, self._application, self._home = config, application, home
        self._progress, self._environ = progress, environ
        self._changes = Changes()
        self._ports = Ports(str(home.path))
        self._processes = Processes(self._ended)
        self._startup = Startup(config, application, home, self._processes, progress, self._ports, environ)
        self._stopping = asyncio.Event()
        self._started = asyncio.Event()
        self.failure = ""
        self._fleet: Fleet | None = None
        self._operations: Operations | None = None

    async def run(self) -> None:
        """From nothing to a running mesh, until SIGINT, SIGTERM or `weft down`; then down in order."""
        self._processes.watch()
        self._catch_signals()
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._run(tasks)
        finally:
            self._processes.kill_all()

    async def _run(self, tasks: asyncio.TaskGroup) -> None:
        fleet = self._fleet = Fleet(
            self._application,
            make=self._make,
            unmake=self._unmake,
            tasks=tasks,
            changes=self._changes,
            progress=self._progress,
        )
        operations = self._operations = self._new_operations(fleet)
        table = {**operations.table(), "reload": self._reload(fleet), "limiter": self._limit(tasks)}
        display = self._display()
        serving = [
            tasks.create_task(part)
            for part in (
                Splice(self._home.xds_socket, self._home.agent_socket).run(),
                Control(self._home.control_socket, table).run(),
                operations.run(),
                Record(self._config, self._application, self._home, fleet, self._processes, self._startup).run(self._changes),
                self._rotate_logs(),
                *([display.run()] if self._config.foreground else []),
            )
        ]
        fleet.start()
        starting = tasks.create_task(self._start(tasks))
        await self._stopping.wait()
        starting.cancel()
        await self._stop(fleet)
        display.logs()
        for task in serving:
            task.cancel()

    def _new_operations(self, fleet: Fleet) -> Operations:
        return Operations(
            fleet,
            self._processes,
            self._home,
            self._progress,
            self._changes,
            stop=self._stopping.set,
            failure=lambda: self.failure,
            started=self._started.is_set,
        )

    def _limit(self, tasks: asyncio.TaskGroup) -> Op:
        async def limit(_: Connection, __: Json) -> Json:
            self._startup.limit(tasks)
            return {}

        return limit

    def _reload(self, fleet: Fleet) -> Op:
        reload = Reload(self._config, self._application, fleet, self._startup, self._progress, self._environ)

        async def once_it_is_up(connection: Connection, request: Json) -> Json:
            if not self._started.is_set() or self._stopping.is_set():
                raise Refused("the mesh is starting or stopping: try again in a moment")
            return await reload.operation(connection, request)

        return once_it_is_up

    def _display(self) -> Display:
        config = self._config
        as_json, times = config.log_format == "json", not config.foreground
        display = Display(self._home, lambda: self._fleet, color=config.color, json=as_json, times=times)
        self._progress.listen(display.line)
        return display

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOPPING:
            loop.add_signal_handler(number, self._asked_to_stop)
        pthread_sigmask(SIG_UNBLOCK, STOPPING)

    def _asked_to_stop(self) -> None:
        if self._stopping.is_set():  # the second time: at once
            self._progress.warn("", "is stopped without draining")
            self._processes.kill_all()
            os._exit(130)
        self._progress.tell("", "stops: draining (once more to stop at once)")
        self._stopping.set()

    # up

    async def _start(self, tasks: asyncio.TaskGroup) -> None:
        self._progress.tell("", f"mesh {self._application.name} of {self._config.file}; its state is in {self._home.path}")
        try:
            await self._startup.run(tasks)
        except StartFailed as error:
            self.failure = str(error)
            self._progress.error("", self.failure)
            self._changes.ring()
            await asyncio.sleep(_TELL)
            self._stopping.set()
            return
        self._started.set()
        self._changes.ring()
        await self._changes.until(lambda: bool(self._fleet) and all(each.ready for each in self._all()))
        self._progress.tell("", f"everything is ready: kubectl --kubeconfig {self._home.kubeconfig} get services -A")

    def _all(self) -> tuple[Instance, ...]:
        return self._fleet.all() if self._fleet else ()

    async def _admitted(self, instance: Instance) -> None:
        await self._changes.until(self._started.is_set)
        if self._fleet:
            await self._fleet.admitted(instance)

    def _make(self, service: Service, index: int) -> Instance:
        planned = plan(
            service,
            index,
            take=lambda wanted: self._take(service, wanted),
            folder=self._application.folder,
            inherited=self._environ,
            weft=self._config.weft,
            workload_api=self._home.workload_api,
        )
        for port in planned.ports:
            if port.port.target and not self._ports.take_wanted(port.port.target, service.host):
                self._progress.warn(planned.name, f"port {port.port.target} is held by {owner(port.port.target)}")
        return Instance(planned, self._surroundings())

    def _unmake(self, instance: Instance) -> None:
        self._ports.give_back(iter(instance.plan.taken()))
        if self._operations:
            self._operations.tell()

    def _take(self, service: Service, wanted: int) -> int:
        if not wanted or self._ports.take_wanted(wanted, service.host):
            return wanted or self._ports.take(service.host)
        port = self._ports.take(service.host)
        self._progress.warn(service.name, f"port {wanted} is held by {owner(wanted)}: {port} is used instead")
        return port

    def _surroundings(self) -> Surroundings:
        return Surroundings(self._home, self._processes, self._progress, self._changes, self._admitted)

    def _ended(self, ended: Ended) -> None:
        if self._operations:
            self._operations.exited(ended)
        self._changes.ring()

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOG_LOOK)
            for log in self._home.logs.glob("*.log"):
                rotated(log)

    # down

    async def _stop(self, fleet: Fleet) -> None:
        await fleet.stop()
        with suppress(TimeoutError):  # the agent ends the Envoys of instances that are gone
            async with asyncio.timeout(_ENVOYS_LIMIT if self._startup.agent.pid else 0):
                await self._changes.until(lambda: not any(each.name.startswith("envoy/") for each in self._processes.all()))
        await self._startup.stop()
        self._progress.tell("", "is stopped")
