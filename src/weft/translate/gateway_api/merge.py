"""The rules of all routes that meet at one place, in the order in which requests try them.

https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule: the more specific match, then the older route, then the first
by namespace and name, then the earlier rule.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from weft.model.precedence import MESH
from weft.model.route import DirectResponse, HttpMatch, HttpRoute, PathPrefix, Redirect, RouteSet
from weft.ref import Ref
from weft.translate.gateway_api.attachment import Resolved
from weft.translate.gateway_api.filters import FROM_LISTENER
from weft.translate.gateway_api.listeners import JudgedGateway
from weft.translate.gateway_api.written import Place

_DEFAULT_PORTS = {"http": 80, "https": 443}


def merged(place: Place, routes: Iterable[Resolved], gateway: JudgedGateway | None) -> RouteSet | None:
    """What is routed at `place`; `gateway` is the one of its listener. None: nothing."""
    present = sorted(routes, key=lambda one: one.route.age)
    listener = next((one.listener for one in gateway.listeners if one.key == place.gateway), None) if gateway else None
    rules = [rule for _, _, rule in sorted(_ranked(place, present), key=lambda one: one[:2])]
    scheme = "https" if listener and listener.protocol == "HTTPS" else "http"
    rules = [_at_port(rule, listener.port if listener else None, scheme) for rule in rules]
    if gateway and listener and place in gateway.walls:
        rules.append(_wall(listener.origin))
    if not rules:
        return None
    origin = present[0].route.origin if present else rules[0].origin.resource
    return RouteSet(
        (place.host,),
        present[0].route.namespace if present else origin.namespace,
        origin,
        (place.gateway,),
        (place.export,),
        tuple(rules),
        created=present[0].route.created if present else "",
        ports=_ports(place, present),
    )


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


def _ports(place: Place, routes: list[Resolved]) -> tuple[int, ...]:
    """The ports of a Service that anything is said about; none: all."""
    said = [dict(one.places)[place] for one in routes]
    return tuple(sorted({port for ports in said for port in ports})) if all(said) and place.gateway == MESH else ()


def _at_port(rule: HttpRoute, port: int | None, scheme: str) -> HttpRoute:
    """A redirect goes to the listener's port when it names neither port nor scheme; a scheme's own port is not written."""
    action = rule.action
    if not isinstance(action, Redirect) or action.derive_port != FROM_LISTENER:
        return rule
    after = action.scheme or scheme
    to = action.port
    if to is None and not action.scheme and action.authority:
        to = port
    return replace(rule, action=replace(action, port=None if to == _DEFAULT_PORTS[after] else to, derive_port=""))


def _wall(origin: Ref) -> HttpRoute:
    answer = DirectResponse(404, f"weft: {origin}: no route of this listener takes the request\n".encode(), "text/plain")
    return HttpRoute(answer, origin, "no-route", (HttpMatch(PathPrefix("/")),))
