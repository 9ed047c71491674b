"""An instance: one application (or gateway) the supervisor wants beside an Envoy, as it stands in the supervisor's messages."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from weft.proto import node_pb2


class Address(msgspec.Struct, frozen=True):
    """A socket address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class InboundPort(msgspec.Struct, frozen=True):
    """A port the workload serves: its number for callers, where the sidecar listens, where the application does. `ask`: nothing
    declares what is spoken there."""

    name: str
    number: int
    protocol: str
    listen: Address
    application: Address
    ask: bool = False


class Upstream(msgspec.Struct, frozen=True):
    """A local port at which one port of a service is reached by an application that honours no proxy variables."""

    host: str
    port: int
    listen: Address


class HealthCheck(msgspec.Struct, frozen=True):
    """How the application's health is found. No `type`: a TCP connection to each of its ports.

    Times are in seconds. `port` 0: the application's first one. `retries` is how many failures in a row make it
    unhealthy; failures within `start_period` of its start count only once it has been healthy. The rest is what a WorkloadGroup's
    probe may say: `successes` in a row make it healthy, `initial_delay` after its start it is asked first, and not `eager` is
    one that is asked no oftener than its interval. `unknown`: nobody knows yet how it is checked.
    """

    type: Literal["", "http", "tcp", "grpc", "exec", "none", "unknown"] = ""
    path: str = "/"
    port: int = 0
    command: tuple[str, ...] = ()
    interval: float = 2.0
    timeout: float = 1.0
    retries: int = 1
    start_period: float = 0.0
    host: str = ""
    tls: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    service: str = ""
    successes: int = 1
    initial_delay: float = 0.0
    eager: bool = True


class Instance(msgspec.Struct, frozen=True):
    """One instance and what its sidecar is given. `pid` is the application's, 0 while it does not run. `drain` is how many
    seconds what is in flight may take when the instance is to end."""

    name: str
    namespace: str
    service: str = ""
    service_account: str = "default"
    labels: dict[str, str] = {}
    locality: str = ""
    network: str = ""
    weight: int = 1
    workload_group: str = ""
    gateway: bool = False
    gateway_host: str = "127.0.0.1"
    host: str = "127.0.0.1"
    http_proxy: Address | None = None
    inbound: tuple[InboundPort, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    health: HealthCheck | None = None
    drain: float = 10.0
    state: Literal["run", "drain"] = "run"
    pid: int = 0

    @property
    def key(self) -> str:
        """`namespace/name`: the name of the workload and the node id of its Envoy."""
        return f"{self.namespace}/{self.name}"

    def port_of_service(self, port: InboundPort) -> str:
        """What a port is called that all instances of the service have."""
        return f"{self.namespace}/{self.service or self.name}:{port.number}"

    def workload(self, health: node_pb2.Health, envoy_version: str, asked: Mapping[str, str] = {}) -> node_pb2.Workload:
        """The instance as it is registered at the control plane. `asked` are the protocols, by port name, that were found out."""
        return node_pb2.Workload(
            namespace=self.namespace,
            name=self.name,
            service_account=self.service_account,
            labels=self.labels,
            locality=self.locality,
            network=self.network,
            weight=self.weight,
            health=health,
            gateway=self.gateway,
            http_proxy=_address(self.http_proxy) if self.http_proxy else None,
            inbound=[
                node_pb2.InboundPort(
                    name=port.name,
                    number=port.number,
                    protocol=asked.get(port.name) or port.protocol,
                    asked=port.name in asked,
                    listen=_address(port.listen),
                    application=_address(port.application),
                )
                for port in self.inbound
            ],
            upstreams=[
                node_pb2.Upstream(host=upstream.host, port=upstream.port, listen=_address(upstream.listen))
                for upstream in self.upstreams
            ],
            gateway_host=self.gateway_host,
            envoy_version=envoy_version,
            workload_group=self.workload_group,
        )


def _address(address: Address) -> node_pb2.Address:
    return node_pb2.Address(host=address.host, port=address.port)
