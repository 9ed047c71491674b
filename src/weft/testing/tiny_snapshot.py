"""A `Snapshot` of a few services, written by hand: enough of a mesh for conversations with a session and for a real Envoy.

One listener on demand, one virtual host per service, one EDS cluster per subset. It knows no dialect and no compiler.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from envoy.extensions.filters.http.on_demand.v3.on_demand_pb2 import OnDemand
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from weft.envoy.names import HTTP_PROXY_ROUTES, outbound_cluster, parse_outbound, vhds_name
from weft.envoy.types import (
    CLUSTER,
    ENDPOINTS,
    LISTENER,
    ROUTE_CONFIGURATION,
    VIRTUAL_HOST,
    EnvoyResource,
    TypeUrl,
    envoy_resource,
)
from weft.ref import Ref

ADS = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": {"seconds": 1}}


@dataclass(frozen=True, slots=True)
class TinyService:
    """A service named `<name>.default.svc.cluster.local`. `endpoints` maps a subset to local ports, `weights` subsets to
    shares; `connect_timeout` (seconds) is something to change in its clusters."""

    name: str
    endpoints: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: {"": ()})
    weights: Mapping[str, int] = field(default_factory=lambda: {"": 1})
    port: int = 80
    connect_timeout: int = 1
    delay: float = 0.0
    marker: str = ""

    @property
    def host(self) -> str:
        """The full name."""
        return f"{self.name}.default.svc.cluster.local"

    @property
    def spellings(self) -> tuple[str, ...]:
        """All that callers write."""
        names = (self.name, f"{self.name}.default", self.host)
        return tuple(sorted({*names, *(f"{name}:{self.port}" for name in names)}))

    def cluster(self, subset: str) -> str:
        """The name of a subset's cluster."""
        return outbound_cluster(self.port, subset, self.host)


@dataclass(frozen=True)
class TinySnapshot:
    """A mesh of `services` seen from a proxy that listens at `port`."""

    services: tuple[TinyService, ...] = ()
    port: int = 0
    eager: tuple[str, ...] = ()

    def with_service(self, service: TinyService) -> "TinySnapshot":
        """The same mesh with `service` added or replaced."""
        return TinySnapshot((*self.without(service.name).services, service), self.port, self.eager)

    def without(self, name: str) -> "TinySnapshot":
        """The same mesh without a service."""
        return TinySnapshot(tuple(each for each in self.services if each.name != name), self.port, self.eager)

    def listeners(self) -> tuple[EnvoyResource, ...]:
        """One, on demand; none without a port. A caller's `x-envoy-fault-delay-request` (milliseconds) holds its request."""
        return (_listener(self.port),) if self.port else ()

    def route_configuration(self, name: str) -> EnvoyResource | None:
        """The one that is filled on demand."""
        return _route_configuration() if name == HTTP_PROXY_ROUTES else None

    def virtual_host(self, route_config: str, host: str) -> EnvoyResource:
        """A service's routes, or a 404 that names what is unknown."""
        service = self._by_spelling.get(host)
        if service is None:
            return _unknown(route_config, host)
        key = (route_config, service.name)
        return self._virtual_hosts.get(key) or self._virtual_hosts.setdefault(key, _virtual_host(route_config, service))

    def cluster(self, name: str) -> EnvoyResource | None:
        """A subset's cluster."""
        found = self._subset(name)
        return None if found is None else _cluster(name, found[0].connect_timeout, found[0].host)

    def endpoints(self, name: str) -> EnvoyResource | None:
        """A subset's endpoints."""
        found = self._subset(name)
        return None if found is None else _endpoints(name, found[0].endpoints[found[1]], found[0].host)

    def secret(self, name: str) -> EnvoyResource | None:
        """There are none."""
        return None

    def eager_clusters(self) -> Iterable[str]:
        """Clusters held from the start."""
        return self.eager

    @cached_property
    def _virtual_hosts(self) -> dict[tuple[str, str], EnvoyResource]:
        return {}

    @cached_property
    def _by_spelling(self) -> dict[str, TinyService]:
        return {spelling: service for service in self.services for spelling in service.spellings}

    def _subset(self, name: str) -> tuple[TinyService, str] | None:
        parsed = parse_outbound(name)
        service = None if parsed is None else self._by_spelling.get(parsed[2])
        if parsed is None or service is None or parsed[1] not in service.endpoints:
            return None
        return service, parsed[1]


