"""From a call to its outcome, in Envoy's order: listener, filter chain, virtual host, route, filters, action."""

from dataclasses import replace

from envoy.config.listener.v3.listener_components_pb2 import FilterChain
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager
from envoy.extensions.filters.network.set_filter_state.v3.set_filter_state_pb2 import Config as SetFilterState
from envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.sni_dynamic_forward_proxy_pb2 import FilterConfig
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, DownstreamTlsContext

from weft.envoy.names import HTTP_PROXY_ROUTES
from weft.simulate import filters, guard, limits, redirect
from weft.simulate.call import Call, HttpCall, TcpCall
from weft.simulate.destination import destination
from weft.simulate.filter_chain import filter_chain
from weft.simulate.forward import forwarded
from weft.simulate.header_edit import response_changes
from weft.simulate.held import Held, Read, Unreadable, is_ready, listeners, route_configuration, unpacked
from weft.simulate.lots import lots
from weft.simulate.outcome import Action, Answered, Closed, Forwarded, HeaderChange, Matched, Outcome, Redirected, Share
from weft.simulate.path import normalized, with_slashes_decoded, with_slashes_merged
from weft.simulate.route_match import matches
from weft.simulate.virtual_host import virtual_host


def simulate(held: Held, call: Call) -> Outcome:
    """What `call` comes to at a proxy that holds `held`. Raises Unreadable when it meets what it does not understand."""
    listener = _listener(held, call.port)
    if listener is None:
        return Outcome(Closed(f"nothing listens on port {call.port}"))
    call = replace(call, destination=listener.address.socket_address.address or call.destination)
    chain = filter_chain(listener, call.sni, call.source, meshed=bool(call.identity))
    if chain is None:
        return Outcome(Closed("no filter chain takes this connection"))
    if refused := _refused(held, chain, call):
        return Outcome(Closed(refused))
    if manager := _filter(chain, HttpConnectionManager):
        return _http(held, manager, call)
    if proxy := _filter(chain, TcpProxy):
        if rule := guard.connection(chain, call):
            return Outcome(Closed(rule))
        return Outcome(_tcp(held, chain, proxy, call), unread=guard.asked_of_connection(chain, call))
    raise Unreadable(f"the filter chain {chain.name}")


def _listener(held: Held, port: int) -> Listener | None:
    for one in listeners(held):
        if one.name == HTTP_PROXY_ROUTES if port == 0 else one.address.socket_address.port_value == port:
            return one
    return None


def _refused(held: Held, chain: FilterChain, call: Call) -> str:
    """Why the TLS of a connection fails; empty when it does not."""
    if not chain.HasField("transport_socket"):
        reads = _filter(chain, HttpConnectionManager) is not None
        return "TLS on a port that speaks none" if call.sni and reads else ""
    context = unpacked(chain.transport_socket.typed_config, DownstreamTlsContext)
    if context is None:
        raise Unreadable(f"the transport socket {chain.transport_socket.name}")
    if call.identity:
        return ""
    if not call.sni:
        return "no TLS on a port that asks for it"
    if not is_ready(held, context.common_tls_context):
        return "its certificate or its authorities are missing"
    if not call.certificate:
        return "no client certificate" if context.require_client_certificate.value else ""
    return _mistrusted(context.common_tls_context, call)


def _mistrusted(context: CommonTlsContext, call: Call) -> str:
    """Why a caller's certificate, which is of a trusted authority, is not taken; empty when it is, or is not looked at."""
    checks = context.combined_validation_context.default_validation_context
    if not context.HasField("combined_validation_context"):
        checks = context.validation_context
    if checks.verify_certificate_spki or checks.verify_certificate_hash:
        raise Unreadable("certificates that are told by their hashes")
    names = checks.match_typed_subject_alt_names
    if not names or any(one.matcher.exact == call.subject for one in names):
        return ""
    return f"the client certificate is for {call.subject}"


def _filter(of: FilterChain, kind: type[Read]) -> Read | None:
    found = [message for one in of.filters if (message := unpacked(one.typed_config, kind)) is not None]
    return found[0] if found else None


def _http(held: Held, manager: HttpConnectionManager, call: Call) -> Outcome:
    if isinstance(call, TcpCall):
        call = HttpCall(call.authority, "/", "CONNECT", (), call.port, source=call.source)
    else:
        named, path = _authority(manager, call), _path(manager, call)
        call = replace(call, authority=named, path=path, trusts_forwarded=not manager.use_remote_address.value)
    config = _route_configuration(held, manager, call.authority)
    host = virtual_host(config, call.authority) if config else None
    if config is None or host is None:
        return Outcome(Answered(404))
    if host.require_tls == VirtualHost.ALL and call.scheme == "http":
        location = f"https://{call.authority}{call.path}"
        return Outcome(Redirected(301, location), Matched(host.name, "", _origin(host)))
    route = next((one for one in host.routes if matches(one.match, call)), None)
    if route is None:
        return Outcome(Answered(404), Matched(host.name, "", _origin(host)))
    levels = (route, host, config)
    if refused := guard.refused(manager, levels, call):
        return Outcome(refused, Matched(host.name, route.name, _origin(route)), unread=guard.asked(manager, levels, call))
    outcome = _taken(held, config, host, route, call, filters.there(manager))
    unread = (*guard.asked(manager, levels, call), *filters.unread(manager, levels))
    return replace(outcome, unread=unread, limits=limits.limits(manager, levels, call))


