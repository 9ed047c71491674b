"""The calls that sidecars tell of, summed up until they are reported: each kind once, however often it was made.

Nothing of a request is kept but its method, host and the template of its path. A proxy that has more to tell than `MOST` a second
is asked for a sample, and each of its entries then counts for as many.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from envoy.config.core.v3.base_pb2 import RequestMethod
from envoy.data.accesslog.v3 import accesslog_pb2 as log
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from google.protobuf.message import DecodeError

from weft.envoy.names import inbound_port
from weft.proto import node_pb2
from weft.telemetry.calls import MTLS, MTLS_ONLY, PLAINTEXT, TLS, Caller, CallTable, Edge, Operation, Seen
from weft.telemetry.path_template import template

MOST = 500
"""Entries a second of one proxy, about."""

_LEAST = 0.01  # the smallest share that is asked for
_MOST_EDGES = 4_000
_LONGEST = 256  # characters of a host
_RULES = "rbac_access_denied_matched_policy["
_REFUSED = ("jwt_authn", "ext_authz")
_RBAC = ("envoy.filters.http.rbac", "envoy.filters.network.rbac")
_TRIALS = ("istio_dry_run_deny_", "istio_dry_run_allow_")
_ONGOING = (log.DownstreamPeriodic, log.TcpPeriodic, log.TcpConnectionEnd)

cached_template = lru_cache(maxsize=4096)(template)


@dataclass(slots=True)
class _Proxy:
    """What is known of one proxy's stream: the share that it tells (None: not known), and how many entries came since `since`."""

    share: float | None = None
    entries: int = 0
    since: float = 0.0


class Calls:
    """The calls since the last report. `now` is the wall clock."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._table: CallTable[str] = CallTable(_MOST_EDGES)
        self._proxies: dict[str, _Proxy] = {}
        self.plaintext = asyncio.Event()  # set when somebody called who is not of the mesh

    def stream(self, first: bytes) -> tuple[str, int] | None:
        """The proxy and the port that a stream tells of, from its first message; None when it is no stream of ours."""
        try:
            said = StreamAccessLogsMessage.FromString(first).identifier
        except DecodeError:
            return None
        port = inbound_port(said.log_name)
        if not said.node.id or not port:
            return None
        self._proxies[said.node.id] = _Proxy(since=self._now())
        return said.node.id, port

    def take(self, proxy: str, port: int, message: bytes) -> None:
        """The entries of a message of a stream."""
        try:
            said = StreamAccessLogsMessage.FromString(message)
        except DecodeError:
            return  # a text in it is none
        now, known = self._now(), self._proxies.setdefault(proxy, _Proxy(since=self._now()))
        weight = max(1, round(1 / (known.share or 1.0)))
        for each in said.http_logs.log_entry:
            known.entries += 1
            edge = _edge(proxy, port, each.common_properties, _http_refusal(each))
            self._add(edge, _operation(each), _count(each, _weight(edge, weight)), _decided(each.common_properties, now))
        for each in said.tcp_logs.log_entry:
            known.entries += 1
            edge = _edge(proxy, port, each.common_properties, _tcp_refusal(each))
            self._add(edge, Operation(), _count(each, _weight(edge, weight)), now)

    def _add(self, edge: Edge[str], operation: Operation, count: int, now: float) -> None:
        self._table.add(edge, operation, Seen(count, now, now))
        if edge.caller.transport != MTLS:
            self.plaintext.set()

    def report(self) -> list[node_pb2.CallCounters]:
        """All that came since the last report."""
        table, self._table = self._table, CallTable(_MOST_EDGES)
        return [_row(call.edge, call.operation, call.seen) for call in table]

    def restore(self, rows: Iterable[node_pb2.CallCounters]) -> None:
        """Takes back what did not reach the control plane."""
        for row in rows:
            caller = Caller(row.identity, row.address, row.transport)
            edge = Edge(row.proxy, row.port, caller, row.denied_by, row.shadow)
            self._table.add(edge, Operation(row.method, row.host, row.path), Seen(row.count, row.first_seen, row.last_seen))

    def wanted_share(self, proxy: str) -> int | None:
        """Of how many calls in ten thousand a proxy is to tell from now on; None: as it does. Asked about once a second."""
        known = self._proxies.get(proxy)
        if known is None or (elapsed := self._now() - known.since) < 0.5:
            return None
        rate = known.entries / elapsed / (known.share or 1.0)
        wanted = max(_LEAST, min(1.0, MOST / rate)) if rate else 1.0
        known.entries, known.since = 0, self._now()
        if known.share is not None and (wanted == known.share or 0.8 < wanted / known.share < 1.25):
            return None
        return round(wanted * 10_000)

    def shared(self, proxy: str, share: int) -> None:
        """The proxy does as it was asked."""
        if known := self._proxies.get(proxy):
            known.share = share / 10_000

    def forget(self, proxy: str) -> None:
        """The proxy is gone."""
        self._proxies.pop(proxy, None)


def _weight(of: Edge[str], sampled: int) -> int:
    """What an entry stands for: callers without an identity are told of one by one."""
    return sampled if of.caller.transport == MTLS else 1


def _edge(proxy: str, port: int, of: log.AccessLogCommon, denied_by: str) -> Edge[str]:
    return Edge(proxy, port, _caller(of), denied_by, _shadow(of))


def _caller(of: log.AccessLogCommon) -> Caller:
    if of.HasField("tls_properties"):
        for name in of.tls_properties.peer_certificate_properties.subject_alt_name:
            if name.uri.startswith("spiffe://"):
                return Caller(name.uri, "", MTLS)
    address = of.downstream_direct_remote_address.socket_address.address
    return Caller("", address, TLS if of.HasField("tls_properties") else PLAINTEXT)


def _decided(of: log.AccessLogCommon, now: float) -> float:
    """When a request was let pass, or refused: at its beginning; of one that goes on it is said now."""
    began: float = of.start_time.ToMicroseconds() / 1e6
    return now if of.access_log_type in _ONGOING or not now - 24 * 3600 < began <= now else began


def _operation(of: log.HTTPAccessLogEntry) -> Operation:
    method = _method(of)
    return Operation(method, of.request.authority[:_LONGEST].lower(), cached_template(of.request.path.partition("?")[0]))


def _method(of: log.HTTPAccessLogEntry) -> str:
    """As Envoy names it; it does not tell any that is no word of HTTP's."""
    return RequestMethod.Name(of.request.request_method) if of.request.request_method else "*"


