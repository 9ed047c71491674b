"""From which zones destinations are asked, out of what their callers count."""

from weft.model.endpoint import Locality
from weft.model.locality import Demand
from weft.telemetry.demand import Asked, demand
from weft.telemetry.edges import Counters, Edges

A, B = Locality("eu", "a"), Locality("eu", "b")
ZONES = {"default/a-0": A, "default/a-1": A, "default/b-0": B}
REVIEWS = "outbound|80||reviews.default.svc.cluster.local"
TO = ("reviews.default.svc.cluster.local", 80, "")


def asked(a: int, b: int, told: Asked | None = None, nowhere: int = 0) -> Asked:
    """What is told of so many requests of each zone."""
    plain = REVIEWS.replace("outbound|", "outbound-plain|")
    counts = [("default/a-0", REVIEWS, a // 2), ("default/a-1", plain, a - a // 2), ("default/b-0", REVIEWS, b)]
    return demand([*counts, ("default/x-0", REVIEWS, nowhere)], ZONES, told or {})


def test_each_zone_has_its_part() -> None:
    """Endpoints with and without a sidecar are one destination; callers in no known place are a part of their own."""
    assert asked(300, 100) == {TO: (Demand(A, 75), Demand(B, 25))}
    assert asked(100, 100, nowhere=200) == {TO: (Demand(Locality(), 50), Demand(A, 25), Demand(B, 25))}


def test_chance_changes_nothing() -> None:
    """A part that differs by no more than chance would is not told anew: the very same is returned."""
    told = asked(500, 500)
    assert asked(540, 460, told) is told
    assert asked(700, 300, told) == {TO: (Demand(A, 70), Demand(B, 30))}


def test_few_requests_say_nothing() -> None:
    """What was told before stays."""
    assert asked(20, 5) == {}
    told = asked(500, 500)
    assert asked(20, 0, told) is told


def test_requests_lately_are_counted_for_each_caller() -> None:
    """Those of the window alone; none of a proxy that has been quiet since."""
    edges = Edges()
    edges.begin("default/a-0", 0.0)
    for now, requests in ((1.0, 10), (3.0, 30), (5.0, 60), (7.0, 100)):
        edges.observe([Counters("default/a-0", REVIEWS, "10.0.0.1:80", requests, 0, 0, 1, False)], (), now)
    assert list(edges.asked(7.0, 4.0)) == [("default/a-0", REVIEWS, 70)]
    assert list(edges.asked(7.0, 1.0)) == [("default/a-0", REVIEWS, 40)]
    assert list(edges.asked(20.0, 4.0)) == [("default/a-0", REVIEWS, 0)]
