"""What a sidecar listens on: its HTTP proxy, its upstreams, and one inbound port for each that the workload serves."""

from dataclasses import replace

from weft.compile.scope import not_found
from weft.compile.scope.authorizers import screening
from weft.compile.scope.guard import authentications, guard
from weft.compile.scope.inputs import (
    ApplicationInput,
    HttpProxyListener,
    InboundListener,
    InboundRoutes,
    InnerListener,
    ListenerInput,
    RouteConfigurationInput,
    RouteInput,
    Split,
    UpstreamListener,
    VirtualHostInput,
)
from weft.compile.scope.limits import limits, of_connections, of_requests, slots
from weft.compile.scope.lookup import Answer, answer, port_asked
from weft.compile.scope.rules import Sight
from weft.compile.scope.screening_inputs import Guard
from weft.compile.scope.secrets import server_tls
from weft.compile.scope.sidecar import caller, http, opaque_targets
from weft.envoy.names import HTTP_PROXY_ROUTES, parse_upstream_routes, upstream_routes, vhds_name
from weft.identity import SpiffeId
from weft.model import precedence
from weft.model.mesh import Mesh
from weft.model.mtls import mtls_mode
from weft.model.route import HttpMatch, Rewrite
from weft.model.security import MtlsMode
from weft.model.service import Service, protocol
from weft.model.sidecar import Ingress
from weft.model.workload import Address, InboundPort, Proxy, Upstream
from weft.protocol import Protocol
from weft.ref import Ref


def listeners(mesh: Mesh, proxy: Proxy) -> tuple[ListenerInput, ...]:
    """All listeners of a sidecar."""
    outbound: list[ListenerInput] = []
    if proxy.http_proxy:
        outbound += [HttpProxyListener(proxy.http_proxy, *_who(mesh, proxy)), InnerListener(*_who(mesh, proxy))]
    outbound += [_upstream(mesh, proxy, one) for one in sorted(proxy.upstreams, key=lambda one: one.listen)]
    return (*outbound, *(_inbound(mesh, proxy, one) for one in sorted(proxy.inbound, key=lambda one: one.number)))


def _who(mesh: Mesh, proxy: Proxy) -> tuple[str, str]:
    """The workload and its identity, in words."""
    own = proxy.workload
    return own.key, str(SpiffeId(mesh.settings.trust_domain, own.namespace, own.service_account))


def _inbound(mesh: Mesh, proxy: Proxy, of: InboundPort) -> InboundListener:
    workload = proxy.workload
    mode = inbound_mode(mesh, proxy, of)
    said = _ingress(mesh, proxy, of)
    spoken = _spoken(mesh, proxy, of)
    guarded = Guard() if spoken.is_http else _guard(mesh, proxy, of, is_http=False)
    accepting = authentications(mesh, workload) if spoken.is_http else ()
    limited = limits(mesh, workload, (of.number, of.application.port))
    counted = of_connections(limited)
    origins = {*_authentications(mesh, workload.namespace), *guarded.origins, *counted.origins}
    origins |= {one.origin for one in accepting}
    screened = screening(mesh, workload)
    ends = server_tls(said.tls, workload.namespace, mesh.tls) if said and said.tls else None
    return InboundListener(
        of.number,
        of.listen,
        spoken,
        mode,
        mesh.trust_domains,
        tuple(sorted(origins)),
        guarded,
        screened,
        tuple(rule for one in accepting for rule in one.rules),
        ends,
        counted,
        slots(limited) if spoken.is_http else 0,
        rules=mesh.tls.mesh,
    )


def _ingress(mesh: Mesh, proxy: Proxy, of: InboundPort) -> Ingress | None:
    """What the workload's Sidecar says of the port."""
    obeyed = precedence.sidecar(mesh, proxy.workload.namespace, proxy.workload.labels)
    return obeyed.serves(of.number, of.application.port) if obeyed else None


def _spoken(mesh: Mesh, proxy: Proxy, of: InboundPort) -> Protocol:
    """What the port speaks. A Sidecar may say that requests can be read; callers that speak HTTP/2 to the sidecar, because the
    Service says HTTP, are always read."""
    declared, said = protocol(of.protocol or of.name), _ingress(mesh, proxy, of)
    other = protocol(said.protocol) if said and said.protocol else declared
    return other if other.is_http or not declared.is_http else declared


def _guard(mesh: Mesh, proxy: Proxy, of: InboundPort, *, is_http: bool) -> Guard:
    return guard(mesh, proxy.workload, (of.number, of.application.port), is_http=is_http)


