"""The agent's composition root: what it is made of, and the tasks it runs.

It begins by asking the supervisor what there is, and lets nobody hear of it before it knows the state of every instance: a
first report that is too early would tell the control plane that all of them are gone.
"""

import asyncio
import logging
import shutil
import time
from contextlib import suppress
from pathlib import Path

from weft.agent import http1, stats
from weft.agent.admin import Admin, ProxyStatus
from weft.agent.calls import Calls
from weft.agent.certificates import Certificates
from weft.agent.config import AgentConfig
from weft.agent.enrollment_client import EnrollmentClient
from weft.agent.envoy_process import process_name
from weft.agent.gateway_ports import Choice, Ports
from weft.agent.held import HeldFiles
from weft.agent.inspection import Inspection, Target
from weft.agent.instance import Instance
from weft.agent.limits import Limits
from weft.agent.node_client import NodeClient
from weft.agent.pins import Pins
from weft.agent.probes import Probes
from weft.agent.proxy_session import Rebind
from weft.agent.proxy_settings import ProxySettings
from weft.agent.registry_client import RegistryClient, Telemetry
from weft.agent.supervisor_client import Exited, SupervisorClient, Workloads
from weft.agent.workload_api.attestation import Applications
from weft.agent.workload_api.server import WorkloadApi
from weft.agent.workloads import Node, Workload
from weft.agent.xds_relay import XdsRelay
from weft.envoy.binary import binary, version
from weft.envoy.names import CALLS_SHARE
from weft.envoy.types import CLUSTER
from weft.proto import node_pb2

LOG = logging.getLogger(__name__)
_PLAINTEXT = 0.5  # seconds between two reports of plaintext at least
_SHARES = 1.0  # seconds between two looks at how much Envoys tell of calls
_OBSERVATION = 5.0  # seconds between two looks at what the Envoys counted
_FIRST_OBSERVATIONS = 0.4  # seconds, while somebody may look at what has just begun
_EAGER = 6.0  # seconds, after which the control plane has said it again: three heartbeats
_FRESH = 15.0  # seconds after an instance came in which somebody waits to see its traffic: then looks come faster
_PER_PROXY = ("keys", "held", "envoy", "ports")  # folders with a file or folder for each
_FIRST_STATES = 3.0  # seconds after which the first report goes out, whatever is still unknown


async def run(config: AgentConfig) -> None:
    """Runs the node's agent until cancelled. Raises OSError and envoy.binary.EnvoyNotFound for what cannot begin."""
    config.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    envoy = binary(config.envoy or None)
    agent = Agent(
        config,
        Node(
            config=config,
            supervisor=SupervisorClient(Path(config.supervisor)),
            certificates=(certificates := Certificates(config, EnrollmentClient(config.control_plane, Path(config.trust)))),
            client=(client := NodeClient(config.control_plane)),
            registry=(registry := RegistryClient(client, certificates.trust, on_trust=certificates.take)),
            relay=XdsRelay(config.socket, certificates, client, registry, HeldFiles(config.directory / "held"), calls := Calls()),
            binary=envoy,
            envoy_version=await asyncio.to_thread(version, envoy),
            pins=Pins(config.directory / "asked.json"),
            probes=Probes(config.directory / "probes.bin"),
            settings=ProxySettings(config.directory / "proxies.bin"),
        ),
        calls,
    )
    certificates.connect(client, client.use)
    registry.on_unheard = certificates.renew_node
    await agent.run()


def sweep(directory: Path, proxies: frozenset[str]) -> None:
    """Removes what is kept of proxies that are no more: an agent that was killed could not."""
    kept = {proxy.replace("/", "_") for proxy in proxies} | {"node"}
    for folder in _PER_PROXY:
        for path in (directory / folder).glob("*"):
            if path.name.rpartition(".")[0] not in kept and path.name not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


