"""What Envoys counted, from answers as Envoy 1.40 gives them."""

from weft.agent import stats

CLUSTERS = b"""{"cluster_statuses":[{"name":"outbound|80||a.b","host_statuses":[
 {"address":{"socket_address":{"address":"127.0.0.1","port_value":9}},"stats":[
  {"name":"cx_connect_fail"},{"value":"1","name":"cx_total"},{"name":"rq_error"},{"value":"4","name":"rq_success"},
  {"value":"5","name":"rq_total"},{"type":"GAUGE","name":"rq_active"}]},
 {"address":{"socket_address":{"address":"127.0.0.1","port_value":8}},"stats":[{"name":"rq_total"}]}]},
 {"name":"outbound-plain|80||a.b","host_statuses":[{"address":{"socket_address":{"address":"::1","port_value":7}},"stats":[
  {"value":"1","name":"cx_total"},{"value":"2","name":"rq_total"}]}]},
 {"name":"inbound|80||","host_statuses":[]}]}"""

LATENCIES = b"""{"stats":[{"histograms":[
 {"name":"cluster.outbound|80||a.b.external.upstream_rq_time","buckets":[{"upper_bound":1,"interval":1,"cumulative":1}]},
 {"name":"cluster.outbound|80||a.b.upstream_rq_time","buckets":[
  {"upper_bound":0.5,"interval":0,"cumulative":0},{"upper_bound":3e+05,"interval":1,"cumulative":7}]},
 {"name":"cluster.outbound|80||c.upstream_rq_time","buckets":[{"upper_bound":1,"interval":0,"cumulative":0}]}]}]}"""


def test_counters_of_hosts_that_were_called_are_reported() -> None:
    """One row a host, with mTLS or another TLS as the cluster says; what was never called is left out."""
    [edge, plain] = stats.edges("d/w", CLUSTERS, {"outbound|80||a.b": True, "outbound-plain|80||a.b": False})
    assert (edge.proxy, edge.cluster, edge.endpoint) == ("d/w", "outbound|80||a.b", "127.0.0.1:9")
    assert (edge.requests, edge.successes, edge.errors, edge.connections, edge.mtls) == (5, 4, 0, 1, True)
    assert (plain.cluster, plain.endpoint, plain.requests) == ("outbound-plain|80||a.b", "[::1]:7", 2)
    assert (edge.tls, plain.mtls, plain.tls) == (False, False, True)


def test_response_times_are_cumulative_and_said_once() -> None:
    """The same times by origin (`external`) and empty histograms are left out."""
    [latency] = stats.latencies("d/w", LATENCIES)
    assert (latency.cluster, list(latency.bounds), list(latency.counts)) == ("outbound|80||a.b", [0.5, 300000.0], [0, 7])
