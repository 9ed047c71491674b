"""Listeners for what the mesh sends to a workload: mTLS, plaintext, or both, as its PeerAuthentication says.

A connection of the mesh is known by the ALPN it offers. The application learns who called from x-forwarded-client-cert, which
is written here and nowhere else: one that came with the request is dropped. The caller's proxy learns that the application was
not reached, so that it may try elsewhere whatever the method; an application that says so itself is not believed.
"""

from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from weft.compile import call_log, denial_log, tls
from weft.compile.filter_chain import filter_chain, tls_inspector
from weft.compile.filters import ext_authz, jwt_authn, local_ratelimit, ratelimit
from weft.compile.filters.order import INBOUND, INBOUND_GRPC_WEB, widened
from weft.compile.guard import denials, network_guard, normalization, per_route
from weft.compile.http_connection_manager import http_connection_manager
from weft.compile.scope.inputs import InboundListener, InboundRoutes, Target
from weft.compile.scope.screening_inputs import Screening
from weft.compile.socket_listener import socket_listener
from weft.compile.tcp_proxy import tcp_proxy
from weft.envoy.names import NOT_REACHED, inbound_cluster
from weft.envoy.types import LISTENER, ROUTE_CONFIGURATION, EnvoyResource, duration, envoy_resource
from weft.model.security import MtlsMode
from weft.protocol import Protocol

_MTLS, _PLAINTEXT, _TLS, _PASSED = "mtls", "plaintext", "tls", "tls-of-the-application"


def inbound(of: InboundListener) -> EnvoyResource:
    """The inbound listener of one port."""
    name = f"inbound|{of.number}"
    chains = ([] if of.mode is MtlsMode.DISABLE else [_mtls(of)]) + ([] if of.mode is MtlsMode.STRICT else _others(of))
    refused = {"access_log": [call_log.of_refused(of.number)]} if of.mode is MtlsMode.STRICT else {}
    message = socket_listener(name, of.address, chains, "INBOUND", **_inspection(of), **refused)
    secrets = tuple(sorted({one for one in (*of.ends.shown, of.ends.trusted) if one})) if of.ends else ()
    asked = of.screening if of.protocol.is_http else Screening(of.guard.asked)
    clusters, hosts = (inbound_cluster(of.number), *asked.clusters), of.limits.hosts | of.screening.hosts
    return envoy_resource(LISTENER, name, message, clusters=clusters, hosts=hosts, origins=of.origins, secrets=secrets)


def _inspection(of: InboundListener) -> dict[str, Any]:
    """A server that speaks first keeps its clients silent, so on a TCP port a connection that says nothing is plaintext after
    a second. Where plaintext is refused, and for HTTP, there is nothing to wait for but the client's first bytes."""
    if of.mode is MtlsMode.DISABLE:
        return {"listener_filters": [tls_inspector()]} if of.ends else {}
    inspected: dict[str, Any] = {"listener_filters": [tls_inspector()]}
    if of.mode is MtlsMode.PERMISSIVE and not of.protocol.is_http:
        inspected |= {"listener_filters_timeout": duration(1), "continue_on_listener_filters_timeout": True}
    return inspected


def _mtls(of: InboundListener) -> FilterChain:
    alpn = ("h2", "http/1.1") if of.protocol.is_http else (tls.ALPN_MESH,)
    return filter_chain(
        _MTLS,
        _filters(
            of,
            forward_client_cert_details="SANITIZE_SET",
            set_current_client_cert_details={"uri": True},
            mappers=(_not_reached(),),
        ),
        tls=True,
        alpn=(tls.ALPN_MESH,),
        transport_socket=tls.mesh_downstream(of.trust_domains, alpn, of.rules),
    )


def _not_reached() -> dict[str, Any]:
    """Marks the answer when no connection to the application came about (UF)."""
    mark = {"header": {"key": NOT_REACHED, "value": "true"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"filter": {"response_flag_filter": {"flags": ["UF"]}}, "headers_to_add": [mark]}


def _others(of: InboundListener) -> list[FilterChain]:
    """Who is not of the mesh: with TLS that ends here, where the workload's Sidecar says so. TLS that the application ends itself
    passes as bytes, by a chain of its own: where one chain asks for TLS, Envoy gives no TLS to one that asks for nothing."""
    filters = _filters(of, stranger=True, forward_client_cert_details="SANITIZE")
    if of.ends is None:
        plain = filter_chain(_PLAINTEXT, filters)
        passed = of.mode is MtlsMode.PERMISSIVE and not of.protocol.is_http
        return [plain, filter_chain(_PASSED, _filters(of, stranger=True), tls=True)] if passed else [plain]
    return [filter_chain(_TLS, filters, tls=True, transport_socket=tls.server(of.ends, of.trust_domains))]


def _filters(
    of: InboundListener, mappers: tuple[dict[str, Any], ...] = (), *, stranger: bool = False, **words: Any
) -> list[Filter]:
    """`stranger`: for callers without an identity of the mesh, every one of whom is told of."""
    name, lasting = f"inbound|{of.number}", call_log.LASTING_PLAINTEXT if stranger else call_log.LASTING
    counted = [*local_ratelimit.network_local_ratelimit(of.limits), *ratelimit.network_ratelimit(of.limits)]
    if not of.protocol.is_http:
        log = call_log.of_connections(of.number, whole=stranger)
        told = tcp_proxy(name, (Target(inbound_cluster(of.number)),), log, denial_log.of_connections(), lasting)
        return [*counted, *network_guard(of.guard, name), *told]
    chain = INBOUND_GRPC_WEB if of.protocol is Protocol.GRPC_WEB else INBOUND
    if of.tokens:
        chain = jwt_authn.before(of.tokens, chain)
    chain = ext_authz.before(of.screening.asked, widened(chain, of.slots))
    replies = {"mappers": [*mappers, *denials(of.screening), *local_ratelimit.refusals()]}
    routes = inbound_cluster(of.number)
    logged: dict[str, Any] = {
        "access_log": [call_log.of_requests(of.number, whole=stranger), denial_log.of_requests()],
        "access_log_options": {"access_log_flush_interval": duration(lasting)},
    }
    words |= logged | normalization(of.screening)
    return [*counted, http_connection_manager(stat_prefix=name, routes=routes, chain=chain, local_reply_config=replies, **words)]


def inbound_routes(of: InboundRoutes) -> EnvoyResource:
    """The route configuration of one port whose requests are read: everything to the application that the policies let pass. How
    long it may take was decided by the caller's side."""
    cluster = inbound_cluster(of.number)
    route = {
        "name": "default",
        "match": {"prefix": "/"},
        "route": {"cluster": cluster, "timeout": duration(0), "idle_timeout": duration(0)},
    }
    message = RouteConfiguration(
        name=cluster,
        virtual_hosts=[
            {
                "name": f"inbound|http|{of.number}",
                "domains": ["*"],
                "routes": [route],
                "response_headers_to_remove": [NOT_REACHED],
            }
        ],
        typed_per_filter_config={
            **per_route(of.guard),
            **local_ratelimit.per_route(of.limits),
            **ratelimit.per_route(of.limits),
        },
    )
    origins = tuple(sorted({*of.guard.origins, *of.limits.origins}))
    return envoy_resource(ROUTE_CONFIGURATION, cluster, message, clusters=(cluster,), hosts=of.limits.hosts, origins=origins)
