"""The rules of ServiceEntry and WorkloadEntry."""

from weft.resource import names
from weft.resource.field_path import child, item
from weft.resource.istio.service_entry import ServiceEntry
from weft.resource.istio.workload_entry import WorkloadEntry
from weft.resource.problems import Problems
from weft.resource.validation.labels import duplicates, export_to, labels
from weft.resource.wording import close_name

_PROTOCOLS = ("HTTP", "HTTPS", "HTTP2", "GRPC", "GRPC-WEB", "TCP", "TLS", "MONGO", "MYSQL", "REDIS", "UDP")
_LONGEST_PATH = 107
_DNS = ("DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS")


def service_entry(spec: ServiceEntry, problems: Problems) -> None:
    """Hosts, ports, and endpoints that fit the resolution."""
    _hosts(spec, problems)
    for index, address in enumerate(spec.addresses):
        problems.invalid(item("spec.addresses", index), names.network(address))
        if "/" in address and spec.resolution not in ("NONE", "STATIC"):
            problem = f"a range of addresses cannot be resolved with {spec.resolution}"
            problems.invalid(item("spec.addresses", index), problem, "resolution NONE or STATIC")
    _ports(spec, problems)
    problems.conflict("spec", {"workloadSelector": spec.workload_selector is not None, "endpoints": bool(spec.endpoints)})
    if spec.workload_selector is not None:
        labels(spec.workload_selector.labels, "spec.workloadSelector.labels", problems)
    _resolution(spec, problems)
    ports = tuple(port.name for port in spec.ports)
    for index, endpoint in enumerate(spec.endpoints):
        workload_entry(endpoint, item("spec.endpoints", index), problems, ports=ports, resolution=spec.resolution)
    export_to(spec.export_to, "spec.exportTo", problems)


def _hosts(spec: ServiceEntry, problems: Problems) -> None:
    for index, host in enumerate(spec.hosts):
        place = item("spec.hosts", index)
        if host == "*":
            problems.invalid(place, "'*' is every host there is", "name a domain: *.example.com")
        elif not names.is_ip(host):
            problems.invalid(place, names.wildcard_host(host))
        if host.startswith("*") and spec.resolution in ("DNS", "DNS_ROUND_ROBIN") and not spec.endpoints:
            hint = "list endpoints, or use resolution DYNAMIC_DNS"
            problems.invalid(place, f"{host} has no address of its own to resolve", hint)
    duplicates([(host.lower(), item("spec.hosts", index)) for index, host in enumerate(spec.hosts)], "the host", problems)


def _ports(spec: ServiceEntry, problems: Problems) -> None:
    if not spec.ports:
        problems.add("no-effect", "spec", name="the entry", why="it has no ports, so nothing can be called", hint="add ports")
    for index, port in enumerate(spec.ports):
        path = item("spec.ports", index)
        problems.invalid(child(path, "name"), names.label(port.name.lower()))
        if port.protocol and port.protocol.upper() not in _PROTOCOLS:
            close = close_name(port.protocol, _PROTOCOLS)
            hint = f"did you mean {close}?" if close else "one of " + ", ".join(_PROTOCOLS)
            problems.invalid(child(path, "protocol"), f"{port.protocol[:40]!r} is not a protocol", hint)
    for what, field in (("the port", "number"), ("the port name", "name")):
        listed = [(str(getattr(port, field)), f"spec.ports[{index}].{field}") for index, port in enumerate(spec.ports)]
        duplicates(listed, what, problems)


def _resolution(spec: ServiceEntry, problems: Problems) -> None:
    place = "spec.resolution"
    match spec.resolution:
        case "NONE" if spec.endpoints:
            problems.invalid(place, "NONE goes where the caller asked to go, so it has no endpoints", "use STATIC or DNS")
        case "STATIC" if not spec.endpoints and spec.workload_selector is None:
            why = "STATIC has no endpoints and no workloadSelector: every call is answered 503"
            problems.add("no-effect", place, name="the entry", why=why, hint="list endpoints, or use resolution DNS")
        case "DNS_ROUND_ROBIN" if len(spec.endpoints) > 1:
            problems.invalid(place, f"DNS_ROUND_ROBIN has one endpoint at most, not {len(spec.endpoints)}", "use DNS")
        case "DYNAMIC_DNS" if spec.endpoints or spec.workload_selector is not None:
            problems.invalid(place, "DYNAMIC_DNS resolves the host that a request names, so it has no endpoints", "use DNS")
        case "DYNAMIC_DNS" if spec.location != "MESH_EXTERNAL":
            problems.invalid(place, "DYNAMIC_DNS is for hosts outside the mesh", "location: MESH_EXTERNAL")


def workload_entry(
    entry: WorkloadEntry, path: str, problems: Problems, *, ports: tuple[str, ...] | None = None, resolution: str = ""
) -> None:
    """An address of the right kind. `ports` are the names its own may have; None: any."""
    _address(entry, path, resolution, problems)
    labels(entry.labels, child(path, "labels"), problems)
    for name in entry.ports:
        place = child(child(path, "ports"), name)
        problems.invalid(place, names.label(name.lower()))
        if ports is not None and name not in ports:
            close = close_name(name, ports)
            hint = f"did you mean {close}?" if close else "names of spec.ports: " + ", ".join(ports)
            problems.invalid(place, f"the service has no port named {name[:63]}", hint)
    if entry.service_account:
        problems.invalid(child(path, "serviceAccount"), names.subdomain(entry.service_account))
    if entry.locality.count("/") > 2:
        problems.invalid(child(path, "locality"), "a locality has at most three parts", "region/zone/sub-zone")


def _address(entry: WorkloadEntry, path: str, resolution: str, problems: Problems) -> None:
    place, address = child(path, "address"), entry.address
    if not address:
        if not entry.network:
            problems.add("missing-field", place, name="address")
    elif address.startswith("unix://"):
        _socket(entry, place, resolution, problems)
    elif names.is_ip(address):
        return
    elif resolution == "STATIC":
        problems.invalid(place, f"{address[:80]!r} is not an IP address, as STATIC needs", "resolution: DNS resolves names")
    else:
        problems.invalid(place, names.host(address))


def _socket(entry: WorkloadEntry, place: str, resolution: str, problems: Problems) -> None:
    if entry.address[7:8] not in ("/", "@") or entry.address.endswith("/"):
        problems.invalid(place, "the path of a Unix socket is absolute and names a file", "unix:///run/app.sock")
    if entry.ports:
        problems.invalid(place, "a Unix socket has no ports", "remove ports")
    if len(entry.address.removeprefix("unix://").encode()) > _LONGEST_PATH:
        problems.invalid(place, f"the path of a Unix socket has at most {_LONGEST_PATH} bytes")
    if resolution in _DNS:
        problems.invalid(place, f"a Unix socket cannot be resolved with {resolution}", "resolution: STATIC")
