"""Where an Envoy resource stands, in the words by which patches look for it.

Istio's sidecar has a listener and a route configuration for each port outbound, and one listener for all ports inbound; ours has
it the other way round. So a place has several names, and ports, none where it serves all of them: there a patch that names a port
fits, and is switched off for the hosts of other ports.
"""

import re
from dataclasses import dataclass

from weft.envoy.names import HTTP_PROXY_ROUTES, INNER_LISTENER, inbound_port, parse_upstream_routes
from weft.envoy.types import EnvoyResource
from weft.model.extension import ApplyTo, ClusterWhere, Context, ListenerWhere, Operation, Patch, RouteWhere

INBOUND_LISTENER, INBOUND_PORT = "virtualInbound", 15006
OUTBOUND_LISTENER, OUTBOUND_PORT = "virtualOutbound", 15001
_BY_PORT = re.compile(r"[0-9a-fA-F.:\[\]]+_(\d{1,5})\Z")

INSERTIONS = (Operation.ADD, Operation.INSERT_BEFORE, Operation.INSERT_AFTER, Operation.INSERT_FIRST)


@dataclass(frozen=True, slots=True)
class Place:
    """`side` is one of those of a proxy. `names` and `ports` are what the resource is known by; no port: it serves all of them.
    `port_names` and `gateways` (`namespace/name`) are a gateway's."""

    side: Context
    names: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    port_names: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Patched:
    """The input of a changed resource."""

    of: EnvoyResource
    place: Place
    patches: tuple[Patch, ...]


def concerns(of: Patch, side: Context) -> bool:
    """Whether a patch is for this side."""
    return of.context in (Context.ANY, side)


def port_of(where: ListenerWhere) -> int:
    """The port that a patch of a listener speaks of, in its own words or in a name as `0.0.0.0_9080`; 0: none."""
    if where.port:
        return where.port
    named = _BY_PORT.match(where.name)
    return int(named.group(1)) if named else 0


def fits_listener(where: object, place: Place) -> bool:
    """Whether a listener is meant."""
    if not isinstance(where, ListenerWhere):
        return where is None
    if where.port_name and where.port_name not in place.port_names:
        return False
    if where.destination_port and place.ports and where.destination_port not in place.ports:
        return False
    port = port_of(where)
    if where.name and where.name not in place.names and not port:
        return False
    return not port or not place.ports or port in place.ports


def fits_routes(where: object, place: Place) -> bool:
    """Whether a route configuration is meant, or something in it. A sidecar's is named by its port in Istio."""
    if not isinstance(where, RouteWhere):
        return where is None
    port = where.port or (int(where.name) if where.name.isdecimal() else 0)
    if where.name and not where.name.isdecimal() and where.name not in place.names:
        return False
    if where.port_name and where.port_name not in place.port_names:
        return False
    if where.gateway and where.gateway not in place.gateways:
        return False
    return not port or not place.ports or port in place.ports


def fits_cluster(where: object, name: str, port: int, subset: str, host: str) -> bool:
    """Whether a cluster is meant. `name` is Istio's."""
    if not isinstance(where, ClusterWhere):
        return where is None
    return where.name in ("", name) and where.port in (0, port) and where.service in ("", host) and where.subset in ("", subset)


def elsewhere(of: Patch, port: int) -> bool:
    """Whether a patch adds an HTTP filter, for another port than this, to the listener of all ports."""
    if of.apply_to is not ApplyTo.HTTP_FILTER or of.operation not in INSERTIONS or not isinstance(of.where, ListenerWhere):
        return False
    meant = port_of(of.where)
    return meant not in (0, OUTBOUND_PORT, port)


def listener_place(name: str, side: Context, gateway_port: int, port_names: tuple[str, ...], upstream_port: int) -> Place:
    """The place of one of our listeners. `upstream_port`: the port of the service that an upstream stands for."""
    if name in (HTTP_PROXY_ROUTES, INNER_LISTENER):
        return Place(side, (name, OUTBOUND_LISTENER))
    kind, _, number = name.partition("|")
    if kind == "inbound":
        return Place(Context.SIDECAR_INBOUND, (name, INBOUND_LISTENER), (int(number), INBOUND_PORT))
    if kind == "upstream":
        return Place(side, (name, OUTBOUND_LISTENER, f"0.0.0.0_{upstream_port}"), (upstream_port,))
    return Place(side, (name,), (gateway_port,), port_names)


def routes_place(name: str, side: Context, port_names: tuple[str, ...], gateways: tuple[str, ...]) -> Place:
    """The place of one of our route configurations."""
    if port := inbound_port(name):
        return Place(Context.SIDECAR_INBOUND, (name,), (port, INBOUND_PORT))
    if upstream := parse_upstream_routes(name):
        return Place(side, (name, f"{upstream[0]}:{upstream[1]}"), (upstream[1],))
    kind, _, rest = name.partition(".")
    number = rest.partition(".")[0]
    if kind in ("http", "https") and number.isdecimal():
        return Place(side, (name,), (int(number),), port_names, gateways)
    return Place(side, (name,))
