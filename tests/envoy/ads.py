"""A delta ADS server in a hundred lines: it gives a real Envoy what `compile` made of a mesh, in an order that is safe.

It is no session: it answers one Envoy correctly and nothing more. What each proxy holds comes straight from its snapshot, and
secrets are certificates made for the test.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from weft.compile.snapshot import Cache, ProxySnapshot, snapshot
from weft.envoy.types import CLUSTER, ENDPOINTS, LISTENER, ROUTE_CONFIGURATION, SECRET, VIRTUAL_HOST, EnvoyResource, TypeUrl
from weft.model.mesh import Mesh
from weft.model.workload import Proxy

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


@dataclass
class Stream:
    """One Envoy's stream: what it subscribed, what it was sent, which virtual hosts wait for their clusters."""

    snapshot: ProxySnapshot
    secrets: dict[str, bytes]
    out: "queue.Queue[DeltaDiscoveryResponse | None]" = field(default_factory=queue.Queue)
    names: dict[TypeUrl, dict[str, None]] = field(default_factory=dict)
    sent: dict[tuple[TypeUrl, str], str] = field(default_factory=dict)
    began: set[TypeUrl] = field(default_factory=set)
    rejected: list[str] = field(default_factory=list)
    endpoints_acked: set[str] = field(default_factory=set)
    unacked: dict[str, set[str]] = field(default_factory=dict)
    nonce: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def receive(self, request: DeltaDiscoveryRequest) -> None:
        """A request or an ACK of Envoy."""
        with self.lock:
            of = TypeUrl(request.type_url)
            if request.HasField("error_detail"):
                self.rejected.append(f"{of}: {request.error_detail.message}")
            elif request.response_nonce:
                self.endpoints_acked |= self.unacked.pop(request.response_nonce, set())
            first = of not in self.names
            names = self.names.setdefault(of, {})
            for name in request.resource_names_unsubscribe:
                names.pop(name, None)
                self.sent.pop((of, name), None)
            for name in request.resource_names_subscribe:
                names[name] = None
                self.sent.pop((of, name), None)
            if of in (LISTENER, CLUSTER) and first:
                names["*"] = None
            if request.resource_names_subscribe or first or request.response_nonce:
                self.push()

    def push(self) -> None:
        """Sends everything that is subscribed and new, what others need first."""
        with self.lock:
            for of in (SECRET, CLUSTER, ENDPOINTS, LISTENER, ROUTE_CONFIGURATION, VIRTUAL_HOST):
                if of in self.names:
                    self._tell(of)

    def _tell(self, of: TypeUrl) -> None:
        fresh = [one for one in self._wanted(of) if self.sent.get((of, one[0].name)) != one[0].version]
        if of == VIRTUAL_HOST:
            fresh = [one for one in fresh if self._ready(one[0])]
        if not fresh and (of not in (LISTENER, CLUSTER) or of in self.began):  # Envoy waits for a first answer, even an empty one
            return
        self.began.add(of)
        response = DeltaDiscoveryResponse(type_url=of, nonce=str(self.nonce))
        self.nonce += 1
        for resource, aliases in fresh:
            self.sent[of, resource.name] = resource.version
            response.resources.add(
                name=resource.name, aliases=aliases, version=resource.version, resource={"type_url": of, "value": resource.body}
            )
        if of == ENDPOINTS:
            self.unacked[response.nonce] = {one.name for one, _ in fresh}
        self.out.put(response)

    def _ready(self, host: EnvoyResource) -> bool:
        clusters = [self.snapshot.cluster(name) for name in host.clusters]
        return all(one is None or not one.eds or one.name in self.endpoints_acked for one in clusters)

    def _wanted(self, of: TypeUrl) -> list[tuple[EnvoyResource, list[str]]]:
        names = list(self.names.get(of, {}))
        shot = self.snapshot
        if of == LISTENER:
            return [(one, []) for one in shot.listeners()]
        if of == SECRET:
            own = [(EnvoyResource(SECRET, name, self.secrets[name], "1"), []) for name in names if name in self.secrets]
            return own + [(one, []) for name in names if (one := shot.secret(name))]
        if of == VIRTUAL_HOST:
            return self._hosts(names)
        if of == CLUSTER:
            found = [shot.cluster(name) for name in sorted(self._clusters() | (set(names) - {"*"}))]
        elif of == ENDPOINTS:
            found = [shot.endpoints(name) for name in names]
        else:
            found = [shot.route_configuration(name) for name in names]
        return [(one, []) for one in found if one]

    def _hosts(self, names: list[str]) -> list[tuple[EnvoyResource, list[str]]]:
        grouped: dict[str, tuple[EnvoyResource, list[str]]] = {}
        for asked in names:
            config, _, host = asked.rpartition("/")
            one = self.snapshot.virtual_host(config, host)
            grouped.setdefault(one.name, (one, []))[1].append(asked)
        body = VirtualHost(name="http_proxy/|placeholder", domains=["placeholder.invalid"]).SerializeToString()
        return [(EnvoyResource(VIRTUAL_HOST, "http_proxy/|placeholder", body, "1"), []), *grouped.values()]

    def _clusters(self) -> set[str]:
        shot = self.snapshot
        used = set(shot.eager_clusters()) | {name for one in shot.listeners() for name in one.clusters}
        for name in self.names.get(ROUTE_CONFIGURATION, {}):
            used |= set(one.clusters) if (one := shot.route_configuration(name)) else set()
        for asked in self.names.get(VIRTUAL_HOST, {}):
            used |= set(shot.virtual_host(*asked.rsplit("/", 1)).clusters)
        return used


@dataclass
class Ads:
    """The server. `proxies` by node id, `secrets` by node id and name. `shown` may change what a node id is told."""

    mesh: Mesh
    proxies: dict[str, Proxy]
    secrets: Callable[[Proxy], dict[str, bytes]]
    cache: Cache = field(default_factory=Cache)
    streams: dict[str, Stream] = field(default_factory=dict)
    shown: Callable[[ProxySnapshot, str], ProxySnapshot] = lambda held, node: held

    def publish(self, mesh: Mesh) -> None:
        """The next mesh, to everybody."""
        self.mesh = mesh
        for node, stream in list(self.streams.items()):
            with stream.lock:
                stream.snapshot = self._snapshot(node)
                stream.push()

    def _snapshot(self, node: str) -> ProxySnapshot:
        return self.shown(snapshot(self.mesh, self.proxies[node], self.cache), node)

    def serve(self, path: str) -> grpc.Server:
        """A running server at the Unix socket `path`."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=DeltaDiscoveryRequest.FromString,
            response_serializer=lambda of: of.SerializeToString(),
        )
        service, method = METHOD.strip("/").split("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        server.add_insecure_port(f"unix:{path}")
        server.start()
        return server

    def _stream(self, requests: Iterator[DeltaDiscoveryRequest], context: Any) -> Iterator[DeltaDiscoveryResponse]:
        first = next(requests)
        proxy = self.proxies[first.node.id]
        stream = self.streams[first.node.id] = Stream(self._snapshot(first.node.id), self.secrets(proxy))
        context.add_callback(lambda: stream.out.put(None))
        threading.Thread(target=self._read, args=(stream, first, requests), daemon=True).start()
        while (response := stream.out.get()) is not None:
            yield response

    def _read(self, stream: Stream, first: DeltaDiscoveryRequest, requests: Iterator[DeltaDiscoveryRequest]) -> None:
        stream.receive(first)
        try:
            for request in requests:
                stream.receive(request)
        except grpc.RpcError:
            pass
        stream.out.put(None)
