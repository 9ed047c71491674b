"""A route that has been resolved: its rules with the backends that exist, where it is attached, and what is to be said of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from weft.model.precedence import MESH
from weft.model.route import (
    Destination,
    DirectResponse,
    Forward,
    HttpRoute,
    L4Route,
    Mirror,
    WeightedDestination,
)
from weft.ref import Ref
from weft.translate.gateway_api.attachment import Attached, View, attached
from weft.translate.gateway_api.status import Condition, ParentStatus, RouteStatus, Unresolved
from weft.translate.gateway_api.written import Backend, L4Rule, Place, Rank, Route, Rule, Share


@dataclass(frozen=True, slots=True)
class Resolved:
    """A route that has been resolved. `rules` are in order, each with one match; `l4` is what its connections do. `parents` are
    those of this mesh, `conditions` hold at all of them."""

    route: Route
    rules: tuple[tuple[Rank, HttpRoute], ...]
    l4: tuple[L4Route, ...]
    parents: tuple[Attached, ...]
    conditions: tuple[Condition, ...]
    unresolved: tuple[Unresolved, ...]

    @property
    def places(self) -> tuple[tuple[Place, tuple[int, ...]], ...]:
        """Where the rules apply, and on which ports of a Service (none: all)."""
        ports: dict[Place, tuple[int, ...]] = {}
        for one in self.parents:
            for place in one.places:
                before, port = ports.get(place), one.parent.ref.port if place.gateway == MESH else None
                ports[place] = () if port is None or before == () else tuple(sorted({*(before or ()), port}))
        return tuple(sorted(ports.items()))

    @property
    def listeners(self) -> frozenset[str]:
        """The keys of the listeners that take it."""
        return frozenset(key for one in self.parents for key in one.listeners)

    def at(self, listener: str) -> tuple[Place, ...]:
        """Where it applies at one listener."""
        return tuple(dict.fromkeys(place for one in self.parents for place in one.places if place.gateway == listener))

    def status(self, given_way: frozenset[str]) -> RouteStatus:
        """What is said of it; `given_way` are the listeners at which an older route of the other kind has its hosts."""
        parents = tuple(
            ParentStatus(one.parent.ref, one.parent.origin, (_accepted(one, given_way), *self.conditions)) for one in self.parents
        )
        return RouteStatus(parents, self.unresolved if parents else ())


def _accepted(of: Attached, given_way: frozenset[str]) -> Condition:
    if of.listeners and given_way.issuperset(of.listeners):
        why = "an HTTPRoute and a GRPCRoute cannot share a host of one listener, and another one is older"
        return Condition("Accepted", False, "HostnameConflict", why)
    return of.accepted


def resolved(route: Route, view: View) -> Resolved:
    """`route`, as things are."""
    unresolved = tuple(one for rule in route.rules for one in _unresolved(rule, route, view))
    missing = {one.origin for one in unresolved}
    rules = [rule for rule in route.rules if isinstance(rule, Rule)]
    done = tuple(
        (branch.rank, replace(each, matches=(branch.match,)))
        for rule in rules
        for each in (_done(rule, route, missing),)
        for branch in rule.branches
    )
    l4 = tuple(_l4(rule, missing) for rule in route.rules if isinstance(rule, L4Rule))
    first = unresolved[0] if unresolved else None
    refs = Condition("ResolvedRefs", not first, first.reason if first else "ResolvedRefs", first.message if first else "")
    unsupported = [rule for rule in rules if rule.unsupported]
    partly: tuple[Condition, ...] = ()
    parents = tuple(found for parent in route.parents if (found := attached(parent, route, view)))
    if unsupported and len(unsupported) == len(rules):
        parents = tuple(_refused(one, unsupported[0].unsupported) for one in parents)
    elif unsupported:
        said = "; ".join(f"{rule.route.origin.field}: {rule.unsupported}" for rule in unsupported)
        partly = (Condition("PartiallyInvalid", True, "UnsupportedValue", f"Dropped Rule: {said}"),)
    return Resolved(route, done, l4, parents, (refs, *partly), unresolved)


def _refused(of: Attached, why: str) -> Attached:
    if not of.accepted.holds:
        return of
    return Attached(of.parent, Condition("Accepted", False, "UnsupportedValue", why))


# Backends


def _unresolved(rule: Rule | L4Rule, route: Route, view: View) -> Iterator[Unresolved]:
    backends = [share.backend for share in rule.shares]
    if isinstance(rule, Rule):
        backends += [to for to, _ in rule.mirrors]
        for origin, what in rule.unknown:
            yield Unresolved(origin, "InvalidKind", f"{what} is not a filter that weft knows")
    for backend in backends:
        if problem := _problem(backend, route, view):
            yield Unresolved(backend.origin, *problem)


def _is_consumed(to: Backend, route: Route) -> bool:
    """Whether a consumer's route leads to the Service that it is about: its own namespace calls that one with and without it.
    https://gateway-api.sigs.k8s.io/mesh/service-facets/"""
    if any((one.ref.group, one.ref.kind) != ("", "Service") for one in route.parents):
        return False
    return any((one.namespace, one.ref.name) == (to.namespace, to.name) for one in route.parents)