def _http_refusal(of: log.HTTPAccessLogEntry) -> str:
    details = of.response.response_code_details
    return details if details.startswith(_REFUSED) else _rule(details)


def _tcp_refusal(of: log.TCPAccessLogEntry) -> str:
    common = of.common_properties
    return MTLS_ONLY if common.response_flags.no_route_found else _rule(common.connection_termination_details)


def _rule(details: str) -> str:
    """The rule that refused it; `none`: no rule allowed it; empty: it was not refused."""
    return details[len(_RULES) :].removesuffix("]") if details.startswith(_RULES) else ""


def _shadow(of: log.AccessLogCommon) -> str:
    """The rule on trial that would have refused it, or `none` where none would have allowed it."""
    for filter_name in _RBAC:
        if filter_name not in of.metadata.filter_metadata:
            continue
        said = of.metadata.filter_metadata[filter_name].fields
        for trial in _TRIALS:
            if said[f"{trial}shadow_engine_result"].string_value == "denied":
                return said[f"{trial}shadow_effective_policy_id"].string_value or "none"
    return ""


def _count(of: log.HTTPAccessLogEntry | log.TCPAccessLogEntry, weight: int) -> int:
    """An entry of what goes on, or of the end of a connection whose beginning was told, is no further call."""
    common = of.common_properties
    if common.access_log_type not in _ONGOING:
        return weight
    return weight if common.access_log_type == log.TcpConnectionEnd and _rule(common.connection_termination_details) else 0


def _row(edge: Edge[str], operation: Operation, seen: Seen) -> node_pb2.CallCounters:
    return node_pb2.CallCounters(
        proxy=edge.destination,
        port=edge.port,
        identity=edge.caller.identity,
        address=edge.caller.address,
        transport=edge.caller.transport,
        method=operation.method,
        host=operation.host,
        path=operation.path,
        denied_by=edge.denied_by,
        shadow=edge.shadow,
        count=seen.count,
        first_seen=int(seen.first),
        last_seen=int(seen.last),
    )
