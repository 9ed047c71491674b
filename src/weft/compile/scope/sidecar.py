"""What a proxy sees by name: virtual hosts on demand, and, at sidecars and gateways alike, clusters and endpoints."""

from dataclasses import replace

from weft.compile.scope import not_found
from weft.compile.scope.destinations import Caller, Missing, forwards, is_ip, is_socket, reached, transport
from weft.compile.scope.inputs import (
    ClusterInput,
    ConnectMatch,
    Discovery,
    EndpointsInput,
    LbEndpoint,
    Plaintext,
    RouteInput,
    Split,
    Target,
    VirtualHostInput,
)
from weft.compile.scope.lookup import Answer, answer, asked, domains, is_address, is_external, port_asked
from weft.compile.scope.placement import placement
from weft.compile.scope.rules import Sight, forward, http_routes, l4_targets, matches_all, plain_forward, unreachable
from weft.envoy.names import (
    INNER_LISTENER,
    PASSTHROUGH,
    is_passed,
    is_plain,
    parse_outbound,
    vhds_name,
)
from weft.model import precedence
from weft.model.mesh import Mesh
from weft.model.route import Destination, DirectResponse, HttpMatch, RouteSet, WeightedDestination
from weft.model.service import Protocol, Resolution, Service
from weft.model.traffic import HashKey
from weft.model.workload import Proxy
from weft.ref import Ref

_UNSHARED = 1_000_000  # percent: one healthy endpoint of ten thousand takes everything
_INVALID = "invalid-host.invalid"  # of a top-level domain that never exists (RFC 2606)


def caller(mesh: Mesh, proxy: Proxy) -> Caller:
    """What of a proxy decides how it sees others. A gateway obeys no Sidecar."""
    work = proxy.workload
    obeyed = None if proxy.gateway else precedence.sidecar(mesh, work.namespace, work.labels)
    found = Caller(work.namespace, work.labels, edge=proxy.gateway, sidecar=obeyed)
    return replace(found, locality=work.locality, network=work.network, node=work.node)


# virtual hosts


def virtual_host(mesh: Mesh, of: Caller, route_config: str, host: str) -> VirtualHostInput:
    """What answers `host`, as it stands in a request's Host or :authority."""
    parts = asked(host)
    if parts is None:
        return _invalid(route_config)
    namespace = of.namespace
    limit = of.limit(parts.port)
    found = answer(mesh, namespace, parts.host, limit, parts.port)
    spelled, tried = domains(mesh, namespace, found, limit, parts.port)
    name = vhds_name(route_config, found.host + parts.suffix)
    if parts.host not in spelled:  # cannot happen for what HTTP calls a host; were it to, it must still be answered
        spelled, name = (parts.host,), vhds_name(route_config, parts.host + parts.suffix)
    sight = Sight(mesh, of, _port_number(found, parts.port), set(tried))
    routes = _routes(sight, found, parts.port)
    origin = found.rules.origin if found.rules else found.service.origin if found.service else None
    if origin:
        sight.origins.add(origin)
    return VirtualHostInput(
        name,
        tuple(one + parts.suffix for one in spelled),
        routes,
        origin,
        False,
        frozenset(sight.hosts),
        tuple(sorted(sight.origins)),
    )


def _invalid(route_config: str) -> VirtualHostInput:
    text = DirectResponse(400, b"weft: the Host of this request is not the name of a host\n", "text/plain")
    return VirtualHostInput(vhds_name(route_config, _INVALID), (_INVALID,), _always(text))


def port_of(mesh: Mesh, namespace: str, host: str) -> int:
    """The port that `host`, as it stands in a request, means to a caller in `namespace`; 0: it is no host's name."""
    parts = asked(host)
    return _port_number(answer(mesh, namespace, parts.host), parts.port) if parts else 0


def _port_number(found: Answer, written: int) -> int:
    if found.service:
        port = port_asked(found.service, written)
        return port.number if port else written or 80
    return written or 80


def _routes(sight: Sight, found: Answer, written: int) -> tuple[RouteInput, ...]:
    """The routes of one answer, CONNECT first."""
    service = found.service
    if not found.known:
        return _unknown(sight, found)
    port = port_asked(service, written) if service else None
    if service and port is None:
        if service.alias:
            return _renamed(service, written)
        if is_external(service) and _allows_any(sight):
            return _passed(sight)
        return _always(not_found.unknown_port(service, sight.port))
    if port and not port.protocol.is_http and service:
        return _opaque(sight, found, service)
    return (_connect_inside(), *http(sight, found.host, service, found.rules))


