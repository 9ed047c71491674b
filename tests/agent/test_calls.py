"""The calls that Envoys tell of, summed up for the next report."""

from envoy.data.accesslog.v3 import accesslog_pb2 as log
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from google.protobuf.struct_pb2 import Struct, Value

from weft.agent.calls import MOST, Calls

WEB = "spiffe://cluster.local/ns/default/sa/web"


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def identifier(proxy: str = "default/reviews-0", name: str = "inbound|9080||") -> bytes:
    """The first message of a stream."""
    return StreamAccessLogsMessage(identifier={"node": {"id": proxy}, "log_name": name}).SerializeToString()


def common(identity: str = WEB, kind: int = log.DownstreamEnd) -> dict[str, object]:
    """What every entry says."""
    said: dict[str, object] = {
        "downstream_direct_remote_address": {"socket_address": {"address": "10.0.0.7", "port_value": 4711}},
        "access_log_type": kind,
    }
    if identity:
        names = [{"uri": identity}]
        said["tls_properties"] = {"peer_certificate_properties": {"subject_alt_name": names}}
    return said


def requests(*paths: str, details: str = "via_upstream", identity: str = WEB, **more: object) -> bytes:
    """A message with a request for each path."""
    entries = [
        {
            "common_properties": {**common(identity), **more},
            "request": {"request_method": "GET", "authority": "Reviews:9080", "path": path},
            "response": {"response_code_details": details},
        }
        for path in paths
    ]
    return StreamAccessLogsMessage(http_logs={"log_entry": entries}).SerializeToString()


def connections(*kinds: int, termination: str = "") -> bytes:
    """A message with an entry of each kind about one connection without a certificate."""
    entries = [
        {"common_properties": {**common("", kind), "connection_termination_details": termination}} for kind in kinds
    ]
    return StreamAccessLogsMessage(tcp_logs={"log_entry": entries}).SerializeToString()


def test_requests_are_added_up_by_what_they_ask() -> None:
    """Who, where, what, how often; of a path its template, of its query nothing."""
    calls = Calls(Clock())
    assert calls.stream(identifier()) == ("default/reviews-0", 9080)
    calls.take("default/reviews-0", 9080, requests("/books/1?token=s3cret", "/books/2#x", "/"))
    calls.take("default/reviews-0", 9080, requests("/books/3"))
    rows = {row.path: row for row in calls.report()}
    assert {path: row.count for path, row in rows.items()} == {"/books/{*}": 3, "/": 1}
    row = rows["/"]
    assert (row.proxy, row.port, row.identity, row.address, row.transport) == ("default/reviews-0", 9080, WEB, "", "mtls")
    assert (row.method, row.host, row.denied_by, row.shadow) == ("GET", "reviews:9080", "", "")
    assert "s3cret" not in str(rows) and calls.report() == []


def test_what_refused_a_request_is_told() -> None:
    """A rule, no rule, or a token; an answer of the application is no refusal."""
    calls = Calls(Clock())
    for details in ("rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]]", "rbac_access_denied_matched_policy[none]"):
        calls.take("p", 1, requests("/", details=details))
    calls.take("p", 1, requests("/", details="jwt_authn_access_denied{Jwt_is_expired}"))
    calls.take("p", 1, requests("/", details="via_upstream"))
    found = sorted(row.denied_by for row in calls.report())
    assert found == ["", "jwt_authn_access_denied{Jwt_is_expired}", "none", "ns[a]-policy[b]-rule[0]"]


def test_what_a_policy_on_trial_would_have_refused_is_told() -> None:
    """Envoy's shadow rules say it in the request's metadata."""
    calls = Calls(Clock())
    said = {"istio_dry_run_allow_shadow_engine_result": "denied", "istio_dry_run_deny_shadow_engine_result": "allowed"}
    words = Struct(fields={name: Value(string_value=text) for name, text in said.items()})
    calls.take("p", 1, requests("/", metadata={"filter_metadata": {"envoy.filters.http.rbac": words}}))
    assert [row.shadow for row in calls.report()] == ["none"]


def test_a_connection_counts_once_and_is_seen_as_long_as_it_lives() -> None:
    """At its beginning; what is told of it later says only that it is still there. One that was refused had no beginning."""
    clock = Clock()
    calls = Calls(clock)
    calls.take("p", 5432, connections(log.TcpUpstreamConnected))
    clock.now += 60
    calls.take("p", 5432, connections(log.TcpPeriodic, log.TcpConnectionEnd))
    (row,) = calls.report()
    assert (row.count, row.last_seen - row.first_seen, row.transport, row.address) == (1, 60, "plaintext", "10.0.0.7")
    calls.take("p", 5432, connections(log.TcpConnectionEnd, termination="rbac_access_denied_matched_policy[none]"))
    (row,) = calls.report()
    assert (row.count, row.denied_by) == (1, "none")


def test_a_busy_proxy_is_asked_for_a_sample_that_counts_for_all() -> None:
    """Its share makes about as many entries as there may be; when it is quiet again it tells everything."""
    clock = Clock()
    calls = Calls(clock)
    calls.stream(identifier("p"))
    clock.now += 1
    assert calls.wanted_share("p") == 10_000
    calls.shared("p", 10_000)
    calls.take("p", 1, requests(*["/"] * (4 * MOST)))
    clock.now += 1
    assert calls.wanted_share("p") == 2_500
    calls.shared("p", 2_500)
    calls.report()
    calls.take("p", 1, requests("/"))
    assert [row.count for row in calls.report()] == [4]
    clock.now += 1
    assert calls.wanted_share("p") == 10_000


def test_what_did_not_arrive_is_reported_again() -> None:
    """Rows that were lost with a stream are added to those that came since."""
    calls = Calls(Clock())
    calls.take("p", 1, requests("/"))
    lost = calls.report()
    calls.take("p", 1, requests("/"))
    calls.restore(lost)
    assert [row.count for row in calls.report()] == [2]


def test_a_stream_that_is_not_ours_is_nobodys() -> None:
    """Without a proxy, or of another log, nothing is taken; a message that is none harms nobody."""
    calls = Calls(Clock())
    assert calls.stream(identifier(name="somebody")) is None and calls.stream(identifier(proxy="")) is None
    assert calls.stream(b"\xff\xff") is None
    calls.take("p", 1, b"\xff\xff")
    assert calls.report() == []