def inbound_routes(mesh: Mesh, proxy: Proxy, number: int) -> InboundRoutes | None:
    """The routes of the inbound port `number`; None when its requests are not read, or there is none."""
    of = next((one for one in proxy.inbound if one.number == number), None)
    if of is None or not _spoken(mesh, proxy, of).is_http:
        return None
    return InboundRoutes(
        number, _guard(mesh, proxy, of, is_http=True), of_requests(limits(mesh, proxy.workload, (number, of.application.port)))
    )


def inbound_mode(mesh: Mesh, proxy: Proxy, of: InboundPort) -> MtlsMode:
    """What an inbound port accepts. A port-level word names the port as the workload declares it or as the application has it."""
    workload = proxy.workload
    return mtls_mode(mesh, workload.namespace, workload.labels, of.number, of.application.port)


def _authentications(mesh: Mesh, namespace: str) -> tuple[Ref, ...]:
    names = {namespace, mesh.settings.root_namespace}
    return tuple(sorted({one.origin for name in names for one in mesh.peer_authentications.get(name, ())}))


def application(mesh: Mesh, proxy: Proxy, number: int) -> ApplicationInput | None:
    """The application's own port behind the inbound port `number`, or what the workload's Sidecar says stands there."""
    of = next((one for one in proxy.inbound if one.number == number), None)
    if of is None:
        return None
    obeyed = precedence.sidecar(mesh, proxy.workload.namespace, proxy.workload.labels)
    said = _ingress(mesh, proxy, of) or Ingress(of.number)
    address = Address(said.host or of.application.host, said.port or of.application.port)
    pool = said.pool or (obeyed.pool if obeyed else None)
    return ApplicationInput(number, address, _spoken(mesh, proxy, of), said.socket, pool)


def _upstream(mesh: Mesh, proxy: Proxy, of: Upstream) -> UpstreamListener:
    found = answer(mesh, proxy.workload.namespace, of.host, caller(mesh, proxy).limit(of.port))
    service = found.service
    port = port_asked(service, of.port) if service else None
    if service is None or port is None or port.protocol.is_http:
        workload, identity = _who(mesh, proxy)
        hosts = frozenset(found.looked_up)
        return UpstreamListener(of.listen, upstream_routes(of.host, of.port), (), hosts, (), workload, identity)
    sight = Sight(mesh, caller(mesh, proxy), port.number, set(found.looked_up), {service.origin})
    _, targets = opaque_targets(sight, found, service)
    return UpstreamListener(of.listen, "", targets, frozenset(sight.hosts), tuple(sorted(sight.origins)))


def route_configuration(mesh: Mesh, proxy: Proxy, name: str) -> RouteConfigurationInput | None:
    """A route configuration that a sidecar's listener names; None for any other name."""
    if name == HTTP_PROXY_ROUTES and proxy.http_proxy:
        return RouteConfigurationInput(name, on_demand=True)
    wanted = parse_upstream_routes(name)
    if wanted and any((one.host, one.port) == wanted for one in proxy.upstreams):
        return RouteConfigurationInput(name, (_upstream_host(mesh, proxy, name, *wanted),))
    return None


def _upstream_host(mesh: Mesh, proxy: Proxy, name: str, host: str, port: int) -> VirtualHostInput:
    """Whatever Host the application says means the one upstream; it is told so in the rewritten Host."""
    found = answer(mesh, proxy.workload.namespace, host, caller(mesh, proxy).limit(port))
    sight = Sight(mesh, caller(mesh, proxy), port, set(found.looked_up))
    routes = tuple(_addressed(route, _authority(host, port)) for route in _upstream_routes(sight, found, port))
    origin = _origin(found.service)
    return VirtualHostInput(
        vhds_name(name, found.host), ("*",), routes, origin, False, frozenset(sight.hosts), tuple(sorted(sight.origins))
    )


def _upstream_routes(sight: Sight, found: Answer, port: int) -> tuple[RouteInput, ...]:
    if not found.known:
        what = not_found.unknown_host(sight.mesh, sight.caller.namespace, found)
        return (RouteInput("default", None, HttpMatch(), what),)
    if found.service and port_asked(found.service, port) is None:
        return (RouteInput("default", found.service.origin, HttpMatch(), not_found.unknown_port(found.service, port)),)
    return http(sight, found.host, found.service, found.rules)


def _authority(host: str, port: int) -> str:
    return host if port == 80 else f"{host}:{port}"


def _addressed(route: RouteInput, authority: str) -> RouteInput:
    """The route, its Host rewritten to the upstream's unless a rule rewrites it already."""
    if not isinstance(route.action, Split) or (route.rewrite and route.rewrite.authority):
        return route
    return replace(route, rewrite=replace(route.rewrite or Rewrite(), authority=authority))


def _origin(of: Service | None) -> Ref | None:
    return of.origin if of else None
