"""Servers of Istio's Gateways that stand in each other's way: on one port, for workloads that both may select.

Plain TCP has a port for itself, and yields to HTTP; of two servers that TLS would reach by the same name the older Gateway's
is meant (`compile.scope.gateway` decides it so).
"""

from collections.abc import Iterable, Iterator, Mapping

from weft.finding import Finding
from weft.messages import finding
from weft.model.gateway import Gateway, Server, ServerTls
from weft.ref import Ref

_HTTP = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")


def conflicts(of: Gateway, gateways: Mapping[str, Gateway]) -> Iterator[Finding]:
    """One finding for each server of `of` that another Gateway's takes the place of."""
    losable = [server for server in of.servers if not _is_http(server)]
    others = [one for one in gateways.values() if one.key != of.key and "~" not in one.key and _meet(one, of)] if losable else ()
    for server in losable:
        there = [(one, each) for one in others for each in one.servers if (each.port, each.bind) == (server.port, server.bind)]
        winner = next((one for one, each in there if _wins(one, each, of, server)), None)
        if winner and _is_older(winner, of):
            what = f"two Gateways open port {server.port} for the same"
            yield finding("conflict", server.origin, what=what, other=winner.origin, hint="use another port or other hosts")
        elif winner:
            why = f"{winner.origin} opens port {server.port} for HTTP, which comes first"
            yield finding("listener-not-served", server.origin, reason="ProtocolConflict", why=why)


def _is_older(one: Gateway, other: Gateway) -> bool:
    return (one.created, one.namespace, one.name) < (other.created, other.namespace, other.name)


def _wins(other: Gateway, its: Server, of: Gateway, server: Server) -> bool:
    older = _is_older(other, of)
    if _is_plain_tcp(server):
        return _is_http(its) or (_is_plain_tcp(its) and older)
    if server.tls is ServerTls.NONE or its.tls is ServerTls.NONE:
        return False
    return older and bool({host for _, host in server.hosts} & {host for _, host in its.hosts})


def _is_http(server: Server) -> bool:
    return server.tls is ServerTls.NONE and server.protocol.upper() in _HTTP


def _is_plain_tcp(server: Server) -> bool:
    return server.tls is ServerTls.NONE and not _is_http(server)


def _meet(one: Gateway, other: Gateway) -> bool:
    """Whether one workload may open both."""
    mine = dict(one.selector)
    return all(mine.get(key, value) == value for key, value in other.selector)


def neighbours(changed: Iterable[Gateway], gateways: Mapping[str, Gateway]) -> Iterator[Ref]:
    """The Gateways with a server that could stand, or have stood, in the way of one that changed."""
    servers: dict[int, list[Server]] = {}
    for each in (server for one in changed for server in one.servers):
        servers.setdefault(each.port, []).append(each)
    for one in gateways.values() if servers else ():
        if any(_touch(server, each) for server in one.servers for each in servers.get(server.port, ())):
            yield one.origin


def _touch(one: Server, other: Server) -> bool:
    """Whether the one might yield to the other."""
    if _is_http(one):
        return False
    if one.tls is ServerTls.NONE:
        return other.tls is ServerTls.NONE
    return other.tls is not ServerTls.NONE and bool({host for _, host in one.hosts} & {host for _, host in other.hosts})
