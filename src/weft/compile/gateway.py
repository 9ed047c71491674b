"""Listeners of a gateway: what comes from outside the mesh."""

from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain

from weft.compile import denial_log, tls
from weft.compile.filter_chain import filter_chain, tls_inspector
from weft.compile.filters import ext_authz, jwt_authn, local_ratelimit, oauth2, ratelimit
from weft.compile.filters.order import GATEWAY, Chain, widened
from weft.compile.guard import denials, network_guard, normalization
from weft.compile.http_connection_manager import http_connection_manager
from weft.compile.quic import quic_chain, quic_listener
from weft.compile.scope.inputs import GatewayListener, HttpsChain, L4Chain, QuicListener
from weft.compile.socket_listener import socket_listener
from weft.compile.tcp_proxy import targets_used, tcp_proxy
from weft.envoy.names import datagram_listener, gateway_listener
from weft.envoy.types import LISTENER, EnvoyResource, duration, envoy_resource

_HEADERS_WITHIN = 15.0  # seconds a caller may take to send a request's headers


def gateway(of: GatewayListener) -> EnvoyResource:
    """The listener of one port."""
    name = gateway_listener(of.port, of.bind)
    chains = [_https(of, chain) for chain in of.https] + [_l4(of, chain) for chain in of.l4]
    if of.routes:
        chains.append(filter_chain(of.routes, [*_counted(of), _http(of, of.routes)]))
    inspected = [tls_inspector()] if of.https or any(chain.tls for chain in of.l4) else []
    message = socket_listener(name, of.address, chains, "OUTBOUND", listener_filters=inspected)
    clusters = {cluster for chain in of.l4 for cluster in targets_used(chain.targets)}
    clusters |= {one.cluster for one in of.logins if one.cluster} | {*of.screening.clusters}
    ends = [one.ends for one in of.https] + [one.ends for one in of.l4 if one.ends]
    named = {name for one in ends for name in (*one.shown, one.trusted) if name}
    secrets = tuple(sorted(named | {name for one in of.logins for name in oauth2.secrets(one)}))
    return envoy_resource(
        LISTENER, name, message, clusters=tuple(sorted(clusters)), hosts=of.hosts, origins=of.origins, secrets=secrets
    )


def quic(of: QuicListener) -> EnvoyResource:
    """The listener of HTTP/3 on one port."""
    beside = of.beside
    chains = [
        quic_chain(chain, _http(beside, chain.routes, codec_type="HTTP3", http3_protocol_options={})) for chain in beside.https
    ]
    message = quic_listener(datagram_listener(beside.port, beside.bind), beside.address, chains)
    named = {name for one in beside.https for name in one.ends.shown}
    secrets = tuple(sorted(named | {name for one in beside.logins for name in oauth2.secrets(one)}))
    clusters = tuple(sorted(one.cluster for one in beside.logins if one.cluster))
    return envoy_resource(
        LISTENER, message.name, message, clusters=clusters, hosts=beside.hosts, origins=beside.origins, secrets=secrets
    )


def _chain(of: GatewayListener) -> Chain:
    guarded = ext_authz.before(of.screening.asked, widened(GATEWAY, of.slots))
    return oauth2.before(of.logins, jwt_authn.before(of.tokens, guarded, rerouted=True))


def _http(of: GatewayListener, routes: str, **words: Any) -> Filter:
    """The edge trusts nothing it is told: who called is the connection's other end, and no certificate is passed on."""
    return http_connection_manager(
        stat_prefix=f"outbound_{gateway_listener(of.port, of.bind)}",
        routes=routes,
        chain=_chain(of),
        use_remote_address={"value": True},
        forward_client_cert_details="SANITIZE_SET",
        set_current_client_cert_details={"uri": True, "subject": {"value": True}, "dns": True},
        request_headers_timeout=duration(_HEADERS_WITHIN),
        server_header_transformation="APPEND_IF_ABSENT",
        local_reply_config={"mappers": [*denials(of.screening), *local_ratelimit.refusals()]},
        access_log=[denial_log.of_requests()],
        **normalization(of.screening),
        **words,
    )


def _counted(of: GatewayListener) -> list[Filter]:
    """What counts connections."""
    return [*local_ratelimit.network_local_ratelimit(of.limits), *ratelimit.network_ratelimit(of.limits)]


def _https(of: GatewayListener, chain: HttpsChain) -> FilterChain:
    socket = tls.server(chain.ends, of.trust_domains)
    filters = [*_counted(of), _http(of, chain.routes)]
    return filter_chain(chain.routes, filters, tls=True, sni_hosts=chain.sni_hosts, transport_socket=socket)


def _l4(of: GatewayListener, chain: L4Chain) -> FilterChain:
    name = f"{chain.origin.namespace}/{chain.origin.name}/{','.join(chain.sni_hosts + chain.sources)}"
    prefix = f"outbound_{gateway_listener(of.port, of.bind)}"
    socket = tls.server(chain.ends, of.trust_domains) if chain.ends else None
    passed = tcp_proxy(prefix, chain.targets, refusals=denial_log.of_connections())
    return filter_chain(
        name,
        [*_counted(of), *network_guard(of.guard, prefix), *passed],
        tls=chain.tls,
        sni_hosts=chain.sni_hosts,
        sources=chain.sources,
        transport_socket=socket,
    )
