"""The rules of DestinationRule."""

import re

from weft.resource import names
from weft.resource.duration import seconds
from weft.resource.field_path import below, child, item
from weft.resource.istio.destination_rule import (
    ClientTlsSettings,
    ConnectionPool,
    ConsistentHash,
    DestinationRule,
    HttpCookie,
    LoadBalancer,
    OutlierDetection,
    PortTrafficPolicy,
    Subset,
    TcpKeepalive,
    TrafficPolicy,
    Tunnel,
)
from weft.resource.problems import Problems
from weft.resource.validation.gateway import secret_name
from weft.resource.validation.labels import duplicates, export_to, labels
from weft.resource.validation.locality import locality_lb_setting

_COOKIE_VALUE = re.compile(r"[ -:<-~]*")  # visible, and no semicolon
_LARGEST_RING = 8 * 1024 * 1024  # Envoy's limits of both tables
_LARGEST_TABLE = 5_000_011


def destination_rule(spec: DestinationRule, problems: Problems) -> None:
    """Host, policy and subsets."""
    if not names.is_ip(spec.host):
        problems.invalid("spec.host", names.wildcard_host(spec.host))
    policy(spec.traffic_policy, "spec.trafficPolicy", problems)
    for index, subset in enumerate(spec.subsets):
        _subset(subset, item("spec.subsets", index), problems, detects_outliers=_detects_outliers(spec.traffic_policy))
    duplicates([(subset.name, child(item("spec.subsets", index), "name")) for index, subset in enumerate(spec.subsets)],
               "the subset", problems)  # fmt: skip
    export_to(spec.export_to, "spec.exportTo", problems)
    if spec.workload_selector is not None:
        labels(spec.workload_selector.match_labels, "spec.workloadSelector.matchLabels", problems)


def _detects_outliers(value: TrafficPolicy | PortTrafficPolicy | None) -> bool:
    return value is not None and value.outlier_detection is not None


def _subset(subset: Subset, path: str, problems: Problems, *, detects_outliers: bool) -> None:
    problems.invalid(child(path, "name"), names.label(subset.name))
    labels(subset.labels, child(path, "labels"), problems)
    policy(subset.traffic_policy, child(path, "trafficPolicy"), problems, detects_outliers=detects_outliers)


def policy(value: TrafficPolicy | None, path: str, problems: Problems, *, detects_outliers: bool = False) -> None:
    """What holds for all ports, and for single ones. `detects_outliers`: what this is laid over says how."""
    if value is None:
        return
    if value == TrafficPolicy():
        problems.invalid(path, "an empty policy says nothing", "leave it out")
    _parts(value, path, problems, detects_outliers or _detects_outliers(value))
    if value.tunnel is not None:
        _tunnel(value.tunnel, child(path, "tunnel"), problems)
    numbers = []
    for index, port in enumerate(value.port_level_settings):
        place = item(child(path, "portLevelSettings"), index)
        if port.port is None or port.port.number is None:
            problems.add("missing-field", below(place, "port", "number"), name="port.number")
        else:
            numbers.append((str(port.port.number), below(place, "port", "number")))
        _parts(port, place, problems, _detects_outliers(port))
    duplicates(numbers, "the port", problems)


def _tunnel(value: Tunnel, path: str, problems: Problems) -> None:
    if not names.is_ip(value.target_host):
        problems.invalid(child(path, "targetHost"), names.host(value.target_host))
    if value.protocol not in ("", "CONNECT", "POST"):
        problems.invalid(child(path, "protocol"), f"{value.protocol[:40]!r} is not a way into a tunnel", "CONNECT or POST")
    if not 1 <= value.target_port <= 65535:
        problems.invalid(child(path, "targetPort"), f"{value.target_port} is not a port: between 1 and 65535")


def _parts(value: TrafficPolicy | PortTrafficPolicy, path: str, problems: Problems, detects_outliers: bool) -> None:
    if value.load_balancer is not None:
        place = child(path, "loadBalancer")
        _load_balancer(value.load_balancer, place, problems)
        if setting := value.load_balancer.locality_lb_setting:
            locality_lb_setting(setting, child(place, "localityLbSetting"), problems, detects_outliers=detects_outliers)
    if value.connection_pool is not None:
        connection_pool(value.connection_pool, child(path, "connectionPool"), problems)
    if value.outlier_detection is not None:
        outlier_detection(value.outlier_detection, child(path, "outlierDetection"), problems)
    if value.tls is not None:
        _tls(value.tls, child(path, "tls"), problems)


