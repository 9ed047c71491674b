"""Which endpoints a caller in one place gets, and how much of its load stays there."""

from hypothesis import given
from hypothesis import strategies as st

from weft.compile.scope.destinations import Caller
from weft.compile.scope.placement import Placement, placement
from weft.compile.scope.spill import keeping
from weft.model.endpoint import Endpoint, Health, Locality, locality
from weft.model.locality import Demand, Distribution, LocalitySetting, TrafficDistribution, fits
from weft.model.service import Service
from weft.model.traffic import ConsistentHash, HashOnSourceIp, LoadBalancing, PortPolicy
from weft.ref import Ref

SERVICE = Service("r.default.svc.cluster.local", "default", "r", (), Ref("", "Service", "default", "r"))
ZONES = ("eu/a", "eu/b", "eu/c")


def endpoints(*places: str, ill: tuple[int, ...] = ()) -> tuple[Endpoint, ...]:
    """One at each place; those numbered in `ill` are unhealthy."""
    return tuple(
        Endpoint(f"10.0.0.{n}", 80, "http", locality=locality(place), health=Health.UNHEALTHY if n in ill else Health.HEALTHY)
        for n, place in enumerate(places)
    )


def placed(
    here: str, *places: str, said: LocalitySetting | None = None, asked: dict[str, int] | None = None, ill: tuple[int, ...] = ()
) -> Placement:
    """What a caller at `here` gets of endpoints at `places`."""
    demand = tuple(Demand(locality(zone), percent) for zone, percent in (asked or {}).items())
    policy = PortPolicy(LoadBalancing(locality=said)) if said else PortPolicy()
    return placement(Caller("default", (), locality=locality(here)), SERVICE, policy, endpoints(*places, ill=ill), demand)


def priorities(of: Placement) -> list[int]:
    """Those of the endpoints, in the order they were given."""
    return [priority for _, priority, _ in sorted(of.endpoints, key=lambda one: one[0].address)]


def load(of: Placement) -> dict[str, float]:
    """The part of the load of each zone, when all endpoints are well, as Envoy shares it."""
    factor = of.overprovisioning or 140
    left, found = 100.0, dict[str, float]()
    for level in sorted({priority for _, priority, _ in of.endpoints}):
        part = min(left, factor)
        here = [(one, weight) for one, priority, weight in of.endpoints if priority == level]
        for one, weight in here:
            zone = str(one.locality)
            found[zone] = found.get(zone, 0.0) + part * weight / sum(weight for _, weight in here)
        left -= part
    return found


def test_a_caller_prefers_its_zone_then_its_region() -> None:
    """Priorities have no gaps, whatever is missing."""
    assert priorities(placed("eu/a/1", "eu/a/2", "eu/b", "us/x")) == [0, 1, 2]
    assert priorities(placed("eu/d", "eu/a", "eu/b", "us/x")) == [0, 0, 1]
    assert priorities(placed("asia/k", "eu/a", "us/x")) == [0, 0]
    assert priorities(placed("", "eu/a", "us/x")) == [0, 0]


def test_a_written_preference_knows_sub_zones() -> None:
    """`failover` has Istio's four levels, and one more for regions that are not the one to fail over to."""
    said = LocalitySetting(failover=(("eu", "us"),))
    assert priorities(placed("eu/a/1", "eu/a/1", "eu/a/2", "eu/b", "us/x", "asia/k", said=said)) == [0, 1, 2, 3, 4]


def test_a_hash_knows_no_places() -> None:
    """The same key meets the same endpoint from everywhere, unless a setting says otherwise."""
    policy = PortPolicy(LoadBalancing(ConsistentHash(HashOnSourceIp())))
    caller, found = Caller("default", (), locality=locality("eu/a")), endpoints("eu/a", "eu/b")
    assert priorities(placement(caller, SERVICE, policy, found, ())) == [0, 0]


def test_shares_of_places_add_up_and_leave_out_the_rest() -> None:
    """Localities that no share names get nothing; a wildcard's share is that of all it means."""
    said = LocalitySetting(distribute=(Distribution("eu/*", (("eu/a", 40), ("us/*", 60))),))
    found = placed("eu/q", "eu/a", "us/x", "us/y", "eu/b", said=said)
    assert found.localities == ((Locality("eu", "a"), 4000), (Locality("us", "x"), 3000), (Locality("us", "y"), 3000))
    assert len(found.endpoints) == 3