def _authority(manager: HttpConnectionManager, call: HttpCall) -> str:
    """The host without the one dot at its end."""
    host, colon, port = call.authority.rpartition(":") if call.authority[-1:] != "]" else (call.authority, "", "")
    host, rest = (host, colon + port) if colon else (call.authority, "")
    return (host.removesuffix(".") if manager.strip_trailing_host_dot else host) + rest


def _path(manager: HttpConnectionManager, call: HttpCall) -> str:
    path = call.path
    if manager.path_with_escaped_slashes_action == HttpConnectionManager.UNESCAPE_AND_FORWARD:
        path = with_slashes_decoded(path)
    path = normalized(path) if manager.normalize_path.value else path
    return with_slashes_merged(path) if manager.merge_slashes else path


def _route_configuration(held: Held, manager: HttpConnectionManager, host: str) -> RouteConfiguration | None:
    if manager.HasField("rds"):
        return route_configuration(held, manager.rds.route_config_name, host)
    return manager.route_config if manager.HasField("route_config") else None


def _taken(
    held: Held, config: RouteConfiguration, host: VirtualHost, route: Route, call: HttpCall, there: frozenset[str]
) -> Outcome:
    matched = Matched(host.name, route.name, _origin(route))
    answer, marks = filters.cors(route, call) if filters.CORS in there else (None, ())
    if answer:
        return Outcome(answer, matched)
    levels = (route, host, config)
    action: Action
    match route.WhichOneof("action"):
        case "route":
            found = forwarded(held, config, host, route, call)
            action = replace(found, shares=tuple(_marked(one, marks) for one in found.shares))
        case "redirect":
            changes = (*response_changes(levels), *marks)
            action = Redirected(redirect.status(route.redirect), redirect.location(route, call), changes)
        case "direct_response":
            changes = (*response_changes(levels), *marks)
            action = Answered(route.direct_response.status, _body(route), changes)
        case other:
            raise Unreadable(f"a route that does {other}")
    return Outcome(action, matched, filters.fault(route) if filters.FAULT in there else None)


def _marked(of: Share, marks: tuple[HeaderChange, ...]) -> Share:
    return replace(of, response=(*of.response, *marks)) if marks else of


def _body(of: Route) -> str:
    body = of.direct_response.body
    return str(body.inline_string) or bytes(body.inline_bytes).decode(errors="replace")


def _origin(of: Route | VirtualHost) -> str:
    known = of.metadata.filter_metadata
    return str(known["weft"]["origin"]) if "weft" in known and "origin" in known["weft"].fields else ""


def _dialled(chain: FilterChain, call: TcpCall) -> list[tuple[float, str]]:
    """The names and ports that connections are resolved to, with percentages: those that the chain says, else what TLS asks for;
    an empty one where nothing is resolved."""
    lookup = _filter(chain, FilterConfig)
    if lookup is None:
        return [(100.0, "")]
    state = _filter(chain, SetFilterState)
    if state is None:
        return [(100.0, f"{call.sni}:{lookup.port_value}")]
    said = {one.object_key: one.format_string.text_format_source.inline_string for one in state.on_new_connection}
    hosts, ports = lots(said["envoy.upstream.dynamic_host"]), lots(said["envoy.upstream.dynamic_port"])
    return [(part, f"{host}:{port}") for (part, host), (_, port) in zip(hosts, ports, strict=True)]


def _tcp(held: Held, chain: FilterChain, proxy: TcpProxy, call: Call) -> Action:
    if isinstance(call, HttpCall):
        raise Unreadable("a request on a port whose bytes are not read: say it as a connection")
    tunnel = str(proxy.tunneling_config.hostname)
    if proxy.WhichOneof("cluster_specifier") == "cluster":
        alike = [destination(held, proxy.cluster, part, call.authority, to) for part, to in _dialled(chain, call)]
        return Forwarded(tuple(replace(one, tunnel=tunnel) for one in alike))
    parts = proxy.weighted_clusters.clusters
    total = sum(one.weight for one in parts) or 1
    shares = [destination(held, one.name, 100 * one.weight / total, call.authority) for one in parts]
    return Forwarded(tuple(replace(one, tunnel=tunnel) for one in shares))
