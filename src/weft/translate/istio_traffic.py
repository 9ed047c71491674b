"""Istio's DestinationRule into the model.

https://istio.io/latest/docs/reference/config/networking/destination-rule/
"""

from collections.abc import Iterator

from weft.hostname import full_name, is_wildcard
from weft.model.labels import labels
from weft.model.locality import Distribution, LocalitySetting
from weft.model.mesh import Settings
from weft.model.traffic import (
    Balancer,
    ClientTls,
    ConnectionPool,
    ConsistentHash,
    Fallback,
    HashKey,
    HashOnCookie,
    HashOnHeader,
    HashOnQuery,
    HashOnSourceIp,
    Keepalive,
    LoadBalancing,
    OutlierDetection,
    PortPolicy,
    RetryBudget,
    ServicePolicy,
    Subset,
    TlsMode,
    TrafficPolicy,
    Tunnel,
    Warmup,
)
from weft.ref import Ref
from weft.resource.duration import seconds
from weft.resource.istio import destination_rule as spec
from weft.resource.istio.fallback import ANNOTATION, fallbacks
from weft.resource.resource import Resource
from weft.translate.naming import exported
from weft.translate.statement import Need, Reference, Statement

_BALANCERS = {
    "UNSPECIFIED": Balancer.LEAST_REQUEST,
    "LEAST_CONN": Balancer.LEAST_REQUEST,
    "LEAST_REQUEST": Balancer.LEAST_REQUEST,
    "ROUND_ROBIN": Balancer.ROUND_ROBIN,
    "RANDOM": Balancer.RANDOM,
    "PASSTHROUGH": Balancer.PASSTHROUGH,
}
_TLS_MODES = {
    "DISABLE": TlsMode.DISABLE,
    "SIMPLE": TlsMode.SIMPLE,
    "MUTUAL": TlsMode.MUTUAL,
    "ISTIO_MUTUAL": TlsMode.ISTIO_MUTUAL,
}


def destination_rule(resource: Resource, rule: spec.DestinationRule, settings: Settings) -> Statement:
    """A DestinationRule. A wildcard host refers to nothing in particular."""
    meta, ref = resource.meta, resource.ref
    host = full_name(rule.host, meta.namespace, settings.domain)
    said = ServicePolicy(
        host,
        meta.namespace,
        ref,
        traffic_policy(rule.traffic_policy) if rule.traffic_policy else TrafficPolicy(),
        tuple(_subset(one, ref.at(f"spec.subsets[{i}]")) for i, one in enumerate(rule.subsets)),
        exported(rule.export_to, meta.namespace),
        labels(rule.workload_selector.match_labels) if rule.workload_selector else (),
        meta.creation_timestamp,
        fallbacks=_fallbacks(resource, settings),
    )
    references = () if is_wildcard(host) else (Reference(host, ref.at("spec.host")),)
    at = ref.at(f"metadata.annotations[{ANNOTATION}]")
    others = tuple(Reference(one.host, at, one.subset, one.port) for one in said.fallbacks)
    return Statement(ref, policy=said, references=references + others, needs=tuple(_needs(rule, ref.at("spec"))))


def _fallbacks(resource: Resource, settings: Settings) -> tuple[Fallback, ...]:
    text, namespace = resource.meta.annotations.get(ANNOTATION), resource.meta.namespace
    if text is None:
        return ()
    return tuple(Fallback(full_name(one.host, namespace, settings.domain), one.port, one.subset) for one in fallbacks(text))


def _needs(rule: spec.DestinationRule, at: Ref) -> Iterator[Need]:
    """The Secrets that TLS names: the authorities in them, and, for MUTUAL, a certificate to show."""
    whole = [(rule.traffic_policy, at.at("trafficPolicy"))]
    whole += [(one.traffic_policy, at.at(f"subsets[{i}].trafficPolicy")) for i, one in enumerate(rule.subsets)]
    for policy, place in whole:
        if policy is None:
            continue
        of_ports = [(one.tls, place.at(f"portLevelSettings[{i}]")) for i, one in enumerate(policy.port_level_settings)]
        for tls, where in [(policy.tls, place), *of_ports]:
            if tls and tls.credential_name and tls.mode in ("SIMPLE", "MUTUAL"):
                if tls.mode == "MUTUAL":
                    yield Need(tls.credential_name, where.at("tls.credentialName"))
                if not tls.insecure_skip_verify:
                    yield Need(tls.credential_name, where.at("tls.credentialName"), True)


def _subset(one: spec.Subset, origin: Ref) -> Subset:
    return Subset(one.name, labels(one.labels), traffic_policy(one.traffic_policy) if one.traffic_policy else None, origin)


def traffic_policy(policy: spec.TrafficPolicy) -> TrafficPolicy:
    """What all ports are given, and what some have instead, sorted by port."""
    ports = {one.port.number: _port_policy(one) for one in policy.port_level_settings if one.port and one.port.number}
    return TrafficPolicy(_port_policy(policy), tuple(sorted(ports.items(), key=lambda item: item[0])))


