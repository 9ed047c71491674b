"""Where a route is attached, and which of its backends exist: a pure function of the route and what it looks up.

Every look-up goes through a `View`, which notes it: when one of these things changes, the route is resolved again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from weft.hostname import matches, service_name
from weft.model.labels import Labels
from weft.model.precedence import MESH
from weft.model.service import Service
from weft.translate.gateway_api.judged import JudgedGateway, JudgedListener, JudgedSet, chooses
from weft.translate.gateway_api.status import Condition
from weft.translate.gateway_api.written import GROUP, Grant, Parent, Place, Route


class View(Protocol):
    """What a route may look up."""

    @property
    def domain(self) -> str:
        """The domain of the mesh's services."""
        ...

    def gateway(self, key: str) -> JudgedGateway | None:
        """The Gateway `namespace/name`, when it is of this mesh."""
        ...

    def listener_set(self, key: str) -> tuple[JudgedGateway, JudgedSet] | None:
        """The ListenerSet `namespace/name` and its Gateway, when that is of this mesh."""
        ...

    def foreign(self, kind: str, key: str) -> bool:
        """Whether there is a Gateway or ListenerSet `namespace/name` of another controller."""
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
class Attached:
    """A route at one of its parents: whether it is accepted there, the listeners that take it, and where its rules then apply."""

    parent: Parent
    accepted: Condition
    places: tuple[Place, ...] = ()
    listeners: tuple[str, ...] = ()


_ACCEPTED = Condition("Accepted", True, "Accepted")


def attached(parent: Parent, route: Route, view: View) -> Attached | None:
    """Where `route` is attached by `parent`; None when that is another controller's matter."""
    match parent.ref.group, parent.ref.kind:
        case _, "Gateway" if parent.ref.group == GROUP:
            gateway = view.gateway(parent.key)
            if gateway is None:
                return _absent(parent, view)
            return _to_listeners(parent, route, view, gateway, gateway.listeners)
        case _, "ListenerSet" if parent.ref.group == GROUP:
            found = view.listener_set(parent.key)
            if found is None:
                return _absent(parent, view)
            return _to_listeners(parent, route, view, found[0], found[1].listeners if found[1].allowed else ())
        case "", "Service":
            return _to_service(parent, route, view)
        case _:
            return None


def _refused(parent: Parent, reason: str, message: str) -> Attached:
    return Attached(parent, Condition("Accepted", False, reason, message))


def _absent(parent: Parent, view: View) -> Attached | None:
    if view.foreign(parent.ref.kind, parent.key):
        return None
    return _refused(parent, "NoMatchingParent", f"there is no {parent.ref.kind} {parent.key}")


def _to_listeners(
    parent: Parent, route: Route, view: View, gateway: JudgedGateway, listeners: Iterable[JudgedListener]
) -> Attached:
    meant = [one for one in listeners if _meant(parent, one)]
    if not meant:
        return _refused(parent, "NoMatchingParent", f"the {parent.ref.kind} {parent.key} has no such listener")
    labels = view.labels(route.namespace)
    allowing = [
        one
        for one in meant
        if route.kind in one.listener.kinds
        and chooses(one.listener.namespaces, one.namespace, route.namespace, labels)
        and one.accepted
    ]
    if not allowing:
        return _refused(parent, "NotAllowedByListeners", f"no listener takes a {route.kind} of namespace {route.namespace}")
    hosts = {one.key: tuple(_common(one.listener.hostname, route.hostnames)) for one in allowing}
    taking = [one for one in allowing if hosts[one.key]]
    if not taking:
        said = ", ".join(dict.fromkeys(one.listener.hostname for one in allowing))
        return _refused(parent, "NoMatchingListenerHostname", f"no hostname is within those of the listeners: {said}")
    places = tuple(
        Place(one.key, host) for one in taking if one.served for host in hosts[one.key] if not gateway.isolated(one, host)
    )
    return Attached(parent, _ACCEPTED, places, tuple(one.key for one in taking))


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


def _to_service(parent: Parent, route: Route, view: View) -> Attached:
    """A producer's route, in the Service's namespace, is for all callers; a consumer's for those of its own."""
    if route.kind in ("TLSRoute", "UDPRoute"):
        return _refused(parent, "UnsupportedValue", f"a {route.kind} is attached to a Gateway, not to a Service")
    service = view.service(service_name(parent.ref.name, parent.namespace, view.domain))
    if service is None:
        return _refused(parent, "NoMatchingParent", f"there is no Service {parent.key}")
    if parent.ref.section_name:
        return _refused(parent, "NoMatchingParent", "a Service has no sections: name a port")
    if parent.ref.port is not None and service.port(parent.ref.port) is None:
        return _refused(parent, "NoMatchingParent", f"the Service {parent.key} has no port {parent.ref.port}")
    export = "*" if route.namespace == parent.namespace else route.namespace
    return Attached(parent, _ACCEPTED, (Place(MESH, service.hostname, export),))


def rejected(routes: Iterable[tuple[Route, tuple[Place, ...]]]) -> frozenset[Route]:
    """Of the routes at one listener, those that give way: an HTTPRoute and a GRPCRoute share no host, and the older has it.
    https://gateway-api.sigs.k8s.io/reference/spec/#grpcroute"""
    found = sorted(routes, key=lambda one: one[0].age)
    if len({route.kind for route, _ in found}) < 2:
        return frozenset()
    kept: dict[str, list[str]] = {"HTTPRoute": [], "GRPCRoute": []}
    out = []
    for route, places in found:
        if route.kind not in kept:
            continue
        hosts = [place.host for place in places]
        others = [host for kind, hosts_ in kept.items() if kind != route.kind for host in hosts_]
        if any(matches(one, other) or matches(other, one) for one in hosts for other in others):
            out.append(route)
        else:
            kept[route.kind] += hosts
    return frozenset(out)
