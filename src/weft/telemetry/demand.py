"""From which zones a destination is asked, and how much: the part that each zone's callers have in its requests.

What callers ask does not depend on where they are sent, so endpoints may be weighted by it without swinging. Only what is certain
counts: a part is told anew when it differs from what was told by more than chance makes it differ.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import sqrt

from weft.envoy.names import parse_outbound
from weft.model.endpoint import Locality
from weft.model.locality import Demand

Destination = tuple[str, int, str]
"""Host, port, subset."""

Asked = Mapping[Destination, tuple[Demand, ...]]

_ENOUGH = 50  # requests; fewer say nothing
_SMALLEST = 1.0  # points of a hundred
_CHANCE = 100.0  # two standard deviations of a half


def demand(counts: Iterable[tuple[str, str, int]], zones: Mapping[str, Locality], told: Asked) -> Asked:
    """What is asked, from (proxy, cluster, requests lately) of all callers. `zones` are where proxies are; `told` is what was
    returned before, and stays for what has not changed. A destination that nobody was seen to ask is left out."""
    found: dict[Destination, dict[Locality, int]] = defaultdict(lambda: defaultdict(int))
    for proxy, cluster, requests in counts:
        if outbound := parse_outbound(cluster):
            port, subset, host = outbound
            found[(host, port, subset)][zones.get(proxy, Locality())] += requests
    asked = {to: _shares(by_zone, told.get(to, ())) for to, by_zone in found.items()}
    asked = {to: shares for to, shares in asked.items() if shares}
    return told if asked == told else asked


def _shares(by_zone: Mapping[Locality, int], told: tuple[Demand, ...]) -> tuple[Demand, ...]:
    total = sum(by_zone.values())
    if total < _ENOUGH:
        return told
    now = {zone: 100 * count / total for zone, count in by_zone.items()}
    before = {one.zone: float(one.percent) for one in told}
    apart = max(abs(now.get(zone, 0.0) - before.get(zone, 0.0)) for zone in now.keys() | before.keys())
    if told and apart <= _SMALLEST + _CHANCE / sqrt(total):
        return told
    return tuple(sorted(Demand(zone, round(part)) for zone, part in now.items() if round(part)))
