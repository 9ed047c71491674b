"""What Envoys counted, from answers as Envoy 1.40 gives them."""

import re

import pytest

from weft.agent import stats

CLUSTERS = b"""{"cluster_statuses":[{"name":"outbound|80||a.b","host_statuses":[
 {"address":{"socket_address":{"address":"127.0.0.1","port_value":9}},"stats":[
  {"name":"cx_connect_fail"},{"value":"1","name":"cx_total"},{"name":"rq_error"},{"value":"4","name":"rq_success"},
  {"value":"5","name":"rq_total"},{"type":"GAUGE","name":"rq_active"}]},
 {"address":{"socket_address":{"address":"127.0.0.1","port_value":8}},"stats":[{"name":"rq_total"}]}]},
 {"name":"inbound|80||","host_statuses":[]}]}"""

LATENCIES = b"""{"stats":[{"histograms":[
 {"name":"cluster.outbound|80||a.b.external.upstream_rq_time","buckets":[{"upper_bound":1,"interval":1,"cumulative":1}]},
 {"name":"cluster.outbound|80||a.b.upstream_rq_time","buckets":[
  {"upper_bound":0.5,"interval":0,"cumulative":0},{"upper_bound":3e+05,"interval":1,"cumulative":7}]},
 {"name":"cluster.outbound|80||c.upstream_rq_time","buckets":[{"upper_bound":1,"interval":0,"cumulative":0}]}]}]}"""


def test_counters_of_hosts_that_were_called_are_reported() -> None:
    """One row a host, with mTLS as the cluster says; what was never called is left out."""
    [edge] = stats.edges("d/w", CLUSTERS, frozenset({"outbound|80||a.b"}))
    assert (edge.proxy, edge.cluster, edge.endpoint) == ("d/w", "outbound|80||a.b", "127.0.0.1:9")
    assert (edge.requests, edge.successes, edge.errors, edge.connections, edge.mtls) == (5, 4, 0, 1, True)


def test_response_times_are_cumulative_and_said_once() -> None:
    """The same times by origin (`external`) and empty histograms are left out."""
    [latency] = stats.latencies("d/w", LATENCIES)
    assert (latency.cluster, list(latency.bounds), list(latency.counts)) == ("outbound|80||a.b", [0.5, 300000.0], [0, 7])


@pytest.mark.parametrize(
    ("name", "cluster"),
    [
        ("outbound|80||reviews.default.svc.cluster.local.upstream_rq_total", "outbound|80||reviews.default.svc.cluster.local"),
        ("outbound|80|v1|a.internal.svc.cluster.local.internal.upstream_rq_time", "outbound|80|v1|a.internal.svc.cluster.local"),
        ("outbound|443||a.ssl.example.com.ssl.handshake", "outbound|443||a.ssl.example.com"),
        ("inbound|9080||.upstream_cx_total", "inbound|9080||"),
        ("xds-grpc.upstream_cx_active", "xds-grpc"),
    ],
)
def test_a_clusters_name_is_a_label_whatever_dots_it_has(name: str, cluster: str) -> None:
    """The whole host belongs to the label, and the metric's name has nothing of it."""
    found = re.match(stats.tagging()["stats_tags"][0]["regex"], f"cluster.{name}")
    assert found is not None and found[2] == cluster
