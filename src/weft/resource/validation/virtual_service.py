"""The rules of VirtualService but for its HTTP rules, which have a file of their own."""

from weft.resource import names
from weft.resource.field_path import child, item
from weft.resource.istio.virtual_service import TcpMatch, TcpRoute, TlsMatch, TlsRoute, VirtualService
from weft.resource.problems import Problems
from weft.resource.validation import http_route
from weft.resource.validation.labels import duplicates, export_to, labels
from weft.resource.validation.routes import destination, gateway_names, weights

_SPEC = "spec"


def virtual_service(spec: VirtualService, problems: Problems) -> None:
    """Hosts, gateways, and each route."""
    hosts(spec, problems)
    gateway_names(spec.gateways, child(_SPEC, "gateways"), problems)
    export_to(spec.export_to, child(_SPEC, "exportTo"), problems)
    if not (spec.http or spec.tcp or spec.tls):
        problems.invalid(_SPEC, "there is no route: http, tcp or tls is needed")
    http_route.http_routes(spec.http, child(_SPEC, "http"), problems)
    for index, tls in enumerate(spec.tls):
        tls_route(tls, spec.hosts, item("spec.tls", index), problems)
    for index, tcp in enumerate(spec.tcp):
        tcp_route(tcp, item("spec.tcp", index), problems)
    _networks(spec, problems)


def _networks(spec: VirtualService, problems: Problems) -> None:
    """A gateway's callers ask for the gateway's own address; a sidecar's only caller is its own workload."""
    in_mesh = not spec.gateways or "mesh" in spec.gateways
    matches: list[tuple[str, TlsMatch | TcpMatch]] = []
    for i, route in enumerate(spec.tls):
        matches += [(f"spec.tls[{i}].match[{j}]", one) for j, one in enumerate(route.match)]
    for i, raw in enumerate(spec.tcp):
        matches += [(f"spec.tcp[{i}].match[{j}]", one) for j, one in enumerate(raw.match)]
    for place, match in matches:
        at_gateways = "mesh" not in match.gateways if match.gateways else not in_mesh
        if match.destination_subnets and at_gateways:
            why = "who calls a gateway asks for the address of the gateway"
            problems.add("no-effect", child(place, "destinationSubnets"), name="destinationSubnets", why=why, hint="")
        if isinstance(match, TcpMatch) and match.source_subnet and not at_gateways:
            why = "who calls a sidecar is its own workload; it holds at gateways only"
            hint = "sourceLabels and sourceNamespace say which workload"
            problems.add("no-effect", child(place, "sourceSubnet"), name="sourceSubnet", why=why, hint=hint)


def hosts(spec: VirtualService, problems: Problems) -> None:
    """At least one, unless it is there for others to delegate to; `*` only at gateways."""
    path = child(_SPEC, "hosts")
    if not spec.hosts:
        _delegate(spec, path, problems)
    in_mesh = not spec.gateways or "mesh" in spec.gateways
    for index, host in enumerate(spec.hosts):
        place = item(path, index)
        if host == "*" and in_mesh:
            problems.invalid(place, "'*' stands for every host, which only a gateway can serve", "name a gateway in gateways")
        elif not names.is_ip(host):
            problems.invalid(place, names.wildcard_host(host))
        if spec.gateways and (spec.tcp or spec.tls):
            _server_name(host, place, problems)
    duplicates([(host.lower(), item(path, index)) for index, host in enumerate(spec.hosts)], "the host", problems)


def _delegate(spec: VirtualService, path: str, problems: Problems) -> None:
    """What has no hosts has HTTP rules only, and sends on to nobody else."""
    if spec.gateways or spec.tcp or spec.tls or not spec.http:
        problems.add("missing-field", path, name="hosts")
    for index, route in enumerate(spec.http):
        if route.delegate is not None:
            why = "a VirtualService without hosts is one that others delegate to, and there is one step only"
            problems.add("no-effect", child(item("spec.http", index), "delegate"), name="delegate", why=why, hint="")


def _server_name(host: str, path: str, problems: Problems) -> None:
    if names.server_name(host) and not names.wildcard_host(host):
        why = "TLS tells whole labels apart"
        problems.add("no-effect", path, name=f"{host} for tcp and tls", why=why, hint="write *.example.com, or the whole name")


def tls_route(route: TlsRoute, of: tuple[str, ...], path: str, problems: Problems) -> None:
    """One rule for TLS that passes through."""
    if not route.match:
        problems.invalid(child(path, "match"), "at least one match is needed", "match: [{sniHosts: [...]}]")
    for index, match in enumerate(route.match):
        place = item(child(path, "match"), index)
        sni_hosts(match.sni_hosts, of, child(place, "sniHosts"), problems)
        l4_match(match, place, problems)
    destinations(route, path, problems)


def sni_hosts(sni: tuple[str, ...], of: tuple[str, ...], path: str, problems: Problems) -> None:
    """Each within one of the resource's hosts."""
    if not sni:
        problems.invalid(path, "at least one host is needed")
    for index, host in enumerate(sni):
        place = item(path, index)
        if problem := names.server_name(host):
            problems.invalid(place, problem)
        elif of and not any(_within(host, pattern) for pattern in of):
            problems.invalid(place, f"{host} is not among the hosts of this resource", "add it to spec.hosts")


def _within(host: str, pattern: str) -> bool:
    """Whether `host` (perhaps a wildcard) is covered by `pattern`. Short names are compared by their first label."""
    host, pattern = host.lower(), pattern.lower()
    if pattern.startswith("*"):
        return host.removeprefix("*").endswith(pattern[1:])
    return host == pattern or ("." not in pattern and host.startswith(f"{pattern}."))


def tcp_route(route: TcpRoute, path: str, problems: Problems) -> None:
    """One rule for TCP."""
    for index, match in enumerate(route.match):
        l4_match(match, item(child(path, "match"), index), problems)
    destinations(route, path, problems)


def l4_match(match: TcpMatch | TlsMatch, path: str, problems: Problems) -> None:
    """What TCP and TLS matches share."""
    gateway_names(match.gateways, child(path, "gateways"), problems)
    labels(match.source_labels, child(path, "sourceLabels"), problems)
    for index, subnet in enumerate(match.destination_subnets):
        problems.invalid(item(child(path, "destinationSubnets"), index), names.network(subnet))
    if match.source_namespace:
        problems.invalid(child(path, "sourceNamespace"), names.label(match.source_namespace))
    if isinstance(match, TcpMatch) and match.source_subnet:
        problems.invalid(child(path, "sourceSubnet"), names.network(match.source_subnet))


def destinations(route: TcpRoute | TlsRoute, path: str, problems: Problems) -> None:
    """Where the connections go."""
    path = child(path, "route")
    if not route.route:
        problems.add("missing-field", path, name="route")
    for index, share in enumerate(route.route):
        destination(share.destination, child(item(path, index), "destination"), problems)
    weights(route.route, path, problems)
