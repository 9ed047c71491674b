"""The statuses of the Gateway API's resources, as the specification words them; whoever writes them adds the times.

https://gateway-api.sigs.k8s.io/reference/spec/#gatewaystatus, https://gateway-api.sigs.k8s.io/reference/spec/#routestatus
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from weft.finding import Finding
from weft.messages import finding
from weft.ref import Ref
from weft.resource.gateway_api.reference import ParentReference
from weft.translate.gateway_api.features import FEATURES
from weft.translate.gateway_api.judged import JudgedGateway, JudgedListener, JudgedSet
from weft.translate.gateway_api.written import CONTROLLER, GATEWAY_NAME, ROUTE_KINDS, Gateway, GatewayClass


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition."""

    type: str
    holds: bool
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class ClassStatus:
    """Of a GatewayClass: what this mesh can is in `features`."""

    conditions: tuple[Condition, ...]
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """Of one listener: the kinds of routes it takes, and how many are attached."""

    name: str
    kinds: tuple[str, ...]
    attached: int
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """Of a Gateway; `sets` is how many ListenerSets are attached."""

    conditions: tuple[Condition, ...]
    listeners: tuple[ListenerStatus, ...]
    addresses: tuple[str, ...]
    sets: int = 0


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Of a ListenerSet."""

    conditions: tuple[Condition, ...]
    listeners: tuple[ListenerStatus, ...]


@dataclass(frozen=True, slots=True)
class ParentStatus:
    """Of a route at one of its parents; `origin` is where the route names it."""

    ref: ParentReference
    origin: Ref
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A reference of a route that leads nowhere, and why in the specification's word."""

    origin: Ref
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """Of a route, at the parents that are this mesh's."""

    parents: tuple[ParentStatus, ...]
    unresolved: tuple[Unresolved, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """Of a policy, at the Gateways that lead to its targets, or at the targets themselves."""

    ancestors: tuple[ParentStatus, ...]


Status = ClassStatus | GatewayStatus | SetStatus | RouteStatus | PolicyStatus


def class_status(of: GatewayClass) -> ClassStatus | None:
    """The status of a GatewayClass; None when it is another controller's."""
    if of.controller != CONTROLLER:
        return None
    accepted = Condition("Accepted", True, "Accepted", "weft is responsible for Gateways of this class")
    if of.parameters:
        accepted = Condition("Accepted", False, "InvalidParameters", f"weft takes no parameters: {of.parameters}")
    supported = Condition("SupportedVersion", True, "SupportedVersion", "weft serves the kinds itself")
    return ClassStatus((accepted, supported), FEATURES)


def gateway_status(of: JudgedGateway, attached: Mapping[str, int], addresses: tuple[str, ...]) -> GatewayStatus:
    """The status of a Gateway. `attached` counts the routes of each listener by its key; `addresses` are of the workloads that
    serve it."""
    wanted = {value for _, value in of.gateway.addresses if value}
    usable = tuple(one for one in addresses if not wanted or one in wanted)
    accepted = _gateway_accepted(of)
    programmed = _programmed(of, accepted, addresses, sorted(wanted - set(addresses)))
    listeners = tuple(_listener(one, attached.get(one.key, 0), programmed) for one in of.listeners)
    sets = sum(1 for one in of.sets if one.attached)
    return GatewayStatus((accepted, programmed, *_insecure(of)), listeners, usable, sets)


def _insecure(of: JudgedGateway) -> tuple[Condition, ...]:
    """That callers are let in whose certificates nobody trusts is said for as long as it is so."""
    if not any(frontend and frontend.fallback for _, frontend in of.gateway.frontends):
        return ()
    why = "AllowInsecureFallback: who fails the check of certificates is let in all the same"
    return (Condition("InsecureFrontendValidationMode", True, "ConfigurationChanged", why),)


def _gateway_accepted(of: JudgedGateway) -> Condition:
    if odd := [kind for kind, _ in of.gateway.addresses if kind not in ("IPAddress", "Hostname")]:
        return Condition("Accepted", False, "UnsupportedAddress", f"there is no address of type {odd[0]}")
    if of.gateway.parameters:
        return Condition("Accepted", False, "InvalidParameters", f"weft takes no parameters: {of.gateway.parameters}")
    return _some(of.listeners, lambda one: one.accepted)


def _some(listeners: Sequence[JudgedListener], valid: Callable[[JudgedListener], bool]) -> Condition:
    """Whether a Gateway or ListenerSet is accepted by its listeners: one that is `valid` suffices."""
    invalid = [one.listener.name for one in listeners if not valid(one)]
    why = f"not served: {', '.join(invalid)}" if invalid else ""
    return Condition("Accepted", len(invalid) < len(listeners), "ListenersNotValid" if invalid else "Accepted", why)


def _programmed(of: JudgedGateway, accepted: Condition, addresses: tuple[str, ...], unusable: list[str]) -> Condition:
    if not accepted.holds:
        return Condition("Programmed", False, "Invalid", accepted.message)
    if not addresses:
        return Condition("Programmed", False, "NoResources", without_workload(of.gateway))
    if unusable:
        why = f"no workload that serves it is at {', '.join(unusable)}: they are at {', '.join(addresses)}"
        return Condition("Programmed", False, "AddressNotUsable", why)
    return Condition("Programmed", True, "Programmed")


def without_workload(of: Gateway) -> str:
    """What is missing where no workload serves a Gateway."""
    return f"no workload of namespace {of.namespace} has the label {GATEWAY_NAME}: {of.name}"


def set_status(of: JudgedSet, attached: Mapping[str, int], gateway: GatewayStatus) -> SetStatus:
    """The status of a ListenerSet whose Gateway has the status `gateway`."""
    accepted, programmed = _set_accepted(of, gateway), gateway.conditions[1]
    if not accepted.holds:
        programmed = Condition("Programmed", False, accepted.reason, accepted.message)
    elif not programmed.holds:
        programmed = Condition("Programmed", False, "ParentNotProgrammed", programmed.message)
    listeners = (_listener(one, attached.get(one.key, 0), programmed) for one in of.listeners)
    return SetStatus((accepted, programmed), tuple(listeners) if of.allowed else ())


def _set_accepted(of: JudgedSet, gateway: GatewayStatus) -> Condition:
    if not of.allowed:
        why = f"the Gateway {of.set.gateway} does not allow ListenerSets of namespace {of.set.namespace} (allowedListeners)"
        return Condition("Accepted", False, "NotAllowed", why)
    if not gateway.conditions[0].holds and gateway.conditions[0].reason != "ListenersNotValid":
        return Condition("Accepted", False, "ParentNotAccepted", f"the Gateway {of.set.gateway} is not accepted")
    return _some(of.listeners, lambda one: one.accepted and not one.certified.dead)


def _listener(of: JudgedListener, attached: int, parent: Condition) -> ListenerStatus:
    one = of.listener
    conditions = [_accepted(of), _resolved(of), _listener_programmed(of, parent), _conflicted(of)]
    if of.overlaps:
        why = "its hosts overlap with those of another HTTPS listener of the port"
        conditions.append(Condition("OverlappingTLSConfig", True, "OverlappingHostnames", why))
    return ListenerStatus(one.name, one.kinds, attached, tuple(conditions))


def _accepted(of: JudgedListener) -> Condition:
    if of.conflict:
        reason = of.conflict if of.listener.origin.kind == "ListenerSet" else "Invalid"
        return Condition("Accepted", False, reason, _conflict(of))
    if of.certified.refused:
        return Condition("Accepted", False, "NoValidCACertificate", of.certified.dead)
    if not of.accepted:
        return Condition("Accepted", False, "UnsupportedProtocol", f"{of.listener.protocol} is not a protocol of listeners")
    return Condition("Accepted", True, "Accepted")


def _resolved(of: JudgedListener) -> Condition:
    if of.listener.odd_kinds:
        why = f"to a listener with protocol {of.listener.protocol} only these attach: {', '.join(_able(of))}"
        return Condition("ResolvedRefs", False, "InvalidRouteKinds", why)
    if of.listener.unserved:
        return Condition("ResolvedRefs", False, "InvalidCertificateRef", of.listener.unserved)
    if of.certified.problems:
        first = of.certified.problems[0]
        return Condition("ResolvedRefs", False, first.reason, first.message)
    return Condition("ResolvedRefs", True, "ResolvedRefs")


def _able(of: JudgedListener) -> tuple[str, ...]:
    return ROUTE_KINDS.get(of.listener.protocol, ())


def _listener_programmed(of: JudgedListener, parent: Condition) -> Condition:
    if of.conflict:
        return Condition("Programmed", False, _accepted(of).reason, _conflict(of))
    if not of.served:
        return Condition("Programmed", False, "Invalid", of.listener.unserved or _accepted(of).message)
    if of.certified.dead:
        return Condition("Programmed", False, "Invalid", of.certified.dead)
    if not parent.holds:
        return Condition("Programmed", False, "Pending", parent.message)
    return Condition("Programmed", True, "Programmed")


def _conflicted(of: JudgedListener) -> Condition:
    if of.conflict:
        return Condition("Conflicted", True, of.conflict, _conflict(of))
    return Condition("Conflicted", False, "NoConflicts")


def _conflict(of: JudgedListener) -> str:
    if of.conflict == "HostnameConflict":
        host = of.listener.hostname
        return f"another listener of port {of.listener.port} has {'every host' if host == '*' else f'the hostname {host}'}"
    return f"another listener of port {of.listener.port} has another protocol"


# Findings


def findings(ref: Ref, status: Status, judged: JudgedGateway | None, of_set: JudgedSet | None) -> Iterator[Finding]:
    """What an operator should know of a status; of what is judged, that of a Gateway or a ListenerSet."""
    match status:
        case RouteStatus():
            yield from _of_route(status)
        case PolicyStatus(ancestors):
            yield from _of_policy(ancestors)
        case GatewayStatus() if judged:
            yield from _of_listeners(judged.listeners)
            yield from _of_gateway(ref, status, judged)
        case SetStatus(conditions) if of_set:
            yield from _of_listeners(of_set.listeners if of_set.allowed else ())
            if conditions[0].reason in ("NotAllowed", "ParentNotAccepted"):
                at, said = ref.at("spec.parentRef"), conditions[0]
                yield finding("listener-set-not-attached", at, reason=said.reason, why=said.message)


def _of_policy(ancestors: Iterable[ParentStatus]) -> Iterator[Finding]:
    found = {(one.origin, said.reason, said.message) for one in ancestors for said in one.conditions if not said.holds}
    for origin, reason, why in sorted(found):
        yield finding("policy-not-as-asked", origin, reason=reason, why=why)


def _of_listeners(listeners: Iterable[JudgedListener]) -> Iterator[Finding]:
    for one in listeners:
        for condition in (_accepted(one), _resolved(one)):
            if not condition.holds:
                yield finding("listener-not-served", one.listener.origin, reason=condition.reason, why=condition.message)


def _of_gateway(ref: Ref, status: GatewayStatus, judged: JudgedGateway) -> Iterator[Finding]:
    gateway = judged.gateway
    accepted, programmed = status.conditions[:2]
    if programmed.reason == "NoResources":
        yield finding("gateway-without-workload", ref, why=without_workload(gateway), name=gateway.name,
                      namespace=gateway.namespace, label=GATEWAY_NAME)  # fmt: skip
    for said in (accepted, programmed):
        if field := _FIELDS.get(said.reason):
            yield finding("gateway-not-as-asked", ref.at(field), reason=said.reason, why=said.message)


_FIELDS = {
    "InvalidParameters": "spec.infrastructure.parametersRef",
    "UnsupportedAddress": "spec.addresses",
    "AddressNotUsable": "spec.addresses",
}


def _of_route(status: RouteStatus) -> Iterator[Finding]:
    for parent in status.parents:
        for condition in parent.conditions:
            if condition.type == "Accepted" and not condition.holds:
                yield finding("route-not-attached", parent.origin, reason=condition.reason, why=condition.message)
            if condition.type == "PartiallyInvalid":
                yield finding("route-partly-invalid", parent.origin, why=condition.message)
    for one in status.unresolved:
        if one.reason != "BackendNotFound":  # unknown-host and unknown-port say it, with what is close
            yield finding("unresolved-reference", one.origin, reason=one.reason, why=one.message)