def _made(
    type_url: TypeUrl, name: str, message: Message, host: str, clusters: tuple[str, ...] = (), **more: bool | float
) -> EnvoyResource:
    origins = (Ref("", "Service", "default", host.split(".")[0]),) if clusters or type_url != VIRTUAL_HOST else ()
    return envoy_resource(type_url, name, message, clusters=clusters, hosts=frozenset({host}), origins=origins, **more)  # type: ignore[arg-type]


@lru_cache(maxsize=16)
def _listener(port: int) -> EnvoyResource:
    on_demand = OnDemand(odcds={"source": ADS, "timeout": {"seconds": 5}})
    manager = HttpConnectionManager(
        stat_prefix="http_proxy",
        rds={"config_source": ADS, "route_config_name": HTTP_PROXY_ROUTES},
        http_filters=[
            {"name": "envoy.filters.http.on_demand", "typed_config": _packed(on_demand)},
            {
                "name": "envoy.filters.http.fault",
                "typed_config": _packed(HTTPFault(delay={"header_delay": {}, "percentage": {"numerator": 100}})),
            },
            {"name": "envoy.filters.http.router", "typed_config": _packed(Router())},
        ],
    )
    listener = Listener(
        name="http_proxy",
        address={"socket_address": {"address": "127.0.0.1", "port_value": port}},
        filter_chains=[{"filters": [{"name": "http", "typed_config": _packed(manager)}]}],
    )
    return envoy_resource(LISTENER, listener.name, listener)


@lru_cache(maxsize=16)
def _route_configuration() -> EnvoyResource:
    message = RouteConfiguration(name=HTTP_PROXY_ROUTES, vhds={"config_source": ADS})
    return envoy_resource(ROUTE_CONFIGURATION, message.name, message)


def _virtual_host(route_config: str, service: TinyService) -> EnvoyResource:
    weights = sorted(service.weights.items())
    shares = [{"name": service.cluster(subset), "weight": {"value": weight}} for subset, weight in weights]
    message = VirtualHost(
        name=vhds_name(route_config, f"{service.host}:{service.port}"),
        domains=service.spellings,
        routes=[{"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": shares}}}],
    )
    if service.marker:
        message.response_headers_to_add.add(header={"key": "x-marker", "value": service.marker})
    clusters = tuple(service.cluster(subset) for subset, _ in weights)
    return _made(VIRTUAL_HOST, message.name, message, service.host, clusters, hold=service.delay)


@lru_cache(maxsize=4096)
def _unknown(route_config: str, host: str) -> EnvoyResource:
    name = vhds_name(route_config, host)
    words = f"unknown host {host}"
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 404, "body": {"inline_string": words}}}]
    full = f"{host.split(':')[0].split('.')[0]}.default.svc.cluster.local"
    return _made(VIRTUAL_HOST, name, VirtualHost(name=name, domains=[host], routes=routes), full)


@lru_cache(maxsize=4096)
def _cluster(name: str, connect_timeout: int, host: str) -> EnvoyResource:
    message = Cluster(name=name, type="EDS", eds_cluster_config={"eds_config": ADS}, connect_timeout={"seconds": connect_timeout})
    return _made(CLUSTER, name, message, host, eds=True)


@lru_cache(maxsize=4096)
def _endpoints(name: str, ports: tuple[int, ...], host: str) -> EnvoyResource:
    addresses = [{"socket_address": {"address": "127.0.0.1", "port_value": port}} for port in ports]
    message = ClusterLoadAssignment(
        cluster_name=name, endpoints=[{"lb_endpoints": [{"endpoint": {"address": address}} for address in addresses]}]
    )
    return _made(ENDPOINTS, name, message, host)


def _packed(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed
