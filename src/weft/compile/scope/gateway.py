"""What a gateway's proxy sees: the servers of every Gateway that selects it, and the rules bound to them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from weft.compile.scope import not_found
from weft.compile.scope.authorizers import screening
from weft.compile.scope.destinations import Caller
from weft.compile.scope.guard import authentications, guard
from weft.compile.scope.inputs import (
    ANY_HOST,
    DatagramListener,
    GatewayListener,
    HttpsChain,
    L4Chain,
    ListenerInput,
    QuicListener,
    RouteConfigurationInput,
    RouteInput,
    Target,
    VirtualHostInput,
)
from weft.compile.scope.limits import limits, of_connections, of_requests, slots
from weft.compile.scope.logins import logins, sources, tokens
from weft.compile.scope.rules import Sight, http_routes, l4_concerns, l4_split, matches_all
from weft.compile.scope.screening_inputs import Guard
from weft.compile.scope.secrets import server_tls
from weft.envoy.names import passed_cluster
from weft.hostname import matches
from weft.model import precedence
from weft.model.gateway import Gateway, Server, ServerTls
from weft.model.mesh import Mesh
from weft.model.route import HttpMatch, L4Match, RouteSet
from weft.model.service import Location, Protocol
from weft.model.workload import Address, Proxy
from weft.ref import Ref

_HTTP = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")


@dataclass(frozen=True, slots=True)
class Opened:
    """A server of a gateway, at one proxy."""

    gateway: Gateway
    server: Server

    @property
    def is_udp(self) -> bool:
        """Whether datagrams come."""
        return self.server.protocol.upper() == "UDP"

    @property
    def is_http(self) -> bool:
        """Whether requests come in plain text."""
        return self.server.tls is ServerTls.NONE and self.server.protocol.upper() in _HTTP

    @property
    def is_https(self) -> bool:
        """Whether TLS ends here and requests are inside it."""
        return not self.server.tls.passes and self.server.protocol.upper() != "TLS"

    @property
    def routes(self) -> str:
        """The name of its route configuration, in Istio's form. All plain HTTP servers of a port share one."""
        if self.is_http:
            return _plain_routes(self.server.port, self.server.bind)
        return f"https.{self.server.port}.{self.server.port_name}.{self.gateway.name}.{self.gateway.namespace}"


def _plain_routes(port: int, bind: str) -> str:
    return f"http.{port}.{bind}" if bind else f"http.{port}"


def opened(mesh: Mesh, proxy: Proxy) -> tuple[Opened, ...]:
    """All servers that `proxy` opens, the older Gateway's first."""
    own = proxy.workload
    selected = [one for one in mesh.gateways.values() if one.opened_by(own.namespace, own.labels)]
    ranked = sorted(selected, key=lambda one: (one.created, one.namespace, one.name))
    return tuple(Opened(gateway, server) for gateway in ranked for server in gateway.servers)


def listeners(mesh: Mesh, proxy: Proxy) -> tuple[ListenerInput, ...]:
    """One listener for each port that has something to serve."""
    everything = opened(mesh, proxy)
    servers = [one for one in everything if not one.is_udp]
    places = sorted({(one.server.port, one.server.bind) for one in servers})
    made = (
        _listener(mesh, proxy, place, [one for one in servers if (one.server.port, one.server.bind) == place]) for place in places
    )
    whole = [one for one in made if one.routes or one.https or one.l4]
    return (*whole, *(quic for one in whole for quic in _quic(one)), *_datagrams(mesh, proxy, everything))


def _quic(of: GatewayListener) -> Iterator[QuicListener]:
    """HTTP/3, where it is asked for and nobody is asked for a certificate: Envoy's QUIC asks no caller for one."""
    if chains := tuple(one for one in of.https if _speaks_quic(one.ends.server)):
        yield QuicListener(replace(of, https=chains, l4=(), routes=""))


def _speaks_quic(of: Server) -> bool:
    return of.http3 and of.tls is ServerTls.SIMPLE and of.demands.maximum in ("", "TLSv1_3")


def _datagrams(mesh: Mesh, proxy: Proxy, servers: Iterable[Opened]) -> Iterator[DatagramListener]:
    """One for each UDP port with a rule; the first server of a port has it."""
    first = {one.server.port: one for one in reversed([one for one in servers if one.is_udp])}
    for port, one in sorted(first.items()):
        sight = Sight(mesh, _caller(proxy, one), port)
        sets = precedence.gateway_route_sets(mesh, one.gateway.key, proxy.workload.namespace)
        for route in [route for rules in sets for route in rules.tcp][:1]:
            heaviest = max(l4_split(sight, route), key=lambda target: (target.weight, target.cluster), default=None)
            cluster = heaviest.cluster if heaviest else ""
            origins = tuple(sorted({one.server.origin, route.origin}))
            yield DatagramListener(port, Address(proxy.gateway_host, port), cluster, frozenset((ANY_HOST,)), origins)


def _listener(mesh: Mesh, proxy: Proxy, place: tuple[int, str], servers: list[Opened]) -> GatewayListener:
    port, bind = place
    taken: set[str] = set()
    http = any(one.is_http for one in servers)
    origins = {one.server.origin for one in servers}
    https = [chain for one in servers if one.is_https for chain in _https(mesh, proxy, one, taken)]
    l4: list[L4Chain] = []
    for one in servers:
        if one.server.tls is ServerTls.AUTO_PASSTHROUGH:
            l4 += _passed(mesh, proxy, one, taken)
        elif not one.is_http and not one.is_https:
            l4 += _l4(mesh, proxy, one, taken, plain_free=not http)
    guarded = _guard(mesh, proxy, servers, is_http=False) if l4 else Guard()
    accepting = authentications(mesh, proxy.workload, _gateways(servers))
    signing_in = logins(mesh, proxy.workload, _gateways(servers))
    limited = limits(mesh, proxy.workload, (port,), _gateways(servers))
    counted = of_connections(limited)
    return GatewayListener(
        port,
        Address(bind or proxy.gateway_host, port),
        _plain_routes(port, bind) if http else "",
        tuple(https),
        tuple(l4),
        mesh.trust_domains,
        frozenset((ANY_HOST,)) | sources(signing_in),
        tuple(
            sorted(
                {
                    *origins,
                    *(chain.origin for chain in l4),
                    *guarded.origins,
                    *counted.origins,
                    *(one.origin for one in accepting),
                    *(one.login.origin for one in signing_in),
                }
            )
        ),
        guarded,
        screening(mesh, proxy.workload),
        (*(rule for one in accepting for rule in one.rules), *tokens(mesh, signing_in)),
        counted,
        slots(limited),
        signing_in,
        bind,
    )


def _guard(mesh: Mesh, proxy: Proxy, servers: list[Opened], *, is_http: bool) -> Guard:
    """The guard of one port: of the policies for the workload, and of those for one of the Gateways that open it."""
    return guard(mesh, proxy.workload, (servers[0].server.port,), is_http=is_http, gateways=_gateways(servers))


def _gateways(servers: list[Opened]) -> frozenset[str]:
    """The Gateways of these servers, as policies name them."""
    return frozenset(one.gateway.key.partition("~")[0] for one in servers)


def _https(mesh: Mesh, proxy: Proxy, of: Opened, taken: set[str]) -> Iterator[HttpsChain]:
    """One chain, for the SNI hosts no earlier server has: Envoy refuses two chains with one match."""
    free = _free(tuple(dict.fromkeys(host for _, host in of.server.hosts)), taken)
    if free:
        ends = server_tls(of.server, proxy.workload.namespace, mesh.tls)
        yield HttpsChain(() if "*" in free else free, of.routes, ends)