def _unknown(sight: Sight, found: Answer) -> tuple[RouteInput, ...]:
    if sight.caller.rules:
        sight.origins.add(sight.caller.rules)
    if found.in_mesh:
        return _always(_not_there(sight, found))
    if _allows_any(sight):
        return _passed(sight)
    sight.origins.update(precedence.defaults(sight.mesh, sight.caller.namespace).origins)
    return _always(not_found.blocked(found.host))


def _not_there(sight: Sight, found: Answer) -> DirectResponse:
    """Nobody has the name, or the caller's Sidecar does not let it know of it."""
    mesh, of = sight.mesh, sight.caller
    if of.rules and answer(mesh, of.namespace, found.host).known:
        return not_found.hidden(found.host, of.rules)
    return not_found.unknown_host(mesh, of.namespace, found)


def _allows_any(sight: Sight) -> bool:
    """Whether a host that nobody declared passes: the Sidecar's word, else the namespace's or the mesh's."""
    said = sight.caller.sidecar.allow_any if sight.caller.sidecar else None
    return precedence.allows_any(sight.mesh, sight.caller.namespace) if said is None else said


def http(sight: Sight, host: str, service: Service | None, rules: RouteSet | None) -> tuple[RouteInput, ...]:
    """The routes of a host whose requests are read: its rules, or straight to its service."""
    rules = _on_port(sight, service.hostname if is_address(host) else host, rules) if service else rules
    routes = http_routes(sight, rules) if rules else ()
    if rules and (rules.http or not service):
        complete = bool(routes) and matches_all(routes[-1].match)
        return routes if complete else (*routes, _answered("no-rule", rules.origin, not_found.no_rule(rules.origin)))
    if service is None:
        raise AssertionError(f"{host} has neither a service nor rules")
    action, keys = _to_service(sight, host, service)
    usual = precedence.defaults(sight.mesh, service.namespace)
    return (RouteInput("default", service.origin, HttpMatch(), action, None, usual.timeout, usual.retries, hash_keys=keys),)


def _on_port(sight: Sight, host: str, rules: RouteSet | None) -> RouteSet | None:
    """`rules` where they are for the port that is called, else those that are: a nearer route may be for another port only."""
    if rules is None or not rules.ports or sight.port in rules.ports:
        return rules
    return precedence.route_set(sight.mesh, host, sight.caller.namespace, sight.caller.limit(sight.port), sight.port)


def _opaque(sight: Sight, found: Answer, service: Service) -> tuple[RouteInput, ...]:
    """A port whose bytes are not read: a CONNECT goes straight to it, and so does a request that was sent all the same."""
    origin, targets = opaque_targets(sight, found, service)
    action = Split(targets) if targets else unreachable(origin, ["no destination exists"])
    return (
        RouteInput("connect", origin, ConnectMatch(), action),
        RouteInput("default", origin, HttpMatch(), action),
    )


def opaque_targets(sight: Sight, found: Answer, service: Service) -> tuple[Ref, tuple[Target, ...]]:
    """Where connections to a TCP or TLS port go, and who said so. SNI rules are matched by the host that was asked for: inside
    a tunnel nothing else is known of it."""
    if rules := _on_port(sight, service.hostname if is_address(found.host) else found.host, found.rules):
        sight.origins.add(rules.origin)
        names = {found.host, service.hostname}
        for routes, sni in ((rules.tcp, ""), *((rules.tls, name) for name in sorted(names))):
            if chosen := l4_targets(sight, routes, sni, _addresses(found, service)):
                return chosen[0].origin, chosen[1]
    action, _ = _to_service(sight, found.host, service)
    return service.origin, action.targets if isinstance(action, Split) else ()


def _addresses(found: Answer, service: Service) -> tuple[str, ...]:
    """What a connection may be for: the address that was asked for, else those of the service."""
    return (found.host.strip("[]"),) if is_address(found.host) else service.addresses


def _to_service(sight: Sight, host: str, service: Service) -> tuple[Split | DirectResponse, tuple[HashKey, ...]]:
    """Straight to the service. One that resolves nothing is called at the very address that was asked for."""
    if not is_address(host):
        return plain_forward(sight, host, service.origin)
    if service.resolution is Resolution.NONE:
        return Split((Target(PASSTHROUGH),)), ()
    return plain_forward(sight, service.hostname, service.origin)


