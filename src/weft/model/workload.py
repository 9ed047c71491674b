"""A workload and the proxy beside it. A proxy is who asks; a workload is what it stands beside."""

from dataclasses import dataclass

from weft.model.endpoint import Health, Locality
from weft.model.labels import Labels


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A socket address. `host` is an IP address, IPv4 or IPv6 without brackets."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class InboundPort:
    """One port a workload serves: where its sidecar listens for the mesh, and where the application listens.

    `name` is the port's name in the workload's declaration; `number` the port of the service, as callers know it;
    `protocol` is the text a Service would carry as its `appProtocol` or port name; `asked`: nothing declares it, and the
    application was asked.
    """

    name: str
    number: int
    protocol: str
    listen: Address
    application: Address
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Upstream:
    """A local port at which an application that honours no proxy variables reaches one port of one service."""

    host: str
    port: int
    listen: Address


@dataclass(frozen=True, slots=True)
class Workload:
    """One instance: its name is unique in its namespace. `node` is the machine that it runs on, `group` the WorkloadGroup of its
    namespace that it joins; empty where nobody knows, and where there is none."""

    namespace: str
    name: str
    service_account: str
    labels: Labels = ()
    locality: Locality = Locality()
    network: str = ""
    weight: int = 1
    health: Health = Health.HEALTHY
    node: str = ""
    group: str = ""

    @property
    def group_key(self) -> str:
        """`namespace/name` of its WorkloadGroup; empty for none."""
        return f"{self.namespace}/{self.group}" if self.group else ""

    @property
    def key(self) -> str:
        """`namespace/name`, which is also the node id of its Envoy."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An Envoy: the workload it stands beside, and the addresses its agent gave it.

    `gateway` proxies have no application: their listeners come from Gateways. `http_proxy` is where an application
    sends what it would send to an HTTP proxy; None at a gateway. `gateway_host` is where a gateway's listeners bind.
    """

    workload: Workload
    gateway: bool = False
    http_proxy: Address | None = None
    inbound: tuple[InboundPort, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    gateway_host: str = "127.0.0.1"
    envoy_version: str = ""