def _load_balancer(value: LoadBalancer, path: str, problems: Problems) -> None:
    problems.conflict(path, {"simple": value.simple is not None, "consistentHash": value.consistent_hash is not None})
    problems.conflict(path, {"warmup": value.warmup is not None, "warmupDurationSecs": value.warmup_duration_secs is not None})
    if value.simple == "LEAST_CONN":
        problems.add("deprecated-value", child(path, "simple"), value="LEAST_CONN", instead="LEAST_REQUEST")
    if value.simple == "PASSTHROUGH":
        effect = "without interception it is LEAST_REQUEST"
        problems.add("unsupported-value", child(path, "simple"), value="PASSTHROUGH", effect=effect, hint="")
    if value.consistent_hash is not None:
        _consistent_hash(value.consistent_hash, child(path, "consistentHash"), problems)
    warm = "warmup" if value.warmup is not None else "warmupDurationSecs" if value.warmup_duration_secs is not None else ""
    if warm and (value.consistent_hash is not None or value.simple in ("RANDOM", "PASSTHROUGH")):
        problems.add("no-effect", child(path, warm), name=warm, why="only LEAST_REQUEST and ROUND_ROBIN warm up", hint="")


def _consistent_hash(value: ConsistentHash, path: str, problems: Problems) -> None:
    keys = {
        "httpHeaderName": bool(value.http_header_name),
        "httpCookie": value.http_cookie is not None,
        "useSourceIp": bool(value.use_source_ip),
        "httpQueryParameterName": bool(value.http_query_parameter_name),
    }
    if not problems.conflict(path, keys, "a request is hashed by one of them") and not any(keys.values()):
        problems.invalid(path, f"it says not what to hash: one of {', '.join(keys)} is needed")
    if value.http_header_name:
        problems.invalid(child(path, "httpHeaderName"), names.header(value.http_header_name))
    if value.http_cookie is not None:
        _cookie(value.http_cookie, child(path, "httpCookie"), problems)
    problems.conflict(path, {"ringHash": value.ring_hash is not None, "maglev": value.maglev is not None})
    ring = value.ring_hash.minimum_ring_size if value.ring_hash else None
    for place, size in (("ringHash.minimumRingSize", ring), ("minimumRingSize", value.minimum_ring_size)):
        if size is not None and size > _LARGEST_RING:
            problems.invalid(below(path, *place.split(".")), f"{size} is more than Envoy holds: at most {_LARGEST_RING}")
    table = value.maglev.table_size if value.maglev else None
    if table is not None and not (2 <= table <= _LARGEST_TABLE and _is_prime(table)):
        problems.invalid(
            below(path, "maglev", "tableSize"), f"{table} is not a prime up to {_LARGEST_TABLE}", "Envoy's default is 65537"
        )


def _cookie(value: HttpCookie, path: str, problems: Problems) -> None:
    problems.invalid(child(path, "name"), names.header(value.name))
    for index, attribute in enumerate(value.attributes):
        place = item(child(path, "attributes"), index)
        problems.invalid(child(place, "name"), names.header(attribute.name))
        if not _COOKIE_VALUE.fullmatch(attribute.value):
            problems.invalid(child(place, "value"), f"{attribute.value[:40]!r} is no value of a cookie's attribute")
    named = [(one.name.lower(), child(item(child(path, "attributes"), i), "name")) for i, one in enumerate(value.attributes)]
    duplicates(named, "the attribute", problems)
    if value.attributes and value.ttl is None:
        why = "without ttl no cookie is made"
        problems.add("no-effect", child(path, "attributes"), name="attributes", why=why, hint="set ttl: 0s for a session")


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, int(number**0.5) + 1))