def test_a_pattern_means_what_is_below_it() -> None:
    """A part that is not written is any, and so is `*`."""
    fitting = [one for one in ("eu", "eu/a", "eu/a/1", "*", "eu/*", "us", "eu/b", "eu/a/2") if fits(locality("eu/a/1"), one)]
    assert fitting == ["eu", "eu/a", "eu/a/1", "*", "eu/*"]


def test_a_service_that_keeps_its_callers_does_not_spill() -> None:
    """Kubernetes' trafficDistribution is a preference that no load changes."""
    kept = Service("r", "default", "r", (), SERVICE.origin, distribution=TrafficDistribution.SAME_ZONE)
    caller, demand = Caller("default", (), locality=locality("eu/a")), (Demand(locality("eu/a"), 100),)
    found = placement(caller, kept, PortPolicy(), endpoints("eu/a", "eu/b"), demand)
    assert (priorities(found), found.overprovisioning) == ([0, 1], 0)


def test_an_even_demand_stays() -> None:
    """A zone that asks a tenth more than its share keeps it all."""
    assert placed("eu/a", *ZONES, asked={"eu/a": 36, "eu/b": 32, "eu/c": 32}).overprovisioning == 0


def test_a_zone_with_three_times_the_load_gives_some_away() -> None:
    """It keeps what makes its endpoints asked a tenth more than all are."""
    found = placed("eu/a", *ZONES, asked={"eu/a": 60, "eu/b": 20, "eu/c": 20})
    assert priorities(found) == [0, 1, 1]
    assert found.overprovisioning == 61  # of the hundred: 1.1 x 33.3 of its 60
    assert placed("eu/b", *ZONES, asked={"eu/a": 60, "eu/b": 20, "eu/c": 20}).overprovisioning == 0


def test_ill_endpoints_are_no_room() -> None:
    """Envoy counts the ill ones of a priority against it: what is kept is said of all of them."""
    found = placed("eu/a", "eu/a", "eu/a", "eu/b", "eu/b", asked={"eu/a": 50, "eu/b": 50}, ill=(1,))
    assert found.overprovisioning == round(100 * 2 * (1.1 * 100 / 3) / 50)


SHARES = st.lists(st.integers(0, 100), min_size=3, max_size=3).filter(lambda parts: sum(parts) > 0)
NUMBERS = st.lists(st.integers(0, 12), min_size=3, max_size=3).filter(lambda parts: sum(parts) > 0)


@given(SHARES, NUMBERS)
def test_no_zone_is_overloaded(shares: list[int], numbers: list[int]) -> None:
    """Whatever zones ask and have, all that is asked is answered and no endpoint gets 1.3 times the mean."""
    asked = {zone: share for zone, share in zip(ZONES, shares, strict=True) if share}
    places = [zone for zone, number in zip(ZONES, numbers, strict=True) for _ in range(number)]
    total: dict[str, float] = dict.fromkeys(ZONES, 0.0)
    for zone, share in asked.items():
        for there, percent in load(placed(zone, *places, asked=asked)).items():
            total[there] += share * percent / 100
    assert abs(sum(total.values()) - sum(shares)) < 0.01 * sum(shares)
    mean = sum(shares) / sum(numbers)
    for zone, number in zip(ZONES, numbers, strict=True):
        assert total[zone] <= 1.3 * mean * number + 0.01 * sum(shares), (asked, numbers, total)


def test_what_nobody_knows_of_changes_nothing() -> None:
    """Without a demand, without one of the caller's zone, and in a region of one zone, callers keep to their zone."""
    found = endpoints("eu/a", "eu/b")
    for demand in ((), (Demand(locality("eu/b"), 100),), (Demand(Locality(), 100),)):
        assert keeping(locality("eu/a"), found, demand) is None
    assert keeping(locality("eu/a"), endpoints("eu/a", "us/x"), (Demand(locality("eu/a"), 100),)) is None
