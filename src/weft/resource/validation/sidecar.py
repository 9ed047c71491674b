"""The rules of Sidecar."""

from weft.resource import names
from weft.resource.field_path import below, child, item
from weft.resource.istio.sidecar import EgressListener, IngressListener, Sidecar
from weft.resource.problems import Problems
from weft.resource.validation.destination_rule import connection_pool
from weft.resource.validation.labels import duplicates, labels
from weft.resource.validation.routes import destination

_LOCAL = ("127.0.0.1", "0.0.0.0", "::1", "::")


def sidecar(spec: Sidecar, problems: Problems) -> None:
    """Listeners whose ports differ, and hosts with their namespaces."""
    if spec.workload_selector is not None:
        labels(spec.workload_selector.labels, "spec.workloadSelector.labels", problems)
    whole = [index for index, one in enumerate(spec.egress) if one.port is None]
    for index, one in enumerate(spec.egress):
        _egress(one, item("spec.egress", index), problems)
    for index in whole[:-1] if len(whole) > 1 else ():
        problems.invalid(item("spec.egress", index), "one listener at most has no port", "join their hosts")
    for name, ports in (("egress", [one.port for one in spec.egress]), ("ingress", [one.port for one in spec.ingress])):
        numbers = [(str(port.number), f"spec.{name}[{i}].port.number") for i, port in enumerate(ports) if port]
        duplicates(numbers, "the port", problems)
    for index, taken in enumerate(spec.ingress):
        _ingress(taken, item("spec.ingress", index), problems)
    if spec.inbound_connection_pool is not None:
        connection_pool(spec.inbound_connection_pool, "spec.inboundConnectionPool", problems)
    policy = spec.outbound_traffic_policy
    if policy and policy.egress_proxy:
        place = "spec.outboundTrafficPolicy.egressProxy"
        destination(policy.egress_proxy, place, problems)
        if policy.mode != "ALLOW_ANY":
            problems.invalid(place, "only what ALLOW_ANY lets pass goes to an egress proxy", "mode: ALLOW_ANY")


def _egress(of: EgressListener, path: str, problems: Problems) -> None:
    place = child(path, "hosts")
    if not of.hosts:
        problems.add("missing-field", place, name="hosts")
    for index, entry in enumerate(of.hosts):
        _host(entry, item(place, index), problems)
    if "~/*" in of.hosts and len(of.hosts) > 1:
        problems.add("conflicting-fields", place, names="~/* and other hosts", hint="~/* stands alone: nothing may be called")


def _host(entry: str, path: str, problems: Problems) -> None:
    namespace, slash, host = entry.rpartition("/")
    if not slash:
        hint = f"write */{entry} for every namespace, ./{entry} for this one"
        problems.invalid(path, "a host has its namespace before it", hint)
    elif namespace == "~" and host != "*":
        problems.invalid(path, f"{entry[:80]!r} is nothing: ~ stands with * only", "~/*")
    elif namespace not in ("*", ".", "~"):
        problems.invalid(path, names.label(namespace), "a namespace, . for this one, or * for every one")
    if host != "*":
        problems.invalid(path, names.wildcard_host(host))


def _ingress(of: IngressListener, path: str, problems: Problems) -> None:
    if of.default_endpoint:
        problems.invalid(child(path, "defaultEndpoint"), *_endpoint(of.default_endpoint))
    if of.connection_pool is not None:
        connection_pool(of.connection_pool, child(path, "connectionPool"), problems)
    if of.tls is None:
        return
    if of.tls.mode not in ("SIMPLE", "MUTUAL"):
        problems.invalid(below(path, "tls", "mode"), f"{of.tls.mode} is not for callers outside the mesh", "SIMPLE or MUTUAL")
    needed = [("serverCertificate", of.tls.server_certificate), ("privateKey", of.tls.private_key)]
    needed += [("caCertificates", of.tls.ca_certificates)] if of.tls.mode == "MUTUAL" else []
    for name, value in needed if not (of.tls.credential_name or of.tls.credential_names or of.tls.tls_certificates) else ():
        if not value:
            problems.add("missing-field", below(path, "tls", name), name=f"{name} (mode {of.tls.mode})")


def _endpoint(written: str) -> tuple[str, str]:
    """What is wrong with a `defaultEndpoint`, and a hint."""
    hint = "127.0.0.1:PORT, 0.0.0.0:PORT for the workload's own address, [::1]:PORT, [::]:PORT, or unix:///path"
    if written.startswith("unix://"):
        path = written.removeprefix("unix://")
        wrong = path[:1] not in ("/", "@") or len(path.encode()) > 107
        return ("the path of a Unix socket is absolute and has at most 107 bytes" if wrong else ""), hint
    host, _, port = written.rpartition(":")
    if host.strip("[]") in _LOCAL and port.isdigit() and 0 < int(port) < 65536:
        return "", ""
    return f"{written[:80]!r} is not where an application of this workload listens", hint
