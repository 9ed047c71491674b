"""The life of one instance, in order: registered, certified, its Envoy live, its application healthy; drained; gone.

An endpoint takes traffic only while its Envoy is live and its application healthy, and the application starts only when
its Envoy is live. An agent that starts beside running Envoys takes each instance up where it is, without a moment in which
it looks unhealthy.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from weft.agent import exposure, health
from weft.agent.certificates import Certificates
from weft.agent.config import AgentConfig
from weft.agent.envoy_process import EnvoyProcess
from weft.agent.instance import Instance
from weft.agent.node_client import NodeClient
from weft.agent.pins import Pins
from weft.agent.probes import Probes
from weft.agent.proxy_settings import CODE, ProxySettings
from weft.agent.registry_client import RegistryClient
from weft.agent.spoken_protocol import NOT_ASKED, spoken_protocol
from weft.agent.supervisor_client import SupervisorClient, SupervisorError
from weft.agent.xds_relay import XdsRelay
from weft.envoy.binary import Binary
from weft.identity import SpiffeId
from weft.proto import node_pb2

LOG = logging.getLogger(__name__)
DRAIN = 1.0  # seconds that it takes at least until nobody calls any more
REMOVAL = 0.2  # between «draining» and «gone», so that callers that were told the first are not surprised by the second
_EXPOSURE_INTERVAL = 10.0
_RESPAWN = (0.0, 0.1, 0.25, 0.5, 1.0)
_STABLE = 5.0  # an Envoy that ran for so long did not fail at its start


@dataclass(frozen=True, slots=True)
class Node:
    """What every workload of the node needs."""

    config: AgentConfig
    supervisor: SupervisorClient
    certificates: Certificates
    client: NodeClient
    registry: RegistryClient
    relay: XdsRelay
    binary: Binary
    envoy_version: str
    pins: Pins = field(default_factory=Pins)
    probes: Probes = field(default_factory=Probes)
    settings: ProxySettings = field(default_factory=ProxySettings)


class Workload:
    """One instance. `run` lives as long as the instance is wanted; the other methods tell it what happened."""

    def __init__(self, node: Node, instance: Instance) -> None:
        self.instance = instance
        self.envoy = EnvoyProcess(node.config, node.binary, node.supervisor, instance)
        self.started = asyncio.Event()  # its state is registered: the node's first report may go out
        self._node = node
        self._changed = asyncio.Event()
        self._drain = asyncio.Event()
        self._envoy_exited = asyncio.Event()
        self._changed_health = asyncio.Event()
        self._envoy_live = False
        self._draining = False
        self._unhealthy = "not asked yet"
        self._exposed: set[tuple[int, int]] = set()
        self._asked: dict[str, str] = {}  # protocols by port name

    @property
    def spiffe_id(self) -> SpiffeId:
        """The identity of the workload."""
        return SpiffeId(self._node.config.trust_domain, self.instance.namespace, self.instance.service_account)

    @property
    def _well(self) -> bool:
        return self._envoy_live and not self._unhealthy

    @property
    def status(self) -> str:
        """How it is, in a word or two, for people."""
        if self._draining:
            return "draining"
        if not self._envoy_live:
            return "starting"
        return "healthy" if not self._unhealthy else self._unhealthy

    # What happened

    def update(self, instance: Instance) -> None:
        """The supervisor says something new of the instance: its process, that it is to drain."""
        self.instance = instance
        if instance.state == "drain":
            self._drain.set()
        self._changed.set()
        if self.started.is_set() and not self._draining:
            self._register()

    def probe_changed(self) -> None:
        """WorkloadGroups say something else."""
        if self.instance.workload_group:
            self._changed.set()

    async def settings_changed(self) -> None:
        """ProxyConfigs say something else: of an Envoy that runs, whoever it serves decides when it is started anew."""
        if self.envoy.settings is not None and self._node.settings.of(self.instance.key) != self.envoy.settings:
            LOG.warning("envoy to be restarted proxy=%s", self.instance.key)
            message = "its Envoy runs as ProxyConfigs said before"
            await self._find(CODE, message, f"weft restart {self.instance.name}")

    @property
    def _checked(self) -> Instance:
        """The instance, checked as its group has it."""
        return msgspec.structs.replace(self.instance, health=self._node.probes.check(self.instance))

    def envoy_exited(self, code: int) -> None:
        """Its Envoy ended."""
        LOG.warning("envoy exited proxy=%s code=%d", self.instance.key, code)
        self._envoy_exited.set()

    def application_exited(self, code: int) -> None:
        """Its application ended: it gets no request from now on, without being asked."""
        if not self._draining:
            self._set_health(f"the application exited with code {code}")
        self.instance = _without_process(self.instance)
        self._changed.set()

    # Its life

    async def run(self) -> None:
        """From the first moment until `drained`. Cancelled when the instance is gone at once."""
        node, key = self._node, self.instance.key
        node.certificates.require(key, self.spiffe_id)
        if self.instance.state == "drain":
            self._drain.set()
        if await self._resumes():
            LOG.info("workload resumed name=%s", key)
        self._register()
        self.started.set()
        if not node.certificates.of(key):
            await node.certificates.ready(key)
        async with asyncio.TaskGroup() as tasks:
            life = [
                tasks.create_task(self._keep_envoy()),
                tasks.create_task(self._follow_health()),
                tasks.create_task(self._tell_health()),
                tasks.create_task(self._watch_exposure()),
            ]
            await self._drain.wait()
            await self._drained()
            for task in life:
                task.cancel()

    async def gone(self) -> None:
        """The instance is no more: nothing of it stays."""
        key = self.instance.key
        self._node.registry.remove(key)
        await self.envoy.stop()
        await self.envoy.forget()
        self._node.relay.forget(key)
        self._node.certificates.release(key)

    async def _resumes(self) -> bool:
        """Whether Envoy and application run already (the agent is new, they are not); then its health is known at once."""
        if not await self.envoy.is_live():
            return False
        self._envoy_live = True
        self._unhealthy = await self._first_probe()
        if not self._unhealthy:
            await self._ask()
        return True

    async def _first_probe(self) -> str:
        if self.instance.gateway:
            return ""
        if not self.instance.pid:
            return "the application does not run"
        return await health.probe(self._checked, self._environment)

    async def _keep_envoy(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            self._envoy_exited.clear()
            began = loop.time()
            live: asyncio.Task[None] | None = None
            try:
                await self._told()
                await self.envoy.start(self._node.settings.of(self.instance.key))
                live = asyncio.create_task(self._await_live())
                await self._envoy_exited.wait()
            except SupervisorError as error:
                LOG.warning("envoy not started proxy=%s reason=%r", self.instance.key, str(error))
                await asyncio.sleep(_RESPAWN[-1])
            finally:
                if live:
                    live.cancel()
            self._envoy_live = False
            self._register()
            failures = 0 if loop.time() - began > _STABLE else failures + 1
            await asyncio.sleep(_RESPAWN[min(failures, len(_RESPAWN)) - 1] if failures else 0)

    async def _told(self) -> None:
        """Waits until the control plane has said how a first Envoy is started, which it does as it takes the registration."""
        if not self._envoy_live and self.envoy.settings is None:
            await self._known()

    async def _await_live(self) -> None:
        await self.envoy.live()
        LOG.info("envoy live proxy=%s pid=%d", self.instance.key, self.envoy.pid)
        self._envoy_live = True
        if self.instance.gateway:
            self._unhealthy = ""
        self._register()
        await self._node.supervisor.tell("ready", instance=self.instance.key)

    async def _follow_health(self) -> None:
        if self.instance.gateway:
            return
        await health.follow(lambda: self._checked, self._environment, self._found_health, self._changed)

    async def _found_health(self, why: str) -> None:
        if not why:
            await self._ask()
        self._set_health(why)

    async def _ask(self) -> None:
        """Finds out what is spoken on ports that do not declare it: once for a service, before it gets its first request."""
        pins, asked = self._node.pins, {}
        for port in self.instance.inbound:
            of_service = self.instance.port_of_service(port)
            if not port.ask:
                pins.keep(of_service, "")
                continue
            if not pins.of(of_service):
                try:
                    spoken = "tcp" if port.number in NOT_ASKED else await spoken_protocol(port.application)
                except OSError:
                    continue  # nobody is there yet: what is not known is passed on as bytes
                LOG.info("asked application workload=%s port=%d protocol=%s", self.instance.key, port.number, spoken)
                pins.keep(of_service, spoken)
            asked[port.name] = pins.of(of_service)
        if asked != self._asked:
            self._asked = asked
            await self._node.supervisor.tell("asked", instance=self.instance.key, ports=asked)

    def _set_health(self, why: str) -> None:
        if why != self._unhealthy:
            LOG.info("%s workload=%s%s", "unhealthy" if why else "healthy", self.instance.key, f" reason={why!r}" if why else "")
        self._unhealthy = why
        self._register()

    async def _environment(self) -> tuple[Mapping[str, str], str | None]:
        try:
            answer = await self._node.supervisor.call("env", instance=self.instance.key)
        except SupervisorError:
            return {}, None
        return answer.get("env", {}), answer.get("cwd")

    # What others are told

    def _register(self) -> None:
        if self._draining:
            return
        state = node_pb2.HEALTHY if self._well else node_pb2.UNHEALTHY
        self._node.registry.upsert(self.instance.workload(state, self._node.envoy_version, self._asked))
        self._changed_health.set()

    async def _tell_health(self) -> None:
        """Tells the supervisor, once the control plane knows it too: who waits for «healthy» then really gets traffic."""
        told: tuple[str, str] | None = None
        while True:
            self._changed_health.clear()
            said = ("healthy", "") if self._well else ("unhealthy", self._unhealthy or "its Envoy is not live")
            if said != told:
                if self._well:
                    await self._known()
                health_, reason = told = said
                await self._node.supervisor.tell("health", instance=self.instance.key, health=health_, reason=reason)
            await self._changed_health.wait()

    async def _known(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._node.registry.registered(self.instance.key)
        except TimeoutError:
            pass  # the control plane is away: what it does not know yet it will be told

    async def _watch_exposure(self) -> None:
        while not self.instance.gateway:
            for found in await asyncio.to_thread(exposure.exposed, self.instance):
                if (found.process.pid, found.port) not in self._exposed:
                    self._exposed.add((found.process.pid, found.port))
                    LOG.warning("exposed application workload=%s finding=%r", self.instance.key, found.message)
                    await self._find(exposure.CODE, found.message, found.hint(self.instance.host))
            await asyncio.sleep(_EXPOSURE_INTERVAL if self._exposed or not self._unhealthy else 1.0)

    async def _find(self, code: str, message: str, hint: str) -> None:
        await self._node.supervisor.tell("finding", instance=self.instance.key, code=code, message=message, hint=hint)

    # Its end

    async def _drained(self) -> None:
        LOG.info("draining workload=%s", self.instance.key)
        self._draining = True
        registry, key = self._node.registry, self.instance.key
        registry.upsert(self.instance.workload(node_pb2.DRAINING, self._node.envoy_version, self._asked))
        await asyncio.sleep(REMOVAL)
        registry.remove(key)
        await self.envoy.drain()
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (passed := loop.time() - began) < self.instance.drain:
            if passed >= min(DRAIN, self.instance.drain) and await self.envoy.active_requests() == 0:
                break
            await asyncio.sleep(0.1)
        await self._node.supervisor.tell("drained", instance=key)


def _without_process(instance: Instance) -> Instance:
    return msgspec.structs.replace(instance, pid=0)
