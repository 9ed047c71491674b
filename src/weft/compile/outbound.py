"""Listeners for what an application sends: its HTTP proxy, what comes inside a CONNECT, and its upstreams."""

from envoy.config.listener.v3.listener_pb2 import Listener

from weft.compile.filter_chain import filter_chain
from weft.compile.filters.caller import caller
from weft.compile.filters.order import KNOWN_HOSTS, OUTBOUND
from weft.compile.http_connection_manager import http_connection_manager
from weft.compile.scope.inputs import HttpProxyListener, InnerListener, UpstreamListener
from weft.compile.socket_listener import socket_listener
from weft.compile.tcp_proxy import targets_used, tcp_proxy
from weft.envoy.names import HTTP_PROXY_ROUTES, INNER_LISTENER
from weft.envoy.types import LISTENER, EnvoyResource, envoy_resource


def http_proxy(of: HttpProxyListener) -> EnvoyResource:
    """The listener that `http_proxy` points an application at: absolute-form requests, and CONNECT."""
    who = caller(of.workload, of.identity)
    manager = http_connection_manager(stat_prefix=HTTP_PROXY_ROUTES, routes=HTTP_PROXY_ROUTES, chain=OUTBOUND, connect=True)
    message = socket_listener(HTTP_PROXY_ROUTES, of.address, [filter_chain(HTTP_PROXY_ROUTES, [who, manager])], "OUTBOUND")
    return envoy_resource(LISTENER, HTTP_PROXY_ROUTES, message)


def connect_inner(of: InnerListener) -> EnvoyResource:
    """The listener inside: a CONNECT to an HTTP port ends at it, and the requests within are routed like all others."""
    manager = http_connection_manager(stat_prefix=INNER_LISTENER, routes=HTTP_PROXY_ROUTES, chain=OUTBOUND)
    message = Listener(
        name=INNER_LISTENER,
        internal_listener={},
        filter_chains=[filter_chain(INNER_LISTENER, [caller(of.workload, of.identity), manager])],
        traffic_direction="OUTBOUND",
    )
    return envoy_resource(LISTENER, INNER_LISTENER, message)


def upstream(of: UpstreamListener) -> EnvoyResource:
    """The listener of a declared upstream."""
    name = f"upstream|{of.address.port}"
    if of.routes:
        who = caller(of.workload, of.identity)
        filters = [who, http_connection_manager(stat_prefix=name, routes=of.routes, chain=KNOWN_HOSTS)]
    else:
        filters = tcp_proxy(name, of.targets)
    message = socket_listener(name, of.address, [filter_chain(name, filters)], "OUTBOUND")
    clusters = () if of.routes else targets_used(of.targets)
    return envoy_resource(LISTENER, name, message, clusters=clusters, hosts=of.hosts, origins=of.origins)
