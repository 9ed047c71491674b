"""What may be asked at the control socket: by the agent (`agent` to `finding`) and by the CLI (`ps` to `events`)."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any

from weft.protocol import protocol
from weft.supervisor.address import shown
from weft.supervisor.changes import Changes
from weft.supervisor.control import Connection, Json, Op, Refused
from weft.supervisor.fleet import CannotReplace, Fleet
from weft.supervisor.home import Home
from weft.supervisor.instance import Instance, Phase
from weft.supervisor.logs import last_lines
from weft.supervisor.plan import PortPlan
from weft.supervisor.processes import Ended, Processes
from weft.supervisor.progress import Level, Line, Progress

_MOST_REPLICAS = 500


class Operations:
    """The operations, over the state of one supervisor. `stop` asks for the whole mesh to go down; `failure` is why it cannot
    come up, empty while it can."""

    def __init__(
        self,
        fleet: Fleet,
        processes: Processes,
        home: Home,
        progress: Progress,
        changes: Changes,
        *,
        stop: Callable[[], None],
        failure: Callable[[], str],
        started: Callable[[], bool],
    ) -> None:
        self._fleet, self._processes, self._home = fleet, processes, home
        self._progress, self._changes = progress, changes
        self._stop, self._failure, self._started = stop, failure, started
        self._agents: list[Connection] = []
        self._told: list[Json] = []

    def table(self) -> Mapping[str, Op]:
        """The operations by name."""
        return {
            "agent": self._agent,
            "spawn": self._spawn,
            "kill": self._kill,
            "processes": self._list_processes,
            "ready": self._ready,
            "health": self._health,
            "drained": self._drained,
            "bound": self._bound,
            "finding": self._finding,
            "asked": self._asked,
            "ps": self._ps,
            "stop": self._stop_all,
            "restart": self._restart,
            "scale": self._scale,
            "env": self._env,
            "wait": self._wait,
            "events": self._events,
        }

    # to the agent, unasked

    async def run(self) -> None:
        """Tells the agent the list of instances whenever it is another one."""
        while True:
            self.tell()
            await self._changes.next()

    def tell(self) -> None:
        """Tells the agent the list of instances, if it is another one than it was told last."""
        workloads = self._workloads()
        if workloads != self._told:
            self._told = workloads
            for agent in self._agents:
                agent.send({"event": "workloads", "workloads": workloads})

    def exited(self, ended: Ended) -> None:
        """Tells the agent that a process ended."""
        for agent in self._agents:
            agent.send({"event": "exited", "name": ended.name, "code": ended.code})

    def _workloads(self) -> list[Json]:
        return [instance.message for instance in self._fleet.all()]

    # the agent

    async def _agent(self, connection: Connection, _: Json) -> Json:
        self._agents.append(connection)
        connection.closed.append(lambda: self._agents.remove(connection))
        return {"workloads": self._workloads()}

    async def _spawn(self, _: Connection, request: Json) -> Json:
        name, argv = str(request["name"]), [str(word) for word in request["argv"]]
        log = Path(request.get("log") or self._home.log(name))
        folder = Path(request.get("cwd") or self._home.path)
        try:
            process = self._processes.spawn(name, argv, env=request.get("env") or {}, cwd=folder, log=log)
        except OSError as error:
            raise Refused(f"{argv[0]} cannot be started: {error.strerror}") from error
        return {"pid": process.pid}

    async def _kill(self, _: Connection, request: Json) -> Json:
        name = str(request["name"])
        if not name.startswith("envoy/"):
            raise Refused(f"{name} is not the agent's to end")
        number = Signals[f"SIG{request.get('signal', 'TERM')}"] if request.get("signal") else SIGTERM
        await self._processes.stop(name, number, float(request.get("grace", 5.0)))
        return {}

    async def _list_processes(self, _: Connection, __: Json) -> Json:
        found = self._processes.all()
        return {"processes": [{"name": each.name, "pid": each.pid, "started": each.started} for each in found]}

    def _instance(self, request: Json) -> Instance:
        instance = self._fleet.by_key(str(request["instance"]))
        if instance is None:
            raise Refused(f"there is no instance {request['instance']}")
        return instance

    async def _ready(self, _: Connection, request: Json) -> Json:
        self._instance(request).sidecar_is_ready()
        return {}

    async def _health(self, _: Connection, request: Json) -> Json:
        self._instance(request).health(request["health"] == "healthy", str(request.get("reason") or ""))
        return {}

    async def _drained(self, _: Connection, request: Json) -> Json:
        self._instance(request).is_drained()
        return {}

    async def _bound(self, _: Connection, request: Json) -> Json:
        instance, owners = self._instance(request), request.get("owner") or {}
        ports = {port: int(bound) for port, bound in request["ports"].items()}
        instance.bound = {port: bound for port, bound in instance.bound.items() if port in ports}
        for port, bound in ports.items():
            if instance.bound.get(port) != bound:
                instance.bound[port] = bound
                self._say_bound(instance, port, bound, str(owners.get(port) or ""))
        self._changes.ring()
        return {}

    def _say_bound(self, instance: Instance, port: str, bound: int, owner: str) -> None:
        place = f"listens on {shown(instance.plan.service.gateway_host, bound)}"
        asked = port.removesuffix("/udp")
        if str(bound) == asked:
            self._progress.tell(instance.plan.name, place)
        else:
            unowned = " without privileges" if int(asked) < 1024 else ""
            why = f"port {port} is held by {owner}" if owner else f"port {port} cannot be bound{unowned}"
            self._progress.warn(instance.plan.name, f"{place}: {why}")

    async def _finding(self, _: Connection, request: Json) -> Json:
        instance = self._instance(request)
        known = instance.findings.get(str(request["code"]))
        found = {name: str(request.get(name) or "") for name in ("code", "message", "hint")}
        if known != found:
            instance.findings[found["code"]] = found
            hint = (f"hint: {found['hint']}",) if found["hint"] else ()
            self._progress.warn(instance.plan.name, f"{found['code']}: {found['message']}", hint)
        return {}

    async def _asked(self, _: Connection, request: Json) -> Json:
        instance = self._instance(request)
        instance.asked = {str(name): str(said) for name, said in request["ports"].items()}
        self._changes.ring()
        return {}

    # the CLI

    async def _ps(self, _: Connection, __: Json) -> Json:
        return {"instances": [self._line(instance) for instance in self._fleet.all()]}

    def _line(self, instance: Instance) -> Json:
        plan, process = instance.plan, self._processes.running(instance.plan.process)
        sidecar = self._processes.running(f"envoy/{plan.key}")
        return {
            "name": plan.name,
            "namespace": plan.service.namespace,
            "service": plan.service.name,
            "meshService": plan.service.service,
            "version": plan.service.version,
            "serviceAccount": plan.service.service_account,
            "gateway": plan.service.gateway,
            "state": instance.phase.value,
            "ready": instance.ready,
            "reason": instance.why,
            "restarts": instance.restarts,
            "exitCode": instance.exit_code,
            "pid": instance.pid,
            "started": process.started if process else None,
            "sidecarPid": sidecar.pid if sidecar else 0,
            "sidecarReady": instance.sidecar_ready,
            "host": plan.service.host,
            "httpProxy": plan.http_proxy,
            "ports": [_port(each, instance.asked) for each in plan.ports],
            "gatewayPorts": instance.bound,
            "findings": list(instance.findings.values()),
        }

    async def _stop_all(self, _: Connection, __: Json) -> Json:
        self._stop()
        return {}

    def _service(self, request: Json) -> str:
        name = str(request["service"])
        if self._fleet.service(name) is None:
            known = ", ".join(service.name for service in self._fleet.services())
            raise Refused(f"there is no service {name} in this file: it has {known}")
        return name

    async def _restart(self, _: Connection, request: Json) -> Json:
        try:
            await self._fleet.restart(self._service(request), float(request.get("limit") or 60.0))
        except CannotReplace as error:
            raise Refused(f"{error}: the old instances go on") from error
        return {}

    async def _scale(self, _: Connection, request: Json) -> Json:
        name, replicas = self._service(request), int(request["replicas"])
        service = self._fleet.service(name)
        if not 0 <= replicas <= _MOST_REPLICAS:
            raise Refused(f"replicas are between 0 and {_MOST_REPLICAS}")
        if replicas > 1 and service and any(port.target for port in service.ports):
            raise Refused(f"{name} listens on a fixed port (targetPort): only one instance can")
        await self._fleet.scale(name, replicas)
        return {}

    async def _env(self, _: Connection, request: Json) -> Json:
        name = str(request.get("instance") or request.get("service") or "")
        found = self._fleet.named(name)
        if not found:
            known = ", ".join(service.name for service in self._fleet.services())
            raise Refused(f"there is no service or instance {name}\n  hint: there are {known}")
        best = next((each for each in found if each.ready), found[0])
        return {"instance": best.plan.key, "env": dict(best.plan.environment), "cwd": str(best.plan.folder)}

    async def _wait(self, _: Connection, request: Json) -> Json:
        """Answers when everything is ready, or something failed, or after `limit` seconds."""
        service = str(request.get("service") or "")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(float(request.get("limit") or 60.0)):
                await self._changes.until(lambda: bool(self._failure()) or self._settled(service))
        late = [each for each in self._awaited(service) if not each.ready]
        failed = [self._failed(each) for each in late if each.failure] or [self._failed(each) for each in late]
        ready = self._started() and not failed and not self._failure()
        return {"ready": ready, "failed": failed, "problem": self._failure()}

    def _awaited(self, service: str) -> list[Instance]:
        drains = Phase.DRAINING
        return [each for each in self._fleet.all() if each.phase is not drains and service in ("", each.plan.service.name)]

    def _settled(self, service: str) -> bool:
        awaited = self._awaited(service)
        return self._started() and (all(each.ready for each in awaited) or any(each.failure for each in awaited))

    def _failed(self, instance: Instance) -> Json:
        plan = instance.plan
        reason = instance.why or "is not healthy yet"
        name = plan.process if instance.sidecar_ready and not plan.service.gateway else f"envoy/{plan.key}"
        return {"instance": plan.name, "reason": reason, "log": last_lines(self._home.log(name), 20)}

    async def _events(self, connection: Connection, request: Json) -> Json:
        """Answers with the lines so far, and sends each further one as an event."""

        def send(line: Line) -> None:
            connection.send({"event": "progress", **line.message()})

        connection.closed.append(self._progress.listen(send))
        lines = [] if request.get("only_new") else [line.message() for line in self._progress.lines]
        return {"lines": lines}


def _port(of: PortPlan, asked: Mapping[str, str]) -> Json:
    """A port for people. `protocol` is what is spoken as far as it is known, `asked` whether the application said it."""
    return {
        "name": of.port.name,
        "port": of.port.number,
        "application": of.application,
        "sidecar": of.listen,
        "protocol": asked.get(of.port.name, "") if of.port.undeclared else protocol(of.port.protocol).value,
        "asked": of.port.undeclared and of.port.name in asked,
    }


def level_of(text: str) -> Level:
    """The level in a message of the control socket."""
    return Level(text)


def told(message: Mapping[str, Any]) -> Line:
    """The line in a message of the control socket."""
    return Line(
        float(message["time"]),
        level_of(str(message["level"])),
        str(message["source"]),
        str(message["text"]),
        tuple(message.get("detail", ())),
    )
