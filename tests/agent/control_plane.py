"""A small control plane: the real authority, registry and ADS server, and a mesh written by hand. It can go and come back."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from envoy.config.listener.v3.listener_pb2 import Listener as EnvoyListener
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager

from weft.ca.attestation import JoinTokens, NodeGrants
from weft.ca.folder import CurrentAuthority, Folder
from weft.ca.server import CertificatesServicer, EnrollmentServicer, Lifetimes, Office
from weft.ca.transport.own_certificate import OwnCertificate
from weft.ca.transport.server import NODES, STRANGERS, Listener, Peers, RefusalLog, keep
from weft.compile.tls import mesh_downstream
from weft.discovery.registry import Registry
from weft.discovery.server import RegistryServicer
from weft.envoy.types import LISTENER, EnvoyResource, envoy_resource, packed
from weft.model.endpoint import Health
from weft.model.mesh import Change
from weft.proto import node_pb2_grpc
from weft.store.memory import MemoryStore
from weft.testing.tiny_snapshot import TinyService, TinySnapshot
from weft.xds.server import AdsServer

NODE = "n1"
DOMAIN = "cluster.local"


@dataclass(frozen=True)
class MtlsSnapshot(TinySnapshot):
    """The same mesh with an inbound listener of mesh mTLS at `inbound`, whose secrets come from the agent."""

    inbound: int = 0

    def listeners(self) -> tuple[EnvoyResource, ...]:
        """The outbound one and the inbound one."""
        return (*super().listeners(), _inbound(self.inbound))


def _inbound(port: int) -> EnvoyResource:
    manager = HttpConnectionManager(
        stat_prefix="inbound",
        route_config={"virtual_hosts": [{"name": "inbound", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "inside"}}}
        ]}]},
        http_filters=[{"name": "envoy.filters.http.router", "typed_config": packed(Router())}],
    )  # fmt: skip
    listener = EnvoyListener(
        name="inbound|80",
        address={"socket_address": {"address": "127.0.0.1", "port_value": port}},
        filter_chains=[{
            "filters": [{"name": "http", "typed_config": packed(manager)}],
            "transport_socket": mesh_downstream((DOMAIN,), ("istio",)),
        }],
    )  # fmt: skip
    return envoy_resource(LISTENER, listener.name, listener)


def now() -> datetime:
    """The real time: TLS knows no other."""
    return datetime.now(UTC)


@dataclass
class Observed:
    """What agents reported beside their workloads."""

    edges: list[object] = field(default_factory=list)
    proxies: list[object] = field(default_factory=list)

    def observe(self, node: str, edges: object, latencies: object, proxies: object, calls: object) -> None:
        """Keeps it."""
        self.edges += edges  # type: ignore[arg-type]
        self.proxies += proxies  # type: ignore[arg-type]


class ControlPlane:
    """Start, stop, start again at the same ports."""

    def __init__(self, folder: Path, life: timedelta = timedelta(hours=1)) -> None:
        self.folder = folder
        self.mesh = TinySnapshot()
        self.listen: dict[str, int] = {}
        self.inbound: dict[str, int] = {}
        self.store = MemoryStore()
        self.tokens = JoinTokens(folder / "tokens.db")
        self.authority = CurrentAuthority(Folder(folder, DOMAIN), now)
        self.observed = Observed()
        self.ports = [0, 0]
        self._life = life
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[Listener] = []

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return bool(self._listeners)

    async def start(self) -> None:
        """Serves; the registry begins with what the store has."""
        grants = NodeGrants({NODE: frozenset({("*", "*")})})
        refusals = RefusalLog()
        own = OwnCertificate(self.authority, now)
        office = Office(self.authority, grants, Lifetimes(self._life, self._life), now)
        nodes = Listener("nodes", own, NODES, mutual=True)
        strangers = Listener("enrollment", own, STRANGERS, mutual=False)
        peers = Peers(DOMAIN, grants, refusals, nodes.handshakes)
        self.registry = Registry(self.store, grants)
        await self.registry.start()
        self.ads = AdsServer(self._awaited, lambda proxy, peer: True, self._snapshot)
        certificates = CertificatesServicer(office, peers)
        registration = RegistryServicer(self.registry, peers, self.observed, self.authority().bundle)
        enrollment = EnrollmentServicer(office, self.tokens, refusals, strangers.handshakes.call)
        self.ports[0] = await nodes.start("127.0.0.1", self.ports[0], (
            lambda server: node_pb2_grpc.add_CertificatesServicer_to_server(certificates, server),
            lambda server: node_pb2_grpc.add_RegistryServicer_to_server(registration, server),
            self.ads.add_to,
        ))  # fmt: skip
        self.ports[1] = await strangers.start("127.0.0.1", self.ports[1], (
            lambda server: node_pb2_grpc.add_EnrollmentServicer_to_server(enrollment, server),
        ))  # fmt: skip
        self._listeners = [nodes, strangers]
        parts = (self.ads.run(), self.registry.run(), keep(own, self._listeners, refusals))
        self._tasks = [asyncio.create_task(part) for part in parts]

    async def stop(self) -> None:
        """Goes away, as a killed process does: nothing is said to anybody."""
        listeners, self._listeners = self._listeners, []
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(listener.stop(0) for listener in listeners))
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    def publish(self, *services: TinyService) -> None:
        """The mesh gets, or changes, these services."""
        for service in services:
            self.mesh = self.mesh.with_service(service)
        if self.running:
            self.ads.publish(Change(hosts=frozenset(service.host for service in services)))

    async def _awaited(self, proxy: str) -> TinySnapshot | None:
        await self.registry.wait_for(proxy, 5.0)
        return self._snapshot(proxy)

    def _snapshot(self, proxy: str) -> TinySnapshot | None:
        if self.registry.proxy(proxy) is None or proxy not in self.listen:
            return None
        if proxy in self.inbound:
            return MtlsSnapshot(self.mesh.services, self.listen[proxy], inbound=self.inbound[proxy])
        return TinySnapshot(self.mesh.services, self.listen[proxy])

    def health(self, proxy: str) -> Health | None:
        """What is registered of a workload."""
        found = self.registry.proxy(proxy)
        return found.workload.health if found else None
