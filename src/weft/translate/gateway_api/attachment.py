"""Where a route is attached, and which of its backends exist: a pure function of the route and what it looks up.

Every look-up goes through a `View`, which notes it: when one of these things changes, the route is resolved again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from weft.hostname import matches, service_name
from weft.model.labels import Labels
from weft.model.precedence import MESH
from weft.model.route import Destination, DirectResponse, Forward, HttpRoute, Mirror, WeightedDestination
from weft.model.service import Service
from weft.ref import Ref
from weft.translate.gateway_api.listeners import JudgedGateway, JudgedListener, chooses
from weft.translate.gateway_api.status import Condition, ParentStatus, RouteStatus, Unresolved
from weft.translate.gateway_api.written import GROUP, Backend, Grant, Parent, Place, Rank, Route, Rule


class View(Protocol):
    """What a route may look up."""

    @property
    def domain(self) -> str:
        """The domain of the mesh's services."""
        ...

    def gateway(self, key: str) -> JudgedGateway | None:
        """The Gateway `namespace/name`, when it is of this mesh."""
        ...

    def foreign(self, key: str) -> bool:
        """Whether there is a Gateway `namespace/name` of another controller."""
        ...

    def labels(self, namespace: str) -> Labels:
        """The labels of a namespace."""
        ...

    def grants(self, namespace: str) -> tuple[Grant, ...]:
        """The ReferenceGrants of a namespace."""
        ...

    def service(self, host: str) -> Service | None:
        """The Kubernetes Service with this full name."""
        ...


@dataclass(frozen=True, slots=True)
class Resolved:
    """A route that has been resolved. `rules` are in order, each with one match, `places` where they apply and on which ports of
    a Service (none: all); `listeners` are the keys of those it is attached to."""

    route: Route
    rules: tuple[tuple[Rank, HttpRoute], ...]
    places: tuple[tuple[Place, tuple[int, ...]], ...]
    listeners: frozenset[str]
    status: RouteStatus


def resolved(route: Route, view: View) -> Resolved:
    """`route`, as things are."""
    unresolved = [one for rule in route.rules for one in _unresolved(rule, route, view)]
    missing = {one.origin for one in unresolved}
    rules = tuple(
        (branch.rank, replace(done, matches=(branch.match,)))
        for rule in route.rules
        for done in (_done(rule, route, missing),)
        for branch in rule.branches
    )
    first = unresolved[0] if unresolved else None
    refs = Condition("ResolvedRefs", not first, first.reason, first.message) if first else Condition(
        "ResolvedRefs", True, "ResolvedRefs"
    )  # fmt: skip
    ports: dict[Place, tuple[int, ...]] = {}
    listeners: set[str] = set()
    parents: list[ParentStatus] = []
    for parent in route.parents:
        found = _attached(parent, route, view)
        if found is None:
            continue
        listeners.update(found.listeners)
        for place in found.places:
            before, port = ports.get(place), parent.ref.port if place.gateway == MESH else None
            ports[place] = () if port is None or before == () else tuple(sorted({*(before or ()), port}))
        parents.append(ParentStatus(parent.ref, parent.origin, (found.accepted, refs)))
    status = RouteStatus(tuple(parents), tuple(unresolved) if parents else ())
    return Resolved(route, rules, tuple(sorted(ports.items())), frozenset(listeners), status)


# Backends


def _unresolved(rule: Rule, route: Route, view: View) -> Iterator[Unresolved]:
    for backend in (*(share.backend for share in rule.shares), *(to for to, _ in rule.mirrors)):
        if problem := _problem(backend, route, view):
            yield Unresolved(backend.origin, *problem)


def _problem(to: Backend, route: Route, view: View) -> tuple[str, str] | None:
    """The reason and message why requests cannot be sent to `to`; None when they can."""
    if not to.host:
        return "InvalidKind", f"{to.kind}{f' of {to.group}' if to.group else ''} is not a kind of backend: only Service is"
    if to.namespace != route.namespace:
        grants = view.grants(to.namespace)
        if not any(one.permits(route.origin, to.group, to.kind, to.name) for one in grants):
            who = f"a {route.origin.kind} of namespace {route.namespace}"
            return "RefNotPermitted", f"no ReferenceGrant of namespace {to.namespace} lets {who} refer to Service {to.name}"
    service = view.service(to.host)
    if service is None:
        return "BackendNotFound", f"there is no Service {to.namespace}/{to.name}"
    if service.port(to.port) is None:
        return "BackendNotFound", f"the Service {to.namespace}/{to.name} has no port {to.port}"
    return None


