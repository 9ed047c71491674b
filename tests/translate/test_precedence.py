"""The order of what is said of one host, and DestinationRules that become one."""

from weft.model.traffic import Balancer, LoadBalancing, PortPolicy, ServicePolicy, TrafficPolicy

from .written import core, istio, translated

HOST = "web.default.svc.cluster.local"
RANDOM, ROUND_ROBIN = (
    TrafficPolicy(PortPolicy(LoadBalancing(one))) for one in (Balancer.RANDOM, Balancer.ROUND_ROBIN)
)  # fmt: skip


def _rule(name: str, *, policy: str = "", subsets: tuple[str, ...] = (), more: str = "", namespace: str = "default") -> str:
    traffic = f", trafficPolicy: {{loadBalancer: {{simple: {policy}}}}}" if policy else ""
    named = ", ".join(f"{{name: {one}, labels: {{by: {name}}}}}" for one in subsets)
    return istio("DestinationRule", name, f"{{host: {HOST}{traffic}, subsets: [{named}]{more}}}", namespace=namespace)


def _policies(*texts: str) -> tuple[ServicePolicy, ...]:
    return translated(*texts).mesh.policies[HOST]


def test_the_older_resource_stands_first() -> None:
    """By creation time, then namespace and name."""
    spec = "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}"
    mesh = translated(
        istio("VirtualService", "c", spec, created="2026-01-01T00:00:00Z"),
        istio("VirtualService", "b", spec, created="2026-01-02T00:00:00Z"),
        istio("VirtualService", "a", spec, created="2026-01-02T00:00:00Z"),
    ).mesh
    assert [one.origin.name for one in mesh.routes[HOST]] == ["c", "a", "b"]


def test_a_service_stands_before_a_service_entry() -> None:
    """A Kubernetes Service has precedence over a ServiceEntry of its name, however old."""
    entry = f"{{hosts: [{HOST}], ports: [{{number: 80, name: http}}]}}"
    services = translated(istio("ServiceEntry", "a", entry), core("web")).mesh.services[HOST]
    assert [one.origin.kind for one in services] == ["Service", "ServiceEntry"]


def test_the_rules_of_a_namespace_for_one_host_are_one() -> None:
    """Subsets add up, the older wins a name, and the first traffic policy holds."""
    (found,) = _policies(
        _rule("a", subsets=("v1",)),
        _rule("b", policy="RANDOM", subsets=("v1", "v2")),
        _rule("c", policy="ROUND_ROBIN"),
    )
    assert [(one.name, one.labels) for one in found.subsets] == [("v1", (("by", "a"),)), ("v2", (("by", "b"),))]
    assert found.policy == RANDOM
    assert (found.origin.name, [one.name for one in found.merged]) == ("a", ["b", "c"])


def test_rules_for_others_stay_apart() -> None:
    """Another namespace, another workload selector and another exportTo are not merged."""
    selector = ", workloadSelector: {matchLabels: {app: a}}"
    found = _policies(
        _rule("a", policy="ROUND_ROBIN"),
        _rule("b", policy="RANDOM", more=selector),
        _rule("c", more=", exportTo: ['.']"),
        _rule("d", namespace="other"),
    )
    assert [one.origin.name for one in found] == ["a", "b", "c", "d"]
    assert [one.policy for one in found[:2]] == [ROUND_ROBIN, RANDOM]
