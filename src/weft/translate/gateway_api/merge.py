"""The rules of all routes that meet at one place, in the order in which requests try them.

https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule: the nearer host name, then the more specific match, then the older
route, then the first by namespace and name, then the earlier rule. Of routes of connections the oldest has the place.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from weft.model.gateway import ServerTls
from weft.model.precedence import MESH
from weft.model.route import (
    DirectResponse,
    HttpMatch,
    HttpRoute,
    L4Match,
    L4Route,
    PathPrefix,
    Redirect,
    RouteSet,
)
from weft.ref import Ref
from weft.translate.gateway_api.filters import FROM_LISTENER
from weft.translate.gateway_api.judged import JudgedGateway, JudgedListener
from weft.translate.gateway_api.resolution import Resolved
from weft.translate.gateway_api.written import Place

_DEFAULT_PORTS = {"http": 80, "https": 443}
_REQUESTS = ("HTTP", "HTTPS")

Meeting = tuple[Place, Iterable[Resolved]]
"""A place, and the routes that apply there."""


def merged(place: Place, meetings: Sequence[Meeting], gateway: JudgedGateway | None) -> RouteSet | None:
    """What is routed at `place`. `meetings` are at it and then at the wider places of its listener, the nearest first: what no
    rule of the nearer takes is theirs. `gateway` is the one of the listener. None: nothing."""
    met = [(at, sorted(routes, key=lambda one: one.route.age)) for at, routes in meetings]
    listener = next((one for one in gateway.all_listeners if one.key == place.gateway), None) if gateway else None
    rules = [_at_listener(rule, listener) for rule in _http(met)]
    l4 = _l4(met[0], listener) if met else ()
    if gateway and listener and place in gateway.walls:
        wall = listener.listener.origin
        if listener.listener.protocol in _REQUESTS:
            rules.append(_wall(wall))
        else:
            l4 = l4 or (L4Route((), wall),)
    if not rules and not l4:
        return None
    passes = listener is not None and listener.listener.tls is ServerTls.PASSTHROUGH
    first = met[0][1][0].route if met and met[0][1] else None
    origin = first.origin if first else (rules or l4)[0].origin.resource
    return RouteSet(
        (place.host,),
        first.namespace if first else origin.namespace,
        origin,
        (place.gateway,),
        (place.export,),
        tuple(rules),
        tcp=() if passes else l4,
        tls=l4 if passes else (),
        created=first.created if first else "",
        ports=_ports(place, met[0][1]) if met else (),
    )


def _http(met: list[tuple[Place, list[Resolved]]]) -> Iterator[HttpRoute]:
    """A route that names both a host and a wildcard over it counts at the host."""
    seen: set[Ref] = set()
    for place, routes in met:
        present = [one for one in routes if one.route.origin not in seen]
        seen.update(one.route.origin for one in present)
        for _, _, rule in sorted(_ranked(place, present), key=lambda one: one[:2]):
            yield rule


def _ranked(place: Place, routes: list[Resolved]) -> Iterator[tuple[tuple[int, ...], tuple[int, int], HttpRoute]]:
    for age, one in enumerate(routes):
        ports = dict(one.places)[place]
        for number, (rank, rule) in enumerate(one.rules):
            for port in ports or (None,):
                yield rank, (age, number), _on(rule, port)


def _on(rule: HttpRoute, port: int | None) -> HttpRoute:
    if port is None:
        return rule
    return replace(rule, matches=tuple(replace(match, port=port) for match in rule.matches))


def _l4(met: tuple[Place, list[Resolved]], listener: JudgedListener | None) -> tuple[L4Route, ...]:
    """The first rule of the oldest route; in the mesh, where routes may be for different ports, of each."""
    place, routes = met
    found = [(one, one.l4[0]) for one in routes if one.l4]
    if listener:
        return tuple(rule for _, rule in found[:1])
    return tuple(replace(rule, matches=tuple(L4Match(port=port) for port in dict(one.places)[place])) for one, rule in found)


def _ports(place: Place, routes: list[Resolved]) -> tuple[int, ...]:
    """The ports of a Service that anything is said about; none: all."""
    said = [dict(one.places)[place] for one in routes]
    return tuple(sorted({port for ports in said for port in ports})) if all(said) and place.gateway == MESH else ()


def _at_listener(rule: HttpRoute, listener: JudgedListener | None) -> HttpRoute:
    """A redirect goes to the listener's port when it names neither port nor scheme; a scheme's own port is not written."""
    action = rule.action
    if not isinstance(action, Redirect) or action.derive_port != FROM_LISTENER:
        return rule
    after = action.scheme or ("https" if listener and listener.listener.protocol == "HTTPS" else "http")
    to = action.port
    if to is None and not action.scheme and action.authority:
        to = listener.listener.port if listener else None
    return replace(rule, action=replace(action, port=None if to == _DEFAULT_PORTS[after] else to, derive_port=""))


def _wall(origin: Ref) -> HttpRoute:
    answer = DirectResponse(404, f"weft: {origin}: no route of this listener takes the request\n".encode(), "text/plain")
    return HttpRoute(answer, origin, "no-route", (HttpMatch(PathPrefix("/")),))