def _renamed(service: Service, port: int) -> tuple[RouteInput, ...]:
    """To the host outside that the service is another name of, on whichever port was asked for."""
    to, origin = Split((Target(PASSTHROUGH, dial=(service.alias, port or 80)),)), service.origin
    return RouteInput("connect", origin, ConnectMatch(), to), RouteInput("default", origin, HttpMatch(), to)


def _connect_inside() -> RouteInput:
    return RouteInput("connect", None, ConnectMatch(), Split((Target(INNER_LISTENER),)))


def _passed(sight: Sight) -> tuple[RouteInput, ...]:
    """To the host that was asked for, or to the egress proxy that the caller's Sidecar names."""
    to: Split | DirectResponse = Split((Target(PASSTHROUGH),))
    origin = None
    if sight.caller.sidecar and (proxy := sight.caller.sidecar.egress_proxy):
        origin = sight.caller.sidecar.origin
        to, _ = forward(sight, (WeightedDestination(proxy),), origin)
    return RouteInput("connect", origin, ConnectMatch(), to), RouteInput("passthrough", origin, HttpMatch(), to)


def _always(what: DirectResponse) -> tuple[RouteInput, ...]:
    return RouteInput("connect", None, ConnectMatch(), what), _answered("default", None, what)


def _answered(name: str, origin: Ref | None, what: DirectResponse) -> RouteInput:
    return RouteInput(name, origin, HttpMatch(), what)


# clusters and endpoints


def cluster(mesh: Mesh, of: Caller, name: str) -> ClusterInput | None:
    """The outbound cluster `name`; None when it is not the name of one. A service, port or subset that does not exist is a
    cluster too, without endpoints: whoever still sends there gets an answer at once."""
    parsed = parse_outbound(name)
    if parsed is None:
        return None
    number, subset, host = parsed
    found = reached(mesh, of, Destination(host, subset, number), number)
    if isinstance(found, Missing):
        return ClusterInput(name, Protocol.TCP, Plaintext(), hosts=frozenset((host,)))
    if is_passed(name):  # TLS as it came, whatever is inside it
        policy = replace(found.policy, tls=None, proxy_protocol="", tunnel=None)
        origins = tuple(sorted(set(found.origins)))
        return ClusterInput(name, Protocol.TCP, Plaintext(), Discovery.EDS, policy, _hosts(host, found.service), origins)
    return ClusterInput(
        name,
        found.port.protocol,
        transport(mesh, found, is_plain(name), of),
        Discovery.FORWARD if forwards(found) else Discovery.EDS,
        found.policy,
        _hosts(host, found.service),
        tuple(sorted(set(found.origins))),
    )


def _hosts(host: str, of: Service) -> frozenset[str]:
    return frozenset((host, of.hostname, of.backed_by))


def endpoints(mesh: Mesh, of: Caller, name: str) -> EndpointsInput | None:
    """The endpoints of the outbound cluster `name`; None when it is not the name of one."""
    parsed = parse_outbound(name)
    if parsed is None:
        return None
    number, subset, host = parsed
    found = reached(mesh, of, Destination(host, subset, number), number)
    chosen = () if isinstance(found, Missing) else found.plain if is_plain(name) else found.meshed
    if is_passed(name):
        chosen = tuple(one for one in chosen if one.mtls)
    hosts = frozenset((host,)) if isinstance(found, Missing) else _hosts(host, found.service)
    dialled = tuple(one for one in chosen if is_ip(one.address) or is_socket(one.address))
    if isinstance(found, Missing):
        return EndpointsInput(name, (), hosts)
    service = precedence.placed(mesh, found.service)
    placed = placement(of, service, found.policy, dialled, mesh.demand.get((host, number, subset), ()))
    lb = sorted(
        LbEndpoint(priority, one.locality, one.address, one.port, weight, one.health, one.workload)
        for one, priority, weight in placed.endpoints
    )
    # What has a fallback keeps all of its load for as long as it has anybody, instead of only what 71% healthy could take.
    overprovisioning = placed.overprovisioning or (_UNSHARED if found.rule and found.rule.fallbacks else 0)
    return EndpointsInput(name, tuple(lb), hosts, placed.localities, overprovisioning)