def _done(rule: Rule, route: Route, missing: set[Ref]) -> HttpRoute:
    """What a rule does. A part that goes to what does not exist fails; all of it, or nothing to go to, is a 500."""
    mirrors = tuple(Mirror(Destination(to.host, "", to.port), part) for to, part in rule.mirrors if to.origin not in missing)
    plain = replace(rule.route, mirrors=mirrors)
    if rule.broken:
        return _failing(plain, route, rule.broken)
    if not isinstance(plain.action, Forward):
        return plain
    shares = [one for one in rule.shares if one.weight]
    if not shares:
        return _failing(plain, route, "it has no backend" if not rule.shares else "every backend has weight 0")
    if all(one.backend.origin in missing for one in shares):
        return _failing(plain, route, "none of its backends can be used")
    destinations = tuple(
        WeightedDestination(
            Destination(_NOWHERE) if one.backend.origin in missing else Destination(one.backend.host, "", one.backend.port),
            one.weight,
            one.request_headers,
            one.response_headers,
        )
        for one in shares
    )
    return replace(plain, action=Forward(destinations))


_NOWHERE = "backend.invalid"  # of a top-level domain that never exists (RFC 2606): its share of the requests fails


def _failing(rule: HttpRoute, route: Route, why: str) -> HttpRoute:
    """Envoy's answer to a gRPC call is UNAVAILABLE when it is 503."""
    status = 503 if route.origin.kind == "GRPCRoute" else 500
    body = DirectResponse(status, f"weft: {rule.origin}: {why}\n".encode(), "text/plain")
    return HttpRoute(body, rule.origin, rule.name)


# Parents


@dataclass(frozen=True, slots=True)
class _Attached:
    accepted: Condition
    places: tuple[Place, ...] = ()
    listeners: tuple[str, ...] = ()


_ACCEPTED = Condition("Accepted", True, "Accepted")


def _refused(reason: str, message: str) -> _Attached:
    return _Attached(Condition("Accepted", False, reason, message))


def _attached(parent: Parent, route: Route, view: View) -> _Attached | None:
    """Where `route` is attached by `parent`; None when that is another controller's matter."""
    match parent.ref.group, parent.ref.kind:
        case _, "Gateway" if parent.ref.group == GROUP:
            return _to_gateway(parent, route, view)
        case "", "Service":
            return _to_service(parent, route, view)
        case _:
            return None


def _to_gateway(parent: Parent, route: Route, view: View) -> _Attached | None:
    gateway = view.gateway(parent.key)
    if gateway is None:
        return None if view.foreign(parent.key) else _refused("NoMatchingParent", f"there is no Gateway {parent.key}")
    meant = [one for one in gateway.listeners if _meant(parent, one)]
    if not meant:
        return _refused("NoMatchingParent", f"the Gateway {parent.key} has no such listener")
    labels = view.labels(route.namespace)
    allowing = [
        one
        for one in meant
        if route.origin.kind in one.listener.kinds
        and chooses(one.listener, gateway.gateway.namespace, route.namespace, labels)
        and one.accepted
    ]
    if not allowing:
        return _refused("NotAllowedByListeners", f"no listener takes a {route.origin.kind} of namespace {route.namespace}")
    hosts = {one.key: tuple(_common(one.listener.hostname, route.hostnames)) for one in allowing}
    taking = [one for one in allowing if hosts[one.key]]
    if not taking:
        said = ", ".join(dict.fromkeys(one.listener.hostname for one in allowing))
        return _refused("NoMatchingListenerHostname", f"no hostname is within those of the listeners: {said}")
    places = tuple(
        Place(one.key, host) for one in taking if one.served for host in hosts[one.key] if not gateway.isolated(one, host)
    )
    return _Attached(_ACCEPTED, places, tuple(one.key for one in taking))


def _meant(parent: Parent, listener: JudgedListener) -> bool:
    ref, one = parent.ref, listener.listener
    return ref.section_name in ("", one.name) and ref.port in (None, one.port)


def _common(listener: str, hostnames: tuple[str, ...]) -> Iterator[str]:
    """The hosts of a route that a listener serves: the narrower of the two, where one holds the other."""
    if not hostnames:
        yield listener
    for host in hostnames:
        if matches(listener, host):
            yield host
        elif matches(host, listener):
            yield listener


def _to_service(parent: Parent, route: Route, view: View) -> _Attached:
    """A producer's route, in the Service's namespace, is for all callers; a consumer's for those of its own."""
    service = view.service(service_name(parent.ref.name, parent.namespace, view.domain))
    if service is None:
        return _refused("NoMatchingParent", f"there is no Service {parent.key}")
    if parent.ref.section_name:
        return _refused("NoMatchingParent", "a Service has no sections: name a port")
    if parent.ref.port is not None and service.port(parent.ref.port) is None:
        return _refused("NoMatchingParent", f"the Service {parent.key} has no port {parent.ref.port}")
    export = "*" if route.namespace == parent.namespace else route.namespace
    return _Attached(_ACCEPTED, (Place(MESH, service.hostname, export),))
