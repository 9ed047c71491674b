"""What a zone's callers keep in their zone, and what goes to the others because the zone would be asked more than they are.

Known are the parts of a destination's requests that come from each zone (`Demand`; it does not depend on where they are sent,
so that nothing swings) and what endpoints each zone has. Within a region each zone is to be asked in proportion to its healthy
endpoints, `_TOLERATED` times that at most; what is beyond goes where room is, in proportion to the room. Zones of other
regions are only for failing over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from weft.model.endpoint import Endpoint, Health, Locality
from weft.model.locality import Demand, zone

_TOLERATED = 1.1
_SCALE = 100  # of endpoint weights, where zones get other shares than their endpoints'
_UNEVEN = 0.1


@dataclass(frozen=True, slots=True)
class Keeping:
    """How the load of one zone's callers is shared within their region. `apart`: the zone is a priority of its own, which
    takes `overprovisioning` percent of its healthy share; else all zones are one, and endpoints' weights do it.
    `factors` multiply the weights of the endpoints of a zone."""

    apart: bool
    overprovisioning: int
    factors: Mapping[Locality, float]

    def weight(self, of: Endpoint) -> int:
        """The weight of an endpoint."""
        factor = self.factors.get(zone(of.locality))
        return of.weight if factor is None else max(1, round(of.weight * factor * _SCALE))


def keeping(here: Locality, endpoints: Sequence[Endpoint], demand: tuple[Demand, ...]) -> Keeping | None:
    """How callers at `here` share their load; None when their zone can take it all, or nothing is known."""
    near = [one for one in endpoints if one.locality.region == here.region and one.weight > 0]
    room = _healthy(near)
    own = zone(here)
    asked = {one.zone: float(one.percent) for one in demand if one.zone.region == here.region}
    if not asked.get(own) or len(room) < 2 - (own not in room):
        return None
    kept, spare = _balanced(asked, room, sum(one.percent for one in demand if not one.zone.region))
    share = kept.get(own, 0.0) / asked[own]
    if share >= 0.995 or not any(spare.values()):
        return None
    return _keeping(own, share, near, room, spare)


def _healthy(endpoints: Iterable[Endpoint]) -> dict[Locality, float]:
    found: dict[Locality, float] = {}
    for one in endpoints:
        if one.health is Health.HEALTHY:
            found[zone(one.locality)] = found.get(zone(one.locality), 0.0) + one.weight
    return found


def _balanced(
    asked: Mapping[Locality, float], room: Mapping[Locality, float], everywhere: float
) -> tuple[dict[Locality, float], dict[Locality, float]]:
    """What each zone keeps of what its callers ask, and what room the others have then. `everywhere` is asked of all alike."""
    total, whole = sum(asked.values()), sum(room.values())
    fair = {where: total * weight / whole for where, weight in room.items()}
    ceiling = {where: max(0.0, _TOLERATED * (fair[where] + everywhere * room[where] / whole) - everywhere * room[where] / whole)
               for where in room}  # fmt: skip
    kept = {where: min(asked.get(where, 0.0), ceiling[where]) for where in room}
    return kept, {where: max(0.0, fair[where] - kept[where]) for where in room}


def _keeping(
    own: Locality, share: float, near: Sequence[Endpoint], room: Mapping[Locality, float], spare: Mapping[Locality, float]
) -> Keeping:
    others = {where: spare[where] for where in room if where != own}
    there = sum(others.values())
    factors = {where: (part / there) / (room[where] / sum(room[one] for one in others)) for where, part in others.items()}
    even = all(abs(factor - 1) <= _UNEVEN for factor in factors.values())
    shown = len([one for one in near if zone(one.locality) == own])
    well = len([one for one in near if zone(one.locality) == own and one.health is Health.HEALTHY])
    if share >= 0.5 and well and _others_hold(own, share, near):
        return Keeping(True, round(100 * share * shown / well), {} if even else factors)
    total = sum(room[one] for one in others)
    mixed = {where: (1 - share) * factor / total for where, factor in factors.items()}
    if own in room:
        mixed[own] = share / room[own]
    largest = max(mixed.values())
    return Keeping(False, 0, {where: factor / largest for where, factor in mixed.items()})


def _others_hold(own: Locality, share: float, near: Sequence[Endpoint]) -> bool:
    """Whether the next priority takes all that the first leaves: the factor that limits the first limits it as well."""
    others = [one for one in near if zone(one.locality) != own]
    well = sum(one.health is Health.HEALTHY for one in others)
    return share * well >= (1 - share) * len(others)