def outlier_detection(value: OutlierDetection, path: str, problems: Problems) -> None:
    """The old name of a threshold, and the new one."""
    older = value.consecutive_errors
    newer = value.consecutive_gateway_errors is not None
    problems.conflict(path, {"consecutiveErrors": older is not None, "consecutiveGatewayErrors": newer})
    if older is not None and older < 0:
        problems.invalid(child(path, "consecutiveErrors"), f"{older} is not a number of errors: at least 0")


def connection_pool(value: ConnectionPool, path: str, problems: Problems) -> None:
    """Limits are no negative numbers."""
    if value.tcp is None and value.http is None:
        problems.invalid(path, "tcp or http is needed")
    limits = {
        "tcp.maxConnections": value.tcp.max_connections if value.tcp else None,
        "http.http1MaxPendingRequests": value.http.http1_max_pending_requests if value.http else None,
        "http.http2MaxRequests": value.http.http2_max_requests if value.http else None,
        "http.maxRequestsPerConnection": value.http.max_requests_per_connection if value.http else None,
        "http.maxRetries": value.http.max_retries if value.http else None,
        "http.maxConcurrentStreams": value.http.max_concurrent_streams if value.http else None,
    }
    for name, limit in limits.items():
        if limit is not None and limit < 0:
            problems.invalid(below(path, *name.split(".")), f"{limit} is not a limit: at least 0")
    if value.tcp and value.tcp.tcp_keepalive:
        _keepalive(value.tcp.tcp_keepalive, below(path, "tcp", "tcpKeepalive"), problems)
    if value.http and value.http.use_client_protocol and value.http.h2_upgrade_policy != "DEFAULT":
        why = "useClientProtocol decides"
        problems.add("no-effect", below(path, "http", "h2UpgradePolicy"), name="h2UpgradePolicy", why=why, hint="")


_MOST_KEEPALIVE = 32767  # tcp(7): the kernel refuses more, and with it every connection
_MOST_PROBES = 127


def _keepalive(value: TcpKeepalive, path: str, problems: Problems) -> None:
    """What the kernel takes."""
    for name, text in (("time", value.time), ("interval", value.interval)):
        if text and not 1 <= _seconds(text) <= _MOST_KEEPALIVE:
            why = f"{text} is not between 1s and {_MOST_KEEPALIVE}s, which is what the kernel takes"
            problems.invalid(child(path, name), why)
    if value.probes is not None and not 1 <= value.probes <= _MOST_PROBES:
        why = f"{value.probes} is not between 1 and {_MOST_PROBES}, which is what the kernel takes"
        problems.invalid(child(path, "probes"), why)


def _seconds(text: str) -> float:
    try:
        return seconds(text)
    except ValueError:  # which reading has named
        return 1.0


def _tls(value: ClientTlsSettings, path: str, problems: Problems) -> None:
    files = {
        "clientCertificate": bool(value.client_certificate),
        "privateKey": bool(value.private_key),
        "caCertificates": bool(value.ca_certificates),
    }
    credential = bool(value.credential_name)
    given = [name for name, there in files.items() if there]
    if credential and given:
        problems.conflict(path, {"credentialName": True, given[0]: True}, "a credential holds all three")
    if value.mode == "MUTUAL" and not credential:
        for name in ("clientCertificate", "privateKey"):
            if not files[name]:
                problems.add("missing-field", child(path, name), name=f"{name} (mode MUTUAL)")
    if value.mode == "ISTIO_MUTUAL" and (given or credential):
        name = given[0] if given else "credentialName"
        problems.invalid(child(path, name), f"{name} has no place in mode ISTIO_MUTUAL: the mesh has its own", "use MUTUAL")
    if value.mode == "SIMPLE" and (files["clientCertificate"] or files["privateKey"]):
        name = given[0]
        problems.add("no-effect", child(path, name), name=name, why="mode SIMPLE shows no client certificate", hint="use MUTUAL")
    if credential:
        problems.invalid(
            child(path, "credentialName"), secret_name(value.credential_name), "the Secret is in the proxy's namespace"
        )
    if value.sni:
        problems.invalid(child(path, "sni"), names.host(value.sni))
    if value.mode == "DISABLE" and (given or credential or value.sni or value.subject_alt_names):
        problems.add("no-effect", path, name="tls", why="mode DISABLE sends plaintext", hint="set mode: SIMPLE or MUTUAL")