def _port_policy(policy: spec.TrafficPolicy | spec.PortTrafficPolicy) -> PortPolicy:
    whole = policy if isinstance(policy, spec.TrafficPolicy) else None
    return PortPolicy(
        _load_balancing(policy.load_balancer) if policy.load_balancer else None,
        connection_pool(policy.connection_pool) if policy.connection_pool else None,
        outlier_detection(policy.outlier_detection) if policy.outlier_detection else None,
        _tls(policy.tls) if policy.tls else None,
        retry_budget(whole.retry_budget) if whole and whole.retry_budget else None,
        whole.proxy_protocol.version if whole and whole.proxy_protocol else "",
        _tunnel(whole.tunnel) if whole and whole.tunnel else None,
    )


def _tunnel(of: spec.Tunnel) -> Tunnel:
    host = f"[{of.target_host}]" if ":" in of.target_host else of.target_host
    return Tunnel(f"{host}:{of.target_port}", of.protocol == "POST")


def _seconds(text: str | None) -> float | None:
    return None if text is None else seconds(text)


def _load_balancing(of: spec.LoadBalancer) -> LoadBalancing:
    algorithm = _consistent_hash(of.consistent_hash) if of.consistent_hash else _BALANCERS[of.simple or "UNSPECIFIED"]
    return LoadBalancing(algorithm, _warmup(of), _locality(of.locality_lb_setting) if of.locality_lb_setting else None)


def _warmup(of: spec.LoadBalancer) -> Warmup | None:
    if of.warmup:
        return Warmup(seconds(of.warmup.duration), of.warmup.minimum_percent, of.warmup.aggression)
    return Warmup(seconds(of.warmup_duration_secs)) if of.warmup_duration_secs else None


def _locality(of: spec.LocalityLoadBalancer) -> LocalitySetting:
    return LocalitySetting(
        of.enabled is not False,
        tuple(Distribution(one.from_, tuple(sorted(one.to.items()))) for one in of.distribute),
        tuple((one.from_, one.to) for one in of.failover),
        of.failover_priority,
    )


def _consistent_hash(of: spec.ConsistentHash) -> ConsistentHash | Balancer:
    key = _hash_key(of)
    if key is None:
        return Balancer.LEAST_REQUEST
    if of.maglev:
        return ConsistentHash(key, maglev_table_size=of.maglev.table_size or 65537)
    size = of.ring_hash.minimum_ring_size if of.ring_hash else of.minimum_ring_size
    return ConsistentHash(key, size or 1024)


def _hash_key(of: spec.ConsistentHash) -> HashKey | None:
    if of.http_header_name:
        return HashOnHeader(of.http_header_name)
    if of.http_cookie:
        return _cookie(of.http_cookie)
    if of.http_query_parameter_name:
        return HashOnQuery(of.http_query_parameter_name)
    return HashOnSourceIp() if of.use_source_ip else None


def _cookie(of: spec.HttpCookie) -> HashOnCookie:
    return HashOnCookie(of.name, _seconds(of.ttl), of.path, tuple((one.name, one.value) for one in of.attributes))


def retry_budget(of: spec.RetryBudget) -> RetryBudget:
    """How many retries may be in flight."""
    return RetryBudget(of.percent, of.min_retry_concurrency)


def connection_pool(of: spec.ConnectionPool) -> ConnectionPool:
    """The limits of one proxy."""
    tcp, http = of.tcp or spec.TcpSettings(), of.http or spec.HttpSettings()
    probes = tcp.tcp_keepalive
    return ConnectionPool(
        max_connections=tcp.max_connections,
        connect_timeout=_seconds(tcp.connect_timeout),
        keepalive=Keepalive(probes.probes, _seconds(probes.time), _seconds(probes.interval)) if probes else None,
        max_connection_duration=_seconds(tcp.max_connection_duration),
        max_pending_requests=http.http1_max_pending_requests,
        max_requests=http.http2_max_requests,
        max_requests_per_connection=http.max_requests_per_connection,
        max_retries=http.max_retries or None,
        idle_timeout=_seconds(http.idle_timeout),
        max_concurrent_streams=http.max_concurrent_streams,
        tcp_idle_timeout=_seconds(tcp.idle_timeout),
        http2={"UPGRADE": True, "DO_NOT_UPGRADE": False}.get(http.h2_upgrade_policy),
        client_protocol=http.use_client_protocol or None,
    )


def outlier_detection(of: spec.OutlierDetection) -> OutlierDetection:
    """When endpoints are left out. The old `consecutiveErrors` counts gateway errors, and nothing else then counts 5xx."""
    older = of.consecutive_errors if of.consecutive_gateway_errors is None else None
    return OutlierDetection(
        0 if older and of.consecutive_5xx_errors is None else of.consecutive_5xx_errors,
        older if of.consecutive_gateway_errors is None else of.consecutive_gateway_errors,
        of.consecutive_local_origin_failures,
        of.split_external_local_origin_errors or None,
        _seconds(of.interval),
        _seconds(of.base_ejection_time),
        of.max_ejection_percent,
        of.min_health_percent,
    )


def _tls(of: spec.ClientTlsSettings) -> ClientTls:
    return ClientTls(
        _TLS_MODES[of.mode],
        of.client_certificate,
        of.private_key,
        of.ca_certificates,
        of.ca_crl,
        of.credential_name,
        of.subject_alt_names,
        of.sni,
        bool(of.insecure_skip_verify),
    )
