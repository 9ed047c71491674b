"""What a proxy would get, from files alone: no server, no store, no network. The proof that the core is pure.

The proxy is a WorkloadEntry of the files; its service ports are those of the Services that select it. A name that is no
WorkloadEntry stands for a caller that serves nothing. Virtual hosts come on demand in life; here every service that the
proxy may call is asked for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from weft.compile.snapshot import Cache, snapshot
from weft.envoy.names import HTTP_PROXY_ROUTES
from weft.envoy.types import EnvoyResource
from weft.model.endpoint import locality
from weft.model.labels import labels, selects
from weft.model.mesh import Mesh, Settings
from weft.model.workload import Address, InboundPort, Proxy, Workload
from weft.resource.core.service import Service
from weft.resource.istio.workload_entry import WorkloadEntry
from weft.resource.resource import Resource
from weft.translate.mesh import translation
from weft.xds.snapshots import Snapshot

_OUTBOUND = Address("127.0.0.1", 15001)


def message(resource: EnvoyResource) -> Message:
    """The Envoy message in `resource`."""
    name = resource.type_url.rpartition("/")[2]
    made = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))()
    made.ParseFromString(resource.body)
    return made


def as_json(resource: EnvoyResource) -> dict[str, Any]:
    """`resource` as Envoy writes its configuration in JSON, private keys left out."""
    read = message(resource)
    if isinstance(read, Secret) and read.HasField("tls_certificate"):
        read.tls_certificate.private_key.inline_string = "[redacted]"
    found: dict[str, Any] = json_format.MessageToDict(read, preserving_proto_field_name=True)
    return {"@type": resource.type_url, **found}


def proxy(resources: Sequence[Resource], name: str, mesh: Mesh) -> Proxy:
    """The proxy `name` (`namespace/name`, or a name in `default`) as `resources` describe it."""
    namespace, _, short = name.rpartition("/")
    namespace = namespace or "default"
    for each in resources:
        if isinstance(each.spec, WorkloadEntry) and (each.meta.namespace, each.meta.name) == (namespace, short):
            return _described(each.spec, namespace, short, {**each.meta.labels, **each.spec.labels}, resources, mesh)
    return Proxy(Workload(namespace, short, short, labels({"app": short})), http_proxy=_OUTBOUND)


def _described(
    entry: WorkloadEntry, namespace: str, name: str, own: Mapping[str, str], resources: Sequence[Resource], mesh: Mesh
) -> Proxy:
    place = locality(entry.locality)
    workload = Workload(namespace, name, entry.service_account or "default", labels(own), place, entry.network)
    selected = [each.spec for each in resources if isinstance(each.spec, Service) and each.meta.namespace == namespace]
    ports = [
        port
        for service in selected
        if service.selector and selects(labels(service.selector), labels(own))
        for port in service.ports
    ]
    inbound = tuple(
        InboundPort(
            port.name or "",
            port.port,
            port.app_protocol or (port.name or "tcp").partition("-")[0],
            Address(entry.address or "127.0.0.1", entry.ports.get(port.name or "", port.port)),
            Address("127.0.0.1", port.port),
        )
        for port in sorted(ports, key=lambda port: port.port)
    )
    gateway = any(each.opened_by(namespace, labels(own)) for each in mesh.gateways.values()) and not inbound
    return Proxy(workload, gateway=gateway, http_proxy=None if gateway else _OUTBOUND, inbound=inbound)


def envoy_resources(resources: Sequence[Resource], name: str, settings: Settings) -> tuple[EnvoyResource, ...]:
    """Everything that the proxy `name` may be told, in the order it would be: secrets, clusters, endpoints, listeners, routes."""
    mesh = translation(settings, resources).mesh
    asked = proxy(resources, name, mesh)
    held: Snapshot = snapshot(mesh, asked, Cache())
    listeners = held.listeners()
    routes = _routes(held, listeners)
    hosts = [] if asked.gateway else [held.virtual_host(HTTP_PROXY_ROUTES, host) for host in _hosts(mesh)]
    hosts = list({each.name: each for each in hosts}.values())
    used = sorted({cluster for each in (*listeners, *routes, *hosts) for cluster in each.clusters} | set(held.eager_clusters()))
    clusters = [found for cluster in used if (found := held.cluster(cluster))]
    endpoints = [found for cluster in clusters if cluster.eds and (found := held.endpoints(cluster.name))]
    named = sorted({name for each in (*clusters, *listeners) for name in each.secrets})
    secrets = [found for name in named if (found := held.secret(name))]
    return (*secrets, *clusters, *endpoints, *listeners, *routes, *hosts)


def _routes(held: Snapshot, listeners: Iterable[EnvoyResource]) -> tuple[EnvoyResource, ...]:
    return tuple(found for name in route_names(listeners) if (found := held.route_configuration(name)))


def route_names(listeners: Iterable[EnvoyResource]) -> tuple[str, ...]:
    """The route configurations that the listeners ask for by name, sorted."""
    return tuple(sorted({name for each in listeners for name in _route_names(message(each))}))


def _route_names(listener: Message) -> Iterator[str]:
    """The route configurations that a listener asks for by name, wherever in it they stand."""
    stack: list[Any] = [json_format.MessageToDict(listener, preserving_proto_field_name=True)]
    while stack:
        match stack.pop():
            case {"route_config_name": name, **rest}:
                yield name
                stack.extend(rest.values())
            case dict() as found:
                stack.extend(found.values())
            case list() as found:
                stack.extend(found)


def _hosts(mesh: Mesh) -> Iterator[str]:
    for host, services in sorted(mesh.services.items()):
        for port in services[0].ports:
            if port.protocol.is_http and not host.startswith("*"):
                yield f"{host}:{port.number}"
