"""Rates of edges out of totals."""

from weft.telemetry.edges import Counters, Edges, Latency, Party
from weft.telemetry.histogram import quantile

CLUSTER = "outbound|9080||reviews.default.svc.cluster.local"


def _row(endpoint: str, requests: int, errors: int = 0, mtls: bool = True) -> Counters:
    return Counters("default/web-0", CLUSTER, endpoint, requests, requests - errors, errors, 1, mtls)


def _table(edges: Edges, now: float):  # type: ignore[no-untyped-def]
    versions = {"127.0.0.1:1": "v1", "127.0.0.1:2": "v2"}
    return edges.table(now, lambda proxy: Party("web"), lambda address: Party("reviews", versions[address]))


def test_a_rate_is_the_difference_of_totals_over_time() -> None:
    """Twenty requests in ten seconds are two per second."""
    edges = Edges()
    edges.observe([_row("127.0.0.1:1", 100)], [], 0.0)
    edges.observe([_row("127.0.0.1:1", 120)], [], 10.0)
    (edge,) = _table(edges, 10.0)
    assert (edge.source, edge.version, edge.rps, edge.success) == ("web", "v1", 2.0, 1.0)


def test_versions_share_the_traffic_of_their_service() -> None:
    """Each version's share is its part of the source's requests."""
    edges = Edges()
    edges.observe([_row("127.0.0.1:1", 0), _row("127.0.0.1:2", 0)], [], 0.0)
    edges.observe([_row("127.0.0.1:1", 80), _row("127.0.0.1:2", 20, errors=5)], [], 10.0)
    one, two = _table(edges, 10.0)
    assert (one.share, two.share, two.success) == (0.8, 0.2, 0.75)


def test_a_restarted_envoy_counts_from_zero() -> None:
    """A total that went down is not a negative rate."""
    edges = Edges()
    edges.observe([_row("127.0.0.1:1", 1000)], [], 0.0)
    edges.observe([_row("127.0.0.1:1", 10)], [], 10.0)
    assert _table(edges, 10.0)[0].rps == 1.0


def test_one_plaintext_host_makes_the_edge_plaintext() -> None:
    """An edge is mTLS only when all of its hosts are."""
    edges = Edges()
    edges.observe([_row("127.0.0.1:1", 5)], [], 0.0)
    edges.observe([_row("127.0.0.1:1", 9, mtls=False)], [], 1.0)
    assert not _table(edges, 1.0)[0].mtls


def test_totals_of_unknown_age_are_no_rate() -> None:
    """What a proxy reports first may be of years; only what is new after it counts."""
    edges = Edges()
    edges.observe([_row("127.0.0.1:1", 100_000)], [], 0.0)
    assert _table(edges, 0.0) == ()
    edges.observe([_row("127.0.0.1:1", 100_000), _row("127.0.0.1:2", 10)], [], 10.0)
    (edge,) = _table(edges, 10.0)
    assert (edge.version, edge.rps) == ("v2", 1.0)


def test_p99_comes_from_the_interval() -> None:
    """Only what was counted within the window enters the quantile."""
    edges = Edges()
    bounds = (1.0, 10.0, 100.0)
    edges.observe([_row("127.0.0.1:1", 0)], [Latency("default/web-0", CLUSTER, bounds, (0, 0, 1000))], 0.0)
    edges.observe([_row("127.0.0.1:1", 9)], [Latency("default/web-0", CLUSTER, bounds, (100, 100, 1100))], 1.0)
    p99 = _table(edges, 1.0)[0].p99
    assert p99 is not None
    assert p99 <= 1.0


def test_a_quantile_is_interpolated() -> None:
    """The median of ten values spread evenly to 10 is 5."""
    assert quantile(0.5, (10.0,), (10,)) == 5.0
    assert quantile(0.5, (10.0,), (0,)) is None


def test_a_new_proxy_counts_from_zero() -> None:
    """The first report of a proxy that was seen to begin is a rate already."""
    edges = Edges()
    edges.begin("default/web-0", 0.0)
    edges.observe([_row("127.0.0.1:1", 20)], [], 10.0)
    assert _table(edges, 10.0)[0].rps == 2.0


def test_a_single_call_is_seen_for_a_whole_window() -> None:
    """What a destination counted before its second report is not forgotten with it."""
    edges = Edges(15.0)
    edges.begin("default/web-0", 0.0)
    for moment in (2.0, 4.0, 12.0):
        edges.observe([_row("127.0.0.1:1", 1)], [], moment)
        assert [edge.rps > 0 for edge in _table(edges, moment)] == [True]
    edges.observe([_row("127.0.0.1:1", 1)], [], 40.0)
    assert _table(edges, 40.0) == ()
