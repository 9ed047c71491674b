"""How a caller's place decides which endpoints it is sent to: what was written, and what was measured.
https://istio.io/latest/docs/reference/config/networking/destination-rule/#LocalityLoadBalancerSetting
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from weft.model.endpoint import Locality
from weft.model.labels import Labels

REGION, ZONE, SUB_ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"
NETWORK, HOSTNAME = "topology.istio.io/network", "kubernetes.io/hostname"
NODE = "mesh.weft.dev/node"  # the label of whatever an agent registered
TOPOLOGY = (REGION, ZONE, SUB_ZONE)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Shares (of a hundred) of what callers at `origin` send, by place. Places may end in `*`."""

    origin: str
    to: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class LocalitySetting:
    """What an operator wrote. `failover` are pairs of regions; `priority` are labels (or `label=value`) of which the more agree,
    from the first on, the sooner an endpoint is taken."""

    enabled: bool = True
    distribute: tuple[Distribution, ...] = ()
    failover: tuple[tuple[str, str], ...] = ()
    priority: tuple[str, ...] = ()

    @property
    def labels(self) -> frozenset[str]:
        """The labels of callers that decide, besides those that say where they are."""
        return frozenset(one for one in self.priority if "=" not in one) - {*TOPOLOGY, NETWORK}


class TrafficDistribution(Enum):
    """Kubernetes' word for a service's callers: their own zone as long as it has endpoints, however loaded, or their own node;
    and Istio's that none of this is meant, whatever the namespace says."""

    SAME_ZONE = "same-zone"
    SAME_NODE = "same-node"
    ANY = "any"


_PRIORITY = {
    TrafficDistribution.SAME_ZONE: (NETWORK, *TOPOLOGY),
    TrafficDistribution.SAME_NODE: (NETWORK, *TOPOLOGY, HOSTNAME),
}


def strict(of: TrafficDistribution) -> LocalitySetting:
    """What a service's word amounts to."""
    return LocalitySetting(priority=_PRIORITY[of])


def zone(of: Locality) -> Locality:
    """The zone of a place."""
    return Locality(of.region, of.zone)


def fits(locality: Locality, pattern: str) -> bool:
    """Whether a place is one that `pattern` means: `*` is any, and so is a part that is not written."""
    parts = zip((locality.region, locality.zone, locality.sub_zone), (pattern.split("/") + ["", ""])[:3], strict=True)
    return all(said == "*" or said == own or (said == "" and level > 0) for level, (own, said) in enumerate(parts))


def topology(locality: Locality, network: str, labels: Labels, node: str = "") -> Mapping[str, str]:
    """All labels that a priority may name: a workload's own, and those that say where it is."""
    own = dict(labels)
    place = {REGION: locality.region, ZONE: locality.zone, SUB_ZONE: locality.sub_zone, NETWORK: network}
    return {HOSTNAME: node or own.get(NODE, ""), **own, **{name: value for name, value in place.items() if value}}


@dataclass(frozen=True, slots=True, order=True)
class Demand:
    """How much of what one destination is asked comes from callers in one zone, in percent. No region: from nobody knows
    where."""

    zone: Locality
    percent: int