def _problem(to: Backend, route: Route, view: View) -> tuple[str, str] | None:
    """The reason and message why requests cannot be sent to `to`; None when they can."""
    if not to.host:
        return "InvalidKind", f"{to.kind}{f' of {to.group}' if to.group else ''} is not a kind of backend: only Service is"
    if to.namespace != route.namespace and not _is_consumed(to, route):
        grants = view.grants(to.namespace)
        if not any(one.permits(route.origin, to.group, to.kind, to.name) for one in grants):
            who = f"a {route.kind} of namespace {route.namespace}"
            return "RefNotPermitted", f"no ReferenceGrant of namespace {to.namespace} lets {who} refer to Service {to.name}"
    service = view.service(to.host)
    if service is None:
        return "BackendNotFound", f"there is no Service {to.namespace}/{to.name}"
    if service.port(to.port) is None:
        return "BackendNotFound", f"the Service {to.namespace}/{to.name} has no port {to.port}"
    return None


def _done(rule: Rule, route: Route, missing: set[Ref]) -> HttpRoute:
    """What a rule does. The share of what does not exist is answered with an error; so is all of it, or nothing to go to."""
    mirrors = tuple(Mirror(Destination(to.host, "", to.port), part) for to, part in rule.mirrors if to.origin not in missing)
    plain = replace(rule.route, mirrors=mirrors)
    if rule.unsupported:
        return _failing(plain, route, rule.unsupported)
    if rule.unknown:
        return _failing(plain, route, f"{rule.unknown[0][1]} is not a filter that weft knows")
    if not isinstance(plain.action, Forward):
        return plain
    shares = [one for one in rule.shares if one.weight]
    if not shares:
        return _failing(plain, route, "it has no backend" if not rule.shares else "every backend has weight 0")
    if all(one.backend.origin in missing for one in shares):
        return _failing(plain, route, "none of its backends can be used")
    return replace(plain, action=Forward(tuple(_destination(one, missing, _failure(route)) for one in shares)))


_NOWHERE = "backend.invalid"  # of a top-level domain that never exists (RFC 2606): nobody is sent there


def _destination(of: Share, missing: set[Ref], failure: int) -> WeightedDestination:
    if of.backend.origin in missing:
        return WeightedDestination(Destination(_NOWHERE), of.weight, answer=failure)
    return WeightedDestination(
        Destination(of.backend.host, "", of.backend.port),
        of.weight,
        replace(of.request_headers, set=(*of.request_headers.set, ("host", of.authority)))
        if of.authority
        else of.request_headers,
        of.response_headers,
    )


def _failure(route: Route) -> int:
    """Envoy's answer to a gRPC call is UNAVAILABLE when it is 503."""
    return 503 if route.kind == "GRPCRoute" else 500


def _failing(rule: HttpRoute, route: Route, why: str) -> HttpRoute:
    body = DirectResponse(_failure(route), f"weft: {rule.origin}: {why}\n".encode(), "text/plain")
    return HttpRoute(body, rule.origin, rule.name)


def _l4(rule: L4Rule, missing: set[Ref]) -> L4Route:
    """The share of what does not exist is closed."""
    return L4Route(tuple(_destination(one, missing, 0) for one in rule.shares if one.weight), rule.origin)
