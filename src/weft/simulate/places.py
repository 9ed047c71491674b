"""How a cluster's load is shared among localities: priorities first, then weights.

A priority takes its healthy share times the overprovisioning factor, the next what is left; when all together cannot take
everything the load is shared as it could be taken. Within one, the weights of localities decide where the cluster heeds them,
else those of endpoints do.
https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
"""

from collections.abc import Iterable, Mapping

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.health_check_pb2 import HealthStatus
from envoy.config.endpoint.v3.endpoint_components_pb2 import LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

TAKING = (HealthStatus.UNKNOWN, HealthStatus.HEALTHY, HealthStatus.DEGRADED)
_USUAL = 140


def taking(of: LocalityLbEndpoints) -> int:
    """How many endpoints of a locality take new calls."""
    return sum(one.health_status in TAKING for one in of.lb_endpoints)


def can_take(of: ClusterLoadAssignment) -> int:
    """How much of the load all priorities together could take, in percent and perhaps more than all."""
    usual = of.policy.overprovisioning_factor.value or _USUAL
    numbers = {one.priority for one in of.endpoints}
    return sum(_health([one for one in of.endpoints if one.priority == number], usual) for number in numbers)


def shares(of: ClusterLoadAssignment, cluster: Cluster) -> tuple[tuple[LocalityLbEndpoints, float], ...]:
    """The localities that get calls, each with its percentage."""
    usual = of.policy.overprovisioning_factor.value or _USUAL
    by_priority: dict[int, list[LocalityLbEndpoints]] = {}
    for one in of.endpoints:
        by_priority.setdefault(one.priority, []).append(one)
    weighted = cluster.common_lb_config.HasField("locality_weighted_lb_config")
    found: list[tuple[LocalityLbEndpoints, float]] = []
    for priority, percent in priorities({number: _health(groups, usual) for number, groups in by_priority.items()}).items():
        weights = [_locality_weight(one, usual) if weighted else _weight(one) for one in by_priority[priority]]
        total = sum(weights)
        found += [(one, percent * weight / total) for one, weight in zip(by_priority[priority], weights, strict=True) if weight]
    return tuple(found)


def priorities(health: Mapping[int, int]) -> dict[int, float]:
    """The percentage of each priority that gets any, by what each could take (percent of the whole load)."""
    whole = min(100, sum(health.values()))
    found: dict[int, float] = {}
    left = 100.0
    for number in sorted(health):
        part = min(left, 100 * health[number] / whole) if whole else 0.0
        left -= part
        if part > 0:
            found[number] = part
    return found


def _health(groups: Iterable[LocalityLbEndpoints], factor: int) -> int:
    groups = tuple(groups)
    number = sum(len(one.lb_endpoints) for one in groups)
    return min(100, factor * sum(map(taking, groups)) // number) if number else 0


def _locality_weight(of: LocalityLbEndpoints, factor: int) -> float:
    if not of.lb_endpoints:
        return 0.0
    return float(of.load_balancing_weight.value * min(1.0, factor / 100 * taking(of) / len(of.lb_endpoints)))


def _weight(of: LocalityLbEndpoints) -> float:
    return float(sum(one.load_balancing_weight.value or 1 for one in of.lb_endpoints if one.health_status in TAKING))
