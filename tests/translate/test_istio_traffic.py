"""DestinationRules into policies."""

import pytest

from weft.model.traffic import (
    Balancer,
    ClientTls,
    ConnectionPool,
    ConsistentHash,
    HashKey,
    HashOnCookie,
    HashOnHeader,
    HashOnQuery,
    HashOnSourceIp,
    Keepalive,
    LoadBalancing,
    OutlierDetection,
    PortPolicy,
    ServicePolicy,
    TlsMode,
    TrafficPolicy,
    Warmup,
)

from .written import istio, said


def _rule(spec: str) -> ServicePolicy:
    found = said(istio("DestinationRule", "dr", spec)).policy
    assert found
    return found


def _policy(policy: str) -> PortPolicy:
    return _rule(f"{{host: reviews, trafficPolicy: {{{policy}}}}}").policy.all_ports


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LEAST_CONN", Balancer.LEAST_REQUEST),
        ("LEAST_REQUEST", Balancer.LEAST_REQUEST),
        ("UNSPECIFIED", Balancer.LEAST_REQUEST),
        ("ROUND_ROBIN", Balancer.ROUND_ROBIN),
        ("RANDOM", Balancer.RANDOM),
        ("PASSTHROUGH", Balancer.PASSTHROUGH),
    ],
)
def test_the_simple_balancers(name: str, expected: Balancer) -> None:
    """LEAST_CONN is the older name of LEAST_REQUEST, which is also the default."""
    assert _policy(f"loadBalancer: {{simple: {name}}}").load_balancing == LoadBalancing(expected)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("httpHeaderName: x-user", HashOnHeader("x-user")),
        ("httpCookie: {name: user, ttl: 0s, path: /}", HashOnCookie("user", 0.0, "/")),
        ("httpQueryParameterName: user", HashOnQuery("user")),
        ("useSourceIp: true", HashOnSourceIp()),
    ],
)
def test_the_keys_of_consistent_hashing(written: str, key: HashKey) -> None:
    """A header, a cookie, a query parameter or the source address is hashed, on a ring of at least 1,024."""
    assert _policy(f"loadBalancer: {{consistentHash: {{{written}}}}}").load_balancing == LoadBalancing(ConsistentHash(key))


def test_the_size_of_ring_and_table() -> None:
    """ringHash, its older form, and maglev."""
    key = HashOnHeader("h")
    forms = ("ringHash: {minimumRingSize: 2}", "minimumRingSize: 2", "maglev: {tableSize: 101}")
    found = [_policy(f"loadBalancer: {{consistentHash: {{httpHeaderName: h, {one}}}}}").load_balancing for one in forms]
    ring, table = ConsistentHash(key, 2), ConsistentHash(key, maglev_table_size=101)
    assert found == [LoadBalancing(ring), LoadBalancing(ring), LoadBalancing(table)]


def test_a_new_endpoint_is_warmed_up() -> None:
    """warmup.duration, or the older warmupDurationSecs."""
    for written in ("warmup: {duration: 30s}", "warmupDurationSecs: 30s"):
        found = _policy(f"loadBalancer: {{simple: RANDOM, {written}}}").load_balancing
        assert found == LoadBalancing(Balancer.RANDOM, Warmup(30.0))


def test_the_connection_pool() -> None:
    """TCP and HTTP limits, each where the model has it."""
    found = _policy(
        "connectionPool: {tcp: {maxConnections: 1, connectTimeout: 2s, tcpKeepalive: {probes: 3, time: 4s, interval: 5s}, "
        "maxConnectionDuration: 6s, idleTimeout: 7s}, http: {http1MaxPendingRequests: 8, http2MaxRequests: 9, "
        "maxRequestsPerConnection: 10, maxRetries: 11, idleTimeout: 12s, maxConcurrentStreams: 13}}"
    ).connection_pool
    assert found == ConnectionPool(1, 2.0, Keepalive(3, 4.0, 5.0), 6.0, 8, 9, 10, 11, 12.0, 13, 7.0)


def test_outlier_detection() -> None:
    """Every field; what is not said stays None, and 0 stays 0."""
    found = _policy(
        "outlierDetection: {consecutive5xxErrors: 0, consecutiveGatewayErrors: 2, consecutiveLocalOriginFailures: 3, "
        "splitExternalLocalOriginErrors: true, interval: 4s, baseEjectionTime: 5s, maxEjectionPercent: 6, minHealthPercent: 7}"
    ).outlier_detection
    assert found == OutlierDetection(0, 2, 3, True, 4.0, 5.0, 6, 7)
    assert _policy("outlierDetection: {}").outlier_detection == OutlierDetection()


def test_tls_towards_the_endpoints() -> None:
    """Mode, files, names."""
    found = _policy(
        "tls: {mode: SIMPLE, caCertificates: /ca.pem, sni: a.example, subjectAltNames: [b], insecureSkipVerify: true}"
    )
    expected = ClientTls(
        TlsMode.SIMPLE, ca_certificates="/ca.pem", sni="a.example", subject_alt_names=("b",), insecure_skip_verify=True
    )
    assert found.tls == expected
    assert _policy("tls: {mode: ISTIO_MUTUAL}").tls == ClientTls(TlsMode.ISTIO_MUTUAL)


def test_a_port_has_a_policy_of_its_own() -> None:
    """portLevelSettings are kept apart, sorted by port."""
    found = _rule(
        "{host: reviews, trafficPolicy: {loadBalancer: {simple: RANDOM}, portLevelSettings: "
        "[{port: {number: 90}, tls: {mode: DISABLE}}, {port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN}}]}}"
    ).policy
    random, round_robin = LoadBalancing(Balancer.RANDOM), LoadBalancing(Balancer.ROUND_ROBIN)
    ports = ((80, PortPolicy(round_robin)), (90, PortPolicy(tls=ClientTls(TlsMode.DISABLE))))
    assert found == TrafficPolicy(PortPolicy(random), ports)


def test_subsets_have_labels_and_perhaps_a_policy() -> None:
    """A subset without a trafficPolicy has None; every subset knows where it was written."""
    found = _rule(
        "{host: reviews, subsets: [{name: v1, labels: {version: v1}}, "
        "{name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]}"
    ).subsets
    assert [(one.name, one.labels) for one in found] == [("v1", (("version", "v1"),)), ("v2", (("version", "v2"),))]
    assert found[0].policy is None
    assert found[1].policy == TrafficPolicy(PortPolicy(LoadBalancing(Balancer.RANDOM)))
    assert str(found[1].origin) == "DestinationRule default/dr spec.subsets[1]"


def test_host_export_and_selector() -> None:
    """A short host is completed; exportTo and workloadSelector are kept."""
    found = _rule("{host: reviews, exportTo: [., web], workloadSelector: {matchLabels: {app: a}}}")
    assert found.host == "reviews.default.svc.cluster.local"
    assert (found.export_to, found.workload_selector) == (("default", "web"), (("app", "a"),))
