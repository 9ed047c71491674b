"""The statuses that `translate` finds for the Gateway API's resources, as JSON: times and generations are added here.

https://gateway-api.sigs.k8s.io/reference/spec/#gatewaystatus. Of a route, what other controllers said of other parents is kept.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

import msgspec

from weft.translate.gateway_api.status import (
    ClassStatus,
    Condition,
    GatewayStatus,
    ListenerStatus,
    ParentStatus,
    PolicyStatus,
    RouteStatus,
    SetStatus,
    Status,
)
from weft.translate.gateway_api.written import CONTROLLER, GROUP

Json = dict[str, Any]

_OURS = (
    "Accepted",
    "Programmed",
    "ResolvedRefs",
    "Conflicted",
    "OverlappingTLSConfig",
    "PartiallyInvalid",
    "InsecureFrontendValidationMode",
    "SupportedVersion",
)
"""The conditions that weft sets or takes away; all others are somebody else's."""


def encoded(status: Status | None, body: Mapping[str, Any], now: str) -> Json:
    """The status of the object `body`; None: this mesh has nothing to say of it. A condition whose status stays keeps its
    time. `now` is RFC 3339."""
    before = body.get("status") or {}
    writer = _Writer(int(body.get("metadata", {}).get("generation", 1)), now)
    match status:
        case ClassStatus(conditions, features):
            supported = [{"name": name} for name in features]
            return {**before, "conditions": writer.conditions(conditions, before), "supportedFeatures": supported}
        case GatewayStatus(conditions, listeners, addresses, sets):
            return {
                **before,
                "addresses": [_address(one) for one in addresses],
                "attachedListenerSets": sets,
                "conditions": writer.conditions(conditions, before),
                "listeners": [writer.listener(one, before) for one in listeners],
            }
        case SetStatus(conditions, listeners):
            return {
                **before,
                "conditions": writer.conditions(conditions, before),
                "listeners": [writer.listener(one, before) for one in listeners],
            }
        case RouteStatus(parents):
            return {**before, "parents": [*_others(before), *(writer.parent(one, before) for one in parents)]}
        case PolicyStatus(ancestors):
            kept = _others(before, "ancestors")
            return {**before, "ancestors": [*kept, *(writer.parent(one, before, "ancestors") for one in ancestors)]}
        case None if "ancestors" in before:
            return {**before, "ancestors": _others(before, "ancestors")}
        case None if "parents" in before:
            return {**before, "parents": _others(before)}
        case _:
            return dict(before)


def _others(before: Mapping[str, Any], where: str = "parents") -> list[Any]:
    return [one for one in before.get(where, ()) if one.get("controllerName") != CONTROLLER]


def _address(text: str) -> Json:
    try:
        ip_address(text)
    except ValueError:
        return {"type": "Hostname", "value": text}
    return {"type": "IPAddress", "value": text}


class _Writer:
    """Conditions of one generation, at one time."""

    def __init__(self, generation: int, now: str) -> None:
        self._generation = generation
        self._now = now

    def conditions(self, of: Iterable[Condition], before: Mapping[str, Any]) -> list[Json]:
        """Those of `of`, beside others that stood there and are not weft's to say."""
        said = tuple(of)
        known = {one.get("type"): one for one in before.get("conditions", ())}
        others = [one for name, one in known.items() if name not in _OURS]
        return [*others, *(self._condition(one, known.get(one.type, {})) for one in said)]

    def _condition(self, of: Condition, before: Mapping[str, Any]) -> Json:
        holds = "True" if of.holds else "False"
        since = before.get("lastTransitionTime") if before.get("status") == holds else None
        return {
            "type": of.type,
            "status": holds,
            "reason": of.reason,
            "message": of.message,
            "observedGeneration": self._generation,
            "lastTransitionTime": since or self._now,
        }

    def listener(self, of: ListenerStatus, before: Mapping[str, Any]) -> Json:
        known: Json = next((one for one in before.get("listeners", ()) if one.get("name") == of.name), {})
        return {
            "name": of.name,
            "attachedRoutes": of.attached,
            "supportedKinds": [{"group": GROUP, "kind": kind} for kind in of.kinds],
            "conditions": self.conditions(of.conditions, known),
        }

    def parent(self, of: ParentStatus, before: Mapping[str, Any], where: str = "parents") -> Json:
        reference = {"group": of.ref.group, "kind": of.ref.kind, **msgspec.to_builtins(of.ref)}
        name = "parentRef" if where == "parents" else "ancestorRef"
        ours = (one for one in before.get(where, ()) if one.get("controllerName") == CONTROLLER)
        known: Json = next((one for one in ours if one.get(name) == reference), {})
        return {name: reference, "controllerName": CONTROLLER, "conditions": self.conditions(of.conditions, known)}
