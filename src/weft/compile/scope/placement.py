"""Which endpoints a caller in one place is sent to first, and which when those are gone or have enough to do.

Priorities are Envoy's: the next is used for the part of the load that the healthy ones of those before cannot take. An
operator's `distribute`, `failover` and `failoverPriority` mean what they mean in Istio. When nothing is said a caller keeps to
its zone, then to its region; what its zone could only take by being asked more than others goes to the region (`spill`). A
consistent hash knows no places unless it is told to: the same key would meet another endpoint in each zone.
https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from weft.compile.scope.destinations import Caller
from weft.compile.scope.spill import Keeping, keeping
from weft.model.endpoint import Endpoint, Locality
from weft.model.locality import Demand, Distribution, LocalitySetting, TrafficDistribution, fits, strict, topology
from weft.model.service import Service
from weft.model.traffic import ConsistentHash, LoadBalancing, PortPolicy

_SCALE = 100  # of the weights of localities, so that shares are exact to a hundredth of a percent
Rank = Callable[[Endpoint], int]


@dataclass(frozen=True, slots=True)
class Placement:
    """Endpoints with their priority and weight. `localities` have weights where they decide, and then all have."""

    endpoints: tuple[tuple[Endpoint, int, int], ...]
    localities: tuple[tuple[Locality, int], ...] = ()
    overprovisioning: int = 0


def placement(
    caller: Caller, service: Service, policy: PortPolicy, endpoints: Sequence[Endpoint], demand: tuple[Demand, ...]
) -> Placement:
    """How `caller` is to see the endpoints of a destination."""
    balancing = policy.load_balancing or LoadBalancing()
    setting = balancing.locality
    if setting is None and service.distribution and service.distribution is not TrafficDistribution.ANY:
        setting = strict(service.distribution)
    if setting is not None and not setting.enabled:
        return _alike(endpoints)
    if setting is not None and setting.distribute:
        return _distributed(caller, setting.distribute, endpoints)
    if setting is not None and (setting.priority or setting.failover):
        return _ranked(endpoints, _by_setting(caller, setting))
    if not caller.locality.region or (setting is None and isinstance(balancing.algorithm, ConsistentHash)):
        return _alike(endpoints)
    if setting is not None and isinstance(balancing.algorithm, ConsistentHash):
        return _ranked(endpoints, lambda one: _distance(caller.locality, one.locality))
    return _near(caller.locality, endpoints, demand)


def _alike(endpoints: Iterable[Endpoint]) -> Placement:
    return Placement(tuple((one, 0, one.weight) for one in endpoints))


def _ranked(endpoints: Sequence[Endpoint], rank: Rank) -> Placement:
    """Priorities from ranks, without gaps: Envoy wants none."""
    ranks = [rank(one) for one in endpoints]
    priorities = {one: priority for priority, one in enumerate(sorted(set(ranks)))}
    return Placement(tuple((one, priorities[found], one.weight) for one, found in zip(endpoints, ranks, strict=True)))


def _distance(here: Locality, there: Locality) -> int:
    """0 the same sub-zone, 1 zone, 2 region, 3 elsewhere."""
    if here.region != there.region:
        return 3
    if here.zone != there.zone:
        return 2
    return 0 if here.sub_zone == there.sub_zone else 1


# What an operator wrote


def _by_setting(caller: Caller, setting: LocalitySetting) -> Rank:
    by_label = _by_labels(caller, setting.priority)
    if setting.priority and not setting.failover:
        return by_label
    regions = dict(setting.failover)

    def rank(one: Endpoint) -> int:
        near = _distance(caller.locality, one.locality) if caller.locality.region else 0
        elsewhere = near == 3 and caller.locality.region in regions and regions[caller.locality.region] != one.locality.region
        return by_label(one) * 5 + near + elsewhere

    return rank


def _by_labels(caller: Caller, labels: tuple[str, ...]) -> Rank:
    """How many of the labels, from the end, do not agree any more: 0 when all do."""
    own = topology(caller.locality, caller.network, caller.labels, caller.node)
    wanted = [(name, value if written else own.get(name, "")) for name, written, value in (one.partition("=") for one in labels)]

    def rank(one: Endpoint) -> int:
        has = topology(one.locality, one.network, one.labels)
        agreeing = next((i for i, (name, value) in enumerate(wanted) if has.get(name, "") != value), len(wanted))
        return len(wanted) - agreeing

    return rank


def _distributed(caller: Caller, distribute: tuple[Distribution, ...], endpoints: Sequence[Endpoint]) -> Placement:
    """The shares for the caller's place; where nothing is said for it, each locality has its endpoints' share."""
    said = next((one.to for one in distribute if caller.locality.region and fits(caller.locality, one.origin)), None)
    own = {where: sum(one.weight for one in group) for where, group in _by_locality(endpoints)}
    if said is None:
        return Placement(_alike(endpoints).endpoints, tuple(sorted(own.items())))
    weights: dict[Locality, int] = {}
    for pattern, share in said:
        fitting = {where: weight for where, weight in own.items() if fits(where, pattern) and where not in weights}
        total = sum(fitting.values())
        weights |= {where: max(1, round(share * _SCALE * weight / total)) for where, weight in fitting.items()}
    kept = tuple((one, 0, one.weight) for one in endpoints if one.locality in weights)
    return Placement(kept, tuple(sorted(weights.items())))


def _by_locality(endpoints: Iterable[Endpoint]) -> Iterable[tuple[Locality, Iterable[Endpoint]]]:
    return groupby(sorted(endpoints, key=lambda one: one.locality), key=lambda one: one.locality)


# When nothing was written


def _near(here: Locality, endpoints: Sequence[Endpoint], demand: tuple[Demand, ...]) -> Placement:
    """The caller's zone, its region, the rest; with the zone's part limited to what it can take."""

    def rank(one: Endpoint) -> int:
        return max(0, _distance(here, one.locality) - 1)

    keeps = keeping(here, endpoints, demand)
    if keeps is None:
        return _ranked(endpoints, rank)
    if not keeps.apart:
        ranked = _ranked(endpoints, lambda one: max(1, rank(one)))
        return Placement(_weighted(ranked, keeps), (), 0)
    return Placement(_weighted(_ranked(endpoints, rank), keeps), (), keeps.overprovisioning)


def _weighted(of: Placement, keeps: Keeping) -> tuple[tuple[Endpoint, int, int], ...]:
    return tuple((one, priority, keeps.weight(one)) for one, priority, _ in of.endpoints)
