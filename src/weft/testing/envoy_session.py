"""A simulated Envoy's side of a delta ADS stream, without I/O: it asks, acknowledges and refuses as stock Envoy does.

What it is for: conversations with a control plane in tests, and a thousand proxies in a benchmark (`ads_client.py` puts it on
a real stream). It learns the names to ask for from what it is told: endpoints from clusters, routes from listeners.
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from weft.envoy.types import CLUSTER, ENDPOINTS, LISTENER, ROUTE_CONFIGURATION, VIRTUAL_HOST, TypeUrl

Refuse = Callable[[TypeUrl, tuple[str, ...]], str]
"""The error for a response with these resources; empty accepts it."""


@dataclass(slots=True)
class EnvoySession:
    """One simulated Envoy. It outlives its streams: call `opened` for each new one. `held` maps type to name to version.

    `trouble` lists what a real Envoy would have answered with failed requests: routes to clusters it does not have, and
    clusters taken away that a route still names.
    """

    node: str
    refuse: Refuse = lambda type_url, names: ""
    held: dict[TypeUrl, dict[str, str]] = field(default_factory=dict)
    asked: dict[str, None] = field(default_factory=dict)
    waiting: dict[str, None] = field(default_factory=dict)
    hosts: dict[str, VirtualHost] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    responses: int = 0
    resources: int = 0
    received: int = 0
    last_ack: float = 0.0
    _names: dict[TypeUrl, dict[str, None]] = field(default_factory=dict)
    _told: set[TypeUrl] = field(default_factory=set)
    _introduced: bool = False

    def opened(self) -> list[DeltaDiscoveryRequest]:
        """What is asked first on a new stream: everything held and asked so far."""
        self._told, self._introduced = set(), False
        first = [self._first(CLUSTER, ()), self._first(LISTENER, ())]
        for type_url in (ROUTE_CONFIGURATION, VIRTUAL_HOST, ENDPOINTS):
            names: Iterable[str] = self._names.get(type_url, {})
            if type_url == VIRTUAL_HOST and VIRTUAL_HOST in self._names:
                names = ("*", *self.asked)
            if names:
                first.append(self._first(type_url, names))
        return first

    def ask(self, *names: str) -> list[DeltaDiscoveryRequest]:
        """Requests came for hosts that no virtual host serves: names are `<route configuration>/<host>`. A name is asked
        once in a life."""
        new = [name for name in names if name not in self.asked]
        self.asked.update(dict.fromkeys(new))
        self.waiting.update(dict.fromkeys(new))
        return [self._request(VIRTUAL_HOST, resource_names_subscribe=new)] if new else []

    def receive(self, data: bytes, now: float) -> list[DeltaDiscoveryRequest]:
        """A response came: what is answered, the acknowledgement first."""
        self.responses += 1
        self.received += len(data)
        response = DeltaDiscoveryResponse.FromString(data)
        type_url = TypeUrl(response.type_url)
        error = self.refuse(type_url, tuple(resource.name for resource in response.resources)) or self._invalid(response)
        if error:
            request = self._request(type_url, response_nonce=response.nonce)
            request.error_detail.code, request.error_detail.message = 13, error
            return [request]
        self.resources += len(response.resources)
        held = self.held.setdefault(type_url, {})
        for name in response.removed_resources:
            held.pop(name, None)
        held.update((resource.name, resource.version) for resource in response.resources)
        self.last_ack = now
        return [*self._follow(type_url, response), self._request(type_url, response_nonce=response.nonce)]

    def serves(self, host: str) -> VirtualHost | None:
        """The virtual host that would answer a request to `host`."""
        return next((each for each in self.hosts.values() if host in each.domains), None)

    # What a real Envoy concludes

    def _invalid(self, response: DeltaDiscoveryResponse) -> str:
        if response.type_url != VIRTUAL_HOST:
            return ""
        after = {name: host for name, host in self.hosts.items() if name not in response.removed_resources}
        after.update((each.name, VirtualHost.FromString(each.resource.value)) for each in response.resources)
        seen: set[str] = set()
        for name, host in after.items():
            scope = name.rpartition("/")[0]
            for domain in host.domains:
                if (where := f"{scope}/{domain}") in seen:
                    return f"Only unique values for domains are permitted. Duplicate entry of domain {domain} in route {scope}"
                seen.add(where)
        self.hosts = after
        return ""

    def _follow(self, type_url: TypeUrl, response: DeltaDiscoveryResponse) -> list[DeltaDiscoveryRequest]:
        if type_url == CLUSTER:
            return self._follow_clusters(response)
        if type_url == LISTENER:
            return self._subscribe(
                ROUTE_CONFIGURATION, (name for each in response.resources for name in _routes(each.resource.value))
            )
        if type_url == ROUTE_CONFIGURATION:
            return self._follow_routes(response)
        if type_url == VIRTUAL_HOST:
            self._follow_virtual_hosts(response)
        return []

    def _follow_clusters(self, response: DeltaDiscoveryResponse) -> list[DeltaDiscoveryRequest]:
        for name in response.removed_resources:
            users = [host.name for host in self.hosts.values() if name in _clusters(host)]
            self.trouble.extend(f"cluster {name} taken from {user}" for user in users)
        lost = [name for name in response.removed_resources if self._names.get(ENDPOINTS, {}).pop(name, 0) is None]
        for name in lost:
            self.held.get(ENDPOINTS, {}).pop(name, None)
        clusters = (Cluster.FromString(each.resource.value) for each in response.resources)
        asks = self._subscribe(ENDPOINTS, [each.name for each in clusters if each.type == Cluster.EDS])
        return asks + ([self._request(ENDPOINTS, resource_names_unsubscribe=lost)] if lost else [])

    def _follow_routes(self, response: DeltaDiscoveryResponse) -> list[DeltaDiscoveryRequest]:
        on_demand = any(RouteConfiguration.FromString(each.resource.value).HasField("vhds") for each in response.resources)
        if not on_demand or VIRTUAL_HOST in self._names:
            return []
        self._names[VIRTUAL_HOST] = {}
        return [self._first(VIRTUAL_HOST, ())]

    def _follow_virtual_hosts(self, response: DeltaDiscoveryResponse) -> None:
        for each in response.resources:
            for name in (each.name, *each.aliases):
                self.waiting.pop(name, None)
            for cluster in _clusters(self.hosts[each.name]):
                if cluster not in self.held.get(CLUSTER, {}):
                    self.trouble.append(f"{each.name} names cluster {cluster}, which is not here")
                elif cluster in self._names.get(ENDPOINTS, {}) and cluster not in self.held.get(ENDPOINTS, {}):
                    self.trouble.append(f"{each.name} names cluster {cluster}, which has no endpoints yet")

    # Requests

    def _subscribe(self, type_url: TypeUrl, names: Iterable[str]) -> list[DeltaDiscoveryRequest]:
        known = self._names.setdefault(type_url, {})
        new = [name for name in dict.fromkeys(names) if name not in known]
        known.update(dict.fromkeys(new))
        if not new:
            return []
        if type_url not in self._told:
            return [self._first(type_url, new)]
        return [self._request(type_url, resource_names_subscribe=new)]

    def _first(self, type_url: TypeUrl, names: Iterable[str]) -> DeltaDiscoveryRequest:
        held = self.held.get(type_url, {})
        return self._request(type_url, resource_names_subscribe=list(names), initial_resource_versions=held)

    def _request(self, type_url: TypeUrl, **fields: object) -> DeltaDiscoveryRequest:
        self._told.add(type_url)
        request = DeltaDiscoveryRequest(type_url=type_url, **fields)
        if not self._introduced:
            request.node.id, self._introduced = self.node, True
        return request


def _routes(body: bytes) -> Iterable[str]:
    """The route configurations that a serialized listener fetches."""
    for chain in Listener.FromString(body).filter_chains:
        for each in chain.filters:
            if each.typed_config.Is(HttpConnectionManager.DESCRIPTOR):
                manager = HttpConnectionManager.FromString(each.typed_config.value)
                if manager.HasField("rds"):
                    yield manager.rds.route_config_name


def _clusters(host: VirtualHost) -> set[str]:
    """The clusters that a virtual host's routes name."""
    found = {route.route.cluster for route in host.routes if route.route.cluster}
    return found | {each.name for route in host.routes for each in route.route.weighted_clusters.clusters}