def _free(hosts: tuple[str, ...], taken: set[str], sources: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Those of `hosts` that no earlier chain has for connections from `sources` (none: anywhere)."""
    own = "".join(f" from {one}" for one in sources)
    free = tuple(host for host in hosts if host not in taken and host + own not in taken)
    if "*" in free and len(free) > 1:
        free = ("*",)
    taken.update(host + own for host in free)
    return free


def _l4(mesh: Mesh, proxy: Proxy, of: Opened, taken: set[str], plain_free: bool) -> Iterator[L4Chain]:
    """Chains of raw connections: by SNI for TLS that passes or ends here, one for the whole port for TCP."""
    sight = Sight(mesh, _caller(proxy, of), of.server.port)
    tls = of.server.tls is not ServerTls.NONE or of.server.protocol.upper() == "TLS"
    passes = of.server.tls.passes
    ends = None if passes else server_tls(of.server, proxy.workload.namespace, mesh.tls)
    for rules in precedence.gateway_route_sets(mesh, of.gateway.key, proxy.workload.namespace):
        for route in rules.tls if tls and passes else rules.tcp:
            for match in route.matches or (L4Match(),):
                if not l4_concerns(sight, match):
                    continue
                hosts = _sni(of, rules, match) if tls else ("*",) if plain_free else ()
                free = _free(hosts, taken, match.source_subnets)
                if free:
                    names = () if "*" in free else free
                    yield L4Chain(names, l4_split(sight, route), route.origin, tls, ends, match.source_subnets)


def _passed(mesh: Mesh, proxy: Proxy, of: Opened, taken: set[str]) -> Iterator[L4Chain]:
    """A chain for each port and subset of each service in the mesh that the server's hosts name: what the mesh's own TLS asks
    for is where it goes, without a rule and unopened.
    https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings-TLSmode"""
    work = proxy.workload
    for host in sorted(mesh.services):
        found = precedence.service(mesh, host, work.namespace)
        if found is None or found.location is Location.EXTERNAL or host.startswith("*"):
            continue
        if not any(True for _ in _served(of, found.namespace, host)):
            continue
        rule = precedence.policy(mesh, found, work.namespace, work.labels)
        for port in found.ports:
            for subset in ("", *(one.name for one in rule.subsets)) if rule else ("",):
                name = passed_cluster(port.number, subset, host)
                if port.protocol is not Protocol.UDP and _free((name,), taken):
                    yield L4Chain((name,), (Target(name),), found.origin, True)


def _sni(of: Opened, rules: RouteSet, match: L4Match) -> tuple[str, ...]:
    """Envoy refuses a wildcard that is not a whole label: no server name is found by one."""
    wanted = match.sni_hosts or rules.hosts
    served = (host for pattern in wanted for host in _served(of, rules.namespace, pattern))
    return tuple(dict.fromkeys(host for host in served if host == "*" or not host.startswith("*") or host.startswith("*.")))


def _served(of: Opened, namespace: str, host: str) -> Iterator[str]:
    """What of `host`, from a rule in `namespace`, the server serves: the narrower of the two, where one holds the other."""
    for allowed, pattern in of.server.hosts:
        if allowed not in ("*", "", namespace) and not (allowed == "." and of.gateway.namespace == namespace):
            continue
        if matches(pattern, host):
            yield host
        elif matches(host, pattern):
            yield pattern


def _caller(proxy: Proxy, of: Opened) -> Caller:
    work = proxy.workload
    return Caller(work.namespace, work.labels, of.gateway.key, True, work.locality, work.network, work.node)


def route_configuration(mesh: Mesh, proxy: Proxy, name: str) -> RouteConfigurationInput | None:
    """A route configuration that the gateway's listeners name, with all its virtual hosts."""
    servers = [one for one in opened(mesh, proxy) if (one.is_http or one.is_https) and one.routes == name]
    if not servers:
        return None
    hosts = _bound(mesh, proxy, servers)
    made = [_virtual_host(mesh, proxy, host, bound) for host, bound in sorted(hosts.items())]
    elsewhere = sorted({host for one in servers for host in one.server.misdirected if host not in hosts})
    made += [_misdirected(servers[0].server, host) for host in elsewhere]
    if "*" not in (*hosts, *elsewhere):
        made.append(_rest(servers[0].server.port, tuple(hosts), tuple(sorted({one.server.origin for one in servers}))))
    return RouteConfigurationInput(
        name,
        tuple(made),
        ignore_port=True,
        guard=_guard(mesh, proxy, servers, is_http=True),
        alternative=_alternative(servers),
        limits=of_requests(limits(mesh, proxy.workload, (servers[0].server.port,), _gateways(servers))),
    )


def _alternative(servers: list[Opened]) -> str:
    """HTTP/3 on the port of the same number, for a day."""
    first = servers[0]
    return f'h3=":{first.server.port}"; ma=86400' if first.is_https and _speaks_quic(first.server) else ""


@dataclass(frozen=True, slots=True)
class _Bound:
    """Rules bound to a host of a server; None: the server only redirects it."""

    to: Opened
    rules: RouteSet | None


def _bound(mesh: Mesh, proxy: Proxy, servers: list[Opened]) -> dict[str, list[_Bound]]:
    """What each host is bound to, in order of precedence and once."""
    hosts: dict[str, list[_Bound]] = {}
    for one in servers:
        for rules in precedence.gateway_route_sets(mesh, one.gateway.key, proxy.workload.namespace):
            served = (host for of in rules.hosts for host in _served(one, rules.namespace, of)) if rules.http else ()
            for host in served:
                earlier = hosts.setdefault(host, [])
                if not any(other.rules is rules and other.to.gateway is one.gateway for other in earlier):
                    earlier.append(_Bound(one, rules))
        if one.server.https_redirect:
            for _, host in one.server.hosts:
                hosts.setdefault(host, []).append(_Bound(one, None))
    return hosts


def _virtual_host(mesh: Mesh, proxy: Proxy, host: str, bound: list[_Bound]) -> VirtualHostInput:
    """All rules of a host, one after another, those that take everything last, as Istio merges them."""
    port = bound[0].to.server.port
    routes: list[RouteInput] = []
    origins: set[Ref] = set()
    hosts = {ANY_HOST}
    for one in bound:
        origins.add(one.to.server.origin)
        if one.rules:
            sight = Sight(mesh, _caller(proxy, one.to), port)
            routes += http_routes(sight, one.rules)
            origins |= sight.origins
            hosts |= sight.hosts
    first = next((one.rules.origin for one in bound if one.rules), bound[0].to.server.origin)
    return VirtualHostInput(
        f"{host}:{port}",
        (host,),
        _ordered(routes, first),
        first,
        any(one.to.server.https_redirect for one in bound),
        frozenset(hosts),
        tuple(sorted(origins)),
    )


def _ordered(routes: list[RouteInput], origin: Ref) -> tuple[RouteInput, ...]:
    narrow = [one for one in routes if not matches_all(one.match)]
    whole = [one for one in routes if matches_all(one.match)][:1]
    nothing = RouteInput("no-rule", origin, HttpMatch(), not_found.no_rule(origin))
    return (*narrow, *(whole or [nothing]))


def _misdirected(of: Server, host: str) -> VirtualHostInput:
    answer = RouteInput("misdirected", of.origin, HttpMatch(), not_found.misdirected(of.origin))
    return VirtualHostInput(f"{host}:{of.port}", (host,), (answer,), of.origin, False, frozenset((ANY_HOST,)), (of.origin,))


def _rest(port: int, hosts: tuple[str, ...], origins: tuple[Ref, ...]) -> VirtualHostInput:
    nothing = RouteInput("no-host", None, HttpMatch(), not_found.no_server(port, hosts))
    return VirtualHostInput(f"*:{port}", ("*",), (nothing,), None, False, frozenset((ANY_HOST,)), origins)
