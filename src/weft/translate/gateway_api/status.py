"""The statuses of the Gateway API's resources, as the specification words them; whoever writes them adds the times.

https://gateway-api.sigs.k8s.io/reference/spec/#gatewaystatus, https://gateway-api.sigs.k8s.io/reference/spec/#routestatus
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from weft.finding import Finding
from weft.messages import finding
from weft.ref import Ref
from weft.resource.gateway_api.reference import ParentReference
from weft.translate.gateway_api.listeners import JudgedGateway, JudgedListener
from weft.translate.gateway_api.written import GATEWAY_NAME, Gateway


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition."""

    type: str
    holds: bool
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class ClassStatus:
    """Of a GatewayClass."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """Of one listener: the kinds of routes it takes, and how many are attached."""

    name: str
    kinds: tuple[str, ...]
    attached: int
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """Of a Gateway."""

    conditions: tuple[Condition, ...]
    listeners: tuple[ListenerStatus, ...]
    addresses: tuple[str, ...]


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


Status = ClassStatus | GatewayStatus | RouteStatus

CLASS_ACCEPTED = ClassStatus((Condition("Accepted", True, "Accepted", "weft is responsible for Gateways of this class"),))


def gateway_status(of: JudgedGateway, attached: Mapping[str, int], addresses: tuple[str, ...]) -> GatewayStatus:
    """The status of a Gateway. `attached` counts the routes of each listener by its key; `addresses` are of the workloads that
    serve it."""
    runs = bool(addresses)
    listeners = tuple(_listener(one, attached.get(one.key, 0), runs) for one in of.listeners)
    invalid = [one.listener.name for one in of.listeners if not one.accepted]
    accepted = len(invalid) < len(of.listeners)
    why = f"not served: {', '.join(invalid)}" if invalid else ""
    conditions = (
        Condition("Accepted", accepted, "ListenersNotValid" if invalid else "Accepted", why),
        _programmed(of, accepted, runs),
    )
    return GatewayStatus(conditions, listeners, addresses)


def _programmed(of: JudgedGateway, accepted: bool, runs: bool) -> Condition:
    if not accepted:
        return Condition("Programmed", False, "Invalid", "no listener is valid")
    if not runs:
        return Condition("Programmed", False, "NoResources", without_workload(of.gateway))
    return Condition("Programmed", True, "Programmed")


def without_workload(of: Gateway) -> str:
    """What is missing where no workload serves a Gateway."""
    return f"no workload of namespace {of.namespace} has the label {GATEWAY_NAME}: {of.name}"


def _listener(of: JudgedListener, attached: int, runs: bool) -> ListenerStatus:
    one = of.listener
    kinds = one.kinds if one.protocol in ("HTTP", "HTTPS") else ()
    conditions = (_accepted(of), _resolved(of), _listener_programmed(of, runs), _conflicted(of))
    return ListenerStatus(one.name, kinds, attached, conditions)


def _accepted(of: JudgedListener) -> Condition:
    if of.conflicted:
        return Condition("Accepted", False, "ProtocolConflict", _conflict(of))
    if not of.accepted:
        return Condition("Accepted", False, "UnsupportedProtocol", f"{of.listener.protocol} is not served yet")
    return Condition("Accepted", True, "Accepted")


def _resolved(of: JudgedListener) -> Condition:
    if of.listener.odd_kinds:
        return Condition("ResolvedRefs", False, "InvalidRouteKinds", "only HTTPRoute and GRPCRoute attach")
    if of.listener.unserved:
        return Condition("ResolvedRefs", False, "InvalidCertificateRef", of.listener.unserved)
    return Condition("ResolvedRefs", True, "ResolvedRefs")


def _listener_programmed(of: JudgedListener, runs: bool) -> Condition:
    if not of.served:
        return Condition("Programmed", False, "Invalid", of.listener.unserved)
    return (
        Condition("Programmed", True, "Programmed")
        if runs
        else Condition("Programmed", False, "Pending", "no workload serves it")
    )


def _conflicted(of: JudgedListener) -> Condition:
    if of.conflicted:
        return Condition("Conflicted", True, "ProtocolConflict", _conflict(of))
    return Condition("Conflicted", False, "NoConflicts")


def _conflict(of: JudgedListener) -> str:
    return f"listeners of port {of.listener.port} have different protocols"


# Findings


def findings(ref: Ref, status: Status, judged: JudgedGateway | None) -> Iterator[Finding]:
    """What an operator should know of a status."""
    match status:
        case RouteStatus():
            yield from _of_route(status)
        case GatewayStatus() if judged:
            for one in judged.listeners:
                for condition in (_accepted(one), _resolved(one)):
                    if not condition.holds:
                        yield finding("listener-not-served", one.listener.origin, reason=condition.reason, why=condition.message)
            if not status.addresses:
                gateway = judged.gateway
                yield finding("gateway-without-workload", ref, why=without_workload(gateway), name=gateway.name,
                              namespace=gateway.namespace, label=GATEWAY_NAME)  # fmt: skip


def _of_route(status: RouteStatus) -> Iterator[Finding]:
    for parent in status.parents:
        for condition in parent.conditions:
            if condition.type == "Accepted" and not condition.holds:
                yield finding("route-not-attached", parent.origin, reason=condition.reason, why=condition.message)
    for one in status.unresolved:
        if one.reason != "BackendNotFound":  # unknown-host and unknown-port say it, with what is close
            yield finding("unresolved-reference", one.origin, reason=one.reason, why=one.message)
