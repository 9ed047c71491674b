"""The TCP proxy: bytes in, bytes out, to one cluster or to several by weight.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto
"""

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog
from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.extensions.filters.network.set_filter_state.v3.set_filter_state_pb2 import Config as SetFilterState
from envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.sni_dynamic_forward_proxy_pb2 import FilterConfig
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy

from weft.compile.call_log import LASTING
from weft.compile.filters.dynamic_forward_proxy import dns_cache
from weft.compile.filters.set_filter_state import dial
from weft.compile.scope.inputs import Target
from weft.envoy.names import BLACK_HOLE, PASSTHROUGH, parse_outbound
from weft.envoy.types import duration, packed

NAME = "envoy.filters.network.tcp_proxy"
_LOTS, _STEP = 1000, 617


def tcp_proxy(
    stat_prefix: str,
    targets: tuple[Target, ...],
    log: AccessLog | None = None,
    refusals: AccessLog | None = None,
    lasting: float = LASTING,
) -> list[Filter]:
    """The network filters. No target: the connection is closed. A target that is a name is resolved first; of several names of
    one cluster each connection has one, by weight, and of names of several clusters the heaviest is dialled. Of several
    tunnels the first is taken. `log` is told of connections, and every `lasting` seconds that they go on, `refusals` of each at
    its end."""
    chosen = targets or (Target(BLACK_HOLE),)
    named = tuple(target for target in chosen if target.dial)
    if len(named) > 1 and len({target.cluster for target in chosen}) == 1 and named == chosen:
        return [*_by_lot(named), _proxy(stat_prefix, chosen[:1], log, refusals, lasting)]
    if named:
        chosen = (max(named, key=lambda target: (target.weight, target.dial)),)
    return [*_resolution(chosen[0]), _proxy(stat_prefix, chosen, log, refusals, lasting)]


def _proxy(
    stat_prefix: str, chosen: tuple[Target, ...], log: AccessLog | None, refusals: AccessLog | None, lasting: float
) -> Filter:
    message = TcpProxy(stat_prefix=stat_prefix, max_connect_attempts={"value": 3})
    if refusals is not None:
        message.access_log.append(refusals)
    if log is not None:
        message.access_log.append(log)
        message.access_log_options.flush_access_log_on_connected = True
        message.access_log_options.access_log_flush_interval.CopyFrom(duration(lasting))
    if len(chosen) == 1:
        message.cluster = chosen[0].cluster
    else:
        for target in chosen:
            message.weighted_clusters.clusters.add(name=target.cluster, weight=target.weight)
    if tunnel := next((target.tunnel for target in chosen if target.tunnel), None):
        message.tunneling_config.hostname = tunnel.authority
        message.tunneling_config.use_post = tunnel.post
    return Filter(name=NAME, typed_config=packed(message))


def _by_lot(named: tuple[Target, ...]) -> list[Filter]:
    """Says which of several names a connection is for. The other end's port is the lot: systems hand them out one after another,
    so that a step of about the golden ratio spreads even few connections evenly."""
    dials = [(target.weight, target.dial) for target in named if target.dial]
    hosts, ports = [(weight, host) for weight, (host, _) in dials], [(weight, str(port)) for weight, (_, port) in dials]
    chosen = dial("%", 0).on_request_headers
    for value, texts in zip(chosen, (hosts, ports), strict=True):
        value.format_string.text_format_source.inline_string = _lot(texts)
    lookup = FilterConfig(dns_cache_config=dns_cache(), port_value=1)
    return [
        Filter(
            name="envoy.filters.network.set_filter_state",
            typed_config=packed(SetFilterState(on_new_connection=chosen)),
        ),
        Filter(name="envoy.filters.network.sni_dynamic_forward_proxy", typed_config=packed(lookup)),
    ]


def _lot(texts: list[tuple[int, str]]) -> str:
    """An expression that is one of the texts, as often as its weight says."""
    total, sofar, said = sum(weight for weight, _ in texts), 0, ""
    for weight, text in texts[:-1]:
        sofar += weight
        said += f"(source.port / 2 * {_STEP}) % {_LOTS} < {sofar * _LOTS // total} ? '{text}' : "
    return f"%CEL({said}'{texts[-1][1]}')%"


def _resolution(of: Target) -> list[Filter]:
    """What says where to connect, for a cluster that resolves names: its own name, or the one that TLS asks for."""
    if not of.dial:
        return _by_server_name(of)
    state = SetFilterState(on_new_connection=dial(*of.dial).on_request_headers)
    lookup = FilterConfig(dns_cache_config=dns_cache(), port_value=of.dial[1])
    return [
        Filter(name="envoy.filters.network.set_filter_state", typed_config=packed(state)),
        Filter(name="envoy.filters.network.sni_dynamic_forward_proxy", typed_config=packed(lookup)),
    ]


def _by_server_name(of: Target) -> list[Filter]:
    outbound = parse_outbound(of.cluster)
    if of.cluster != PASSTHROUGH and (outbound is None or not outbound[2].startswith("*")):
        return []
    lookup = FilterConfig(dns_cache_config=dns_cache(), port_value=outbound[0] if outbound else 443)
    return [Filter(name="envoy.filters.network.sni_dynamic_forward_proxy", typed_config=packed(lookup))]


def targets_used(targets: tuple[Target, ...]) -> tuple[str, ...]:
    """The clusters that `tcp_proxy` sends these targets to."""
    return tuple(sorted({name for target in targets for name in (target.cluster, *target.members)} or {BLACK_HOLE}))