class Agent:
    """All instances of the node, and the tasks that serve them."""

    def __init__(self, config: AgentConfig, node: Node, calls: Calls) -> None:
        self._config = config
        self._calls = calls
        self._node = node
        self._workloads: dict[str, Workload] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._ports: dict[str, Ports] = {}
        self._fresh_until = 0.0
        self._limits = Limits()
        self._applications = Applications()
        self._look = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        node.relay.rebind = self._rebind
        node.registry.on_lost = calls.restore
        node.registry.on_probes = self._probes_changed
        self._inspection = Inspection(config, node.certificates, self._looked_at, self._sighted)
        node.registry.on_look = self._inspection.ask
        node.registry.on_settings = self._settings_changed
        node.registry.on_eager = self._look_often

    async def run(self) -> None:
        """Everything, until cancelled."""
        node = self._node
        node.certificates.load()
        admin = Admin(self.proxies, self._admin_socket, self._numbers)
        async with self._tasks as tasks:
            tasks.create_task(node.supervisor.run())
            tasks.create_task(node.certificates.run())
            tasks.create_task(admin.run(self._config.admin_socket, self._config.metrics))
            await self._begin()
            tasks.create_task(node.relay.run())
            tasks.create_task(self._workload_api().run())
            tasks.create_task(self._observe_envoys())
            tasks.create_task(self._share_calls())
            tasks.create_task(self._inspection.run())
            tasks.create_task(self._tell_plaintext())
            tasks.create_task(self._follow_supervisor())
            await self._first_states()
            tasks.create_task(node.registry.run())

    def _workload_api(self) -> WorkloadApi:
        node = self._node
        exists = self._workloads.__contains__
        return WorkloadApi(self._config.workload_api, node.certificates, node.client, self._applications, exists)

    # Instances

    async def _begin(self) -> None:
        event = await self._node.supervisor.events.get()
        pids = {process.name: process.pid for process in await self._node.supervisor.processes()}
        if isinstance(event, Workloads):
            self._apply(event.workloads, pids)
        await asyncio.to_thread(sweep, self._config.directory, frozenset(self._workloads))
        for name in pids:
            if name.startswith("envoy/") and name.removeprefix("envoy/") not in self._workloads:
                await self._node.supervisor.kill(name, grace=2.0)

    async def _first_states(self) -> None:
        try:
            async with asyncio.timeout(_FIRST_STATES):
                await asyncio.gather(*(workload.started.wait() for workload in self._workloads.values()))
        except TimeoutError:
            LOG.warning("instances not looked at in time")

    async def _follow_supervisor(self) -> None:
        while True:
            match await self._node.supervisor.events.get():
                case Workloads(workloads):
                    self._apply(workloads, {})
                case Exited(name, code):
                    self._exited(name, code)

    def _exited(self, name: str, code: int) -> None:
        for key, workload in self._workloads.items():
            if name == process_name(key):
                workload.envoy_exited(code)
            elif name in (key, f"app/{key}"):
                workload.application_exited(code)

    def _apply(self, instances: tuple[Instance, ...], pids: dict[str, int]) -> None:
        wanted = {instance.key: instance for instance in instances}
        for key in self._workloads.keys() - wanted.keys():
            leave = self._leave(key, self._workloads.pop(key), self._lives.pop(key))
            self._leaving[key] = self._tasks.create_task(leave)
        for key, instance in wanted.items():
            if key in self._workloads:
                self._workloads[key].update(instance)
            else:
                self._enter(instance, pids.get(process_name(key), 0))
        self._applications.update({instance.pid: key for key, instance in wanted.items() if instance.pid})

    def _enter(self, instance: Instance, pid: int) -> None:
        workload = Workload(self._node, instance)
        workload.envoy.pid = pid
        self._workloads[instance.key] = workload
        self._fresh_until = time.monotonic() + _FRESH
        if instance.gateway:
            self._ports[instance.key] = self._gateway_ports(workload)
        self._lives[instance.key] = self._tasks.create_task(self._live(workload, self._leaving.get(instance.key)))

    async def _live(self, workload: Workload, predecessor: asyncio.Task[None] | None) -> None:
        if predecessor:
            await asyncio.wait({predecessor})
        await workload.run()

    async def _leave(self, key: str, workload: Workload, life: asyncio.Task[None]) -> None:
        life.cancel()
        await asyncio.wait({life})
        await workload.gone()
        self._calls.forget(key)
        if key not in self._workloads:
            self._ports.pop(key, None)
        if self._leaving.get(key) is asyncio.current_task():
            del self._leaving[key]

    # Gateways

    def _gateway_ports(self, workload: Workload) -> Ports:
        key = workload.instance.key
        path = self._config.directory / "ports" / f"{key.replace('/', '_')}.json"
        return Ports(path, lambda pid: pid == workload.envoy.pid, lambda choices: self._bound(key, choices))

    def _bound(self, key: str, choices: dict[str, Choice]) -> None:
        ports = {port: choice.port for port, choice in choices.items()}
        owners = {port: choice.owner for port, choice in choices.items() if choice.owner}
        for port, choice in choices.items():
            if str(choice.port) != port.removesuffix("/udp"):
                LOG.warning("gateway port moved proxy=%s port=%s bound=%d owner=%r", key, port, choice.port, choice.owner)
        self._tasks.create_task(self._node.supervisor.tell("bound", instance=key, ports=ports, owner=owners))

    def _rebind(self, key: str) -> Rebind | None:
        ports = self._ports.get(key)
        if ports is not None:
            ports.fresh()
        return ports

    def _probes_changed(self, said: node_pb2.Probes) -> None:
        self._node.probes.take(said)
        for workload in self._workloads.values():
            workload.probe_changed()

    def _settings_changed(self, said: node_pb2.AllProxySettings) -> None:
        self._node.settings.take(said)
        for workload in self._workloads.values():
            self._tasks.create_task(workload.settings_changed())

    # What is seen

    def _looked_at(self) -> list[Target]:
        return [
            Target(key, workload.envoy.identity, tuple(port.listen for port in workload.instance.inbound))
            for key, workload in sorted(self._workloads.items())
        ]

    def _sighted(self, sightings: list[node_pb2.Sighting]) -> None:
        self._node.registry.sightings = sightings
        self._node.registry.hasten()

    def _admin_socket(self, key: str) -> Path | None:
        workload = self._workloads.get(key)
        return workload.envoy.admin if workload else None

    def proxies(self) -> list[ProxyStatus]:
        """All proxies, sorted by name."""
        return [self._status(workload) for _, workload in sorted(self._workloads.items())]

    def _status(self, workload: Workload) -> ProxyStatus:
        key, node = workload.instance.key, self._node
        stream, identity, ports = node.relay.streams.get(key), node.certificates.of(key), self._ports.get(key)
        return ProxyStatus(
            proxy=key,
            service=workload.instance.service,
            gateway=workload.instance.gateway,
            status=workload.status,
            connected=stream is not None,
            synced=stream is not None and stream.session.connected,
            certificate_not_after=identity.not_after if identity else 0,
            envoy_pid=workload.envoy.pid,
            application_pid=workload.instance.pid,
            rejection=stream.rejection if stream else "",
            listeners={port: choice.port for port, choice in ports.choices.items()} if ports else {},
            resources={kind.rpartition(".")[2]: len(held) for kind, held in node.relay.held(key).items()},
        )

    async def _observe_envoys(self) -> None:
        while True:
            self._look.clear()
            rows = await asyncio.gather(*(self._counted(workload) for workload in tuple(self._workloads.values())))
            self._node.registry.telemetry = Telemetry(
                edges=[edge for edges, _ in rows for edge in edges],
                latencies=[latency for _, latencies in rows for latency in latencies],
                proxies=[self._state(status) for status in self.proxies()],
                calls=[*self._node.registry.telemetry.calls, *(self._calls.report() if self._node.registry.connected else ())],
            )
            await self._limits.look({key: workload.envoy.admin for key, workload in self._workloads.items()})
            fresh = time.monotonic() < self._fresh_until
            if fresh:
                self._node.registry.hasten()
            with suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_OBSERVATIONS if fresh else _OBSERVATION):
                    await self._look.wait()

    async def _tell_plaintext(self) -> None:
        """Who calls without an identity is told of at once: somebody may wait for it before plaintext is refused."""
        while True:
            await self._calls.plaintext.wait()
            self._calls.plaintext.clear()
            registry = self._node.registry
            if registry.connected:
                registry.telemetry.calls = [*registry.telemetry.calls, *self._calls.report()]
                registry.hasten()
            await asyncio.sleep(_PLAINTEXT)

    async def _share_calls(self) -> None:
        """Asks proxies with much to tell for a part of it."""
        while True:
            await asyncio.sleep(_SHARES)
            for key, workload in tuple(self._workloads.items()):
                if (share := self._calls.wanted_share(key)) is not None:
                    with suppress(OSError):
                        await http1.get(
                            workload.envoy.admin, f"/runtime_modify?{CALLS_SHARE}={share}", method="POST", timeout=1.0
                        )
                        self._calls.shared(key, share)

    def _look_often(self) -> None:
        """The control plane watches for failures: looks come faster for a while."""
        if time.monotonic() > self._fresh_until:
            self._look.set()
        self._fresh_until = max(self._fresh_until, time.monotonic() + _EAGER)

    def _state(self, status: ProxyStatus) -> node_pb2.ProxyState:
        return node_pb2.ProxyState(
            proxy=status.proxy,
            certificate_not_after=int(status.certificate_not_after),
            connected=status.connected,
            listeners=status.listeners,
        )

    async def _counted(self, workload: Workload) -> tuple[list[node_pb2.EdgeCounters], list[node_pb2.EdgeLatency]]:
        held = self._node.relay.held(workload.instance.key).get(CLUSTER, {})
        return await stats.counted(workload.instance.key, workload.envoy.admin, stats.tls_clusters(held))

    def _numbers(self) -> list[tuple[str, str, str, float]]:
        node, statuses = self._node, self.proxies()
        first_end = min((status.certificate_not_after for status in statuses if status.certificate_not_after), default=0.0)
        return [
            ("weft_agent_proxies", "gauge", "Proxies this node is to run.", len(statuses)),
            ("weft_agent_proxies_connected", "gauge", "Proxies whose Envoy is connected.", sum(s.connected for s in statuses)),
            ("weft_agent_proxies_synced", "gauge", "Proxies connected to the control plane.", sum(s.synced for s in statuses)),
            ("weft_agent_registered", "gauge", "1 while the control plane knows this node.", float(node.registry.connected)),
            ("weft_agent_certificate_rotations_total", "counter", "Certificates taken into use.", node.certificates.rotations),
            ("weft_agent_limited_total", "counter", "Requests that rate limits refused.", self._limits.refused),
            (
                "weft_agent_uncounted_total",
                "counter",
                "Requests that passed while the rate limiter did not answer.",
                self._limits.uncounted,
            ),
            ("weft_agent_certificate_next_expiry_seconds", "gauge", "When the next workload certificate ends (Unix).", first_end),
        ]
