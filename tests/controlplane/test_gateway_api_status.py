"""Statuses of the Gateway API as they are written."""

from typing import Any

from weft.controlplane.gateway_api_status import encoded
from weft.ref import Ref
from weft.resource.gateway_api.reference import ParentReference
from weft.translate.gateway_api.status import Condition, GatewayStatus, ParentStatus, RouteStatus, SetStatus, class_status
from weft.translate.gateway_api.written import CONTROLLER, GatewayClass

ORIGIN = Ref("gateway.networking.k8s.io", "HTTPRoute", "default", "r")
OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"


def _route(holds: bool, reason: str = "Accepted") -> RouteStatus:
    return RouteStatus((ParentStatus(ParentReference(name="gw"), ORIGIN, (Condition("Accepted", holds, reason, "why"),)),))


def _body(status: dict[str, Any], generation: int) -> dict[str, Any]:
    return {"metadata": {"generation": generation}, "status": status}


def test_a_condition_has_all_that_the_api_conventions_ask_for() -> None:
    """Type, status, reason, message, the generation observed, and the time."""
    written = encoded(class_status(GatewayClass("weft", CONTROLLER)), {"metadata": {"generation": 3}}, NEW)
    condition = written["conditions"][0]
    assert {"name": "ListenerSet"} in written["supportedFeatures"]
    message = condition.pop("message")
    assert message
    assert condition == {
        "type": "Accepted", "status": "True", "reason": "Accepted", "observedGeneration": 3, "lastTransitionTime": NEW,
    }  # fmt: skip


def test_the_time_changes_with_the_status_alone() -> None:
    """Another reason or generation keeps it."""
    first = encoded(_route(False, "NoMatchingParent"), _body({}, 1), OLD)
    second = encoded(_route(False, "NotAllowedByListeners"), _body(first, 2), NEW)
    third = encoded(_route(True), _body(second, 2), NEW)
    times = [one["parents"][0]["conditions"][0]["lastTransitionTime"] for one in (first, second, third)]
    assert times == [OLD, OLD, NEW]
    assert second["parents"][0]["parentRef"] == {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}


def test_what_others_say_of_their_parents_is_kept() -> None:
    """Only entries of this mesh's controller are written, and withdrawn when there is nothing to say any more."""
    theirs = {"controllerName": "a.b/c", "parentRef": {"name": "x"}, "conditions": []}
    written = encoded(_route(True), _body({"parents": [theirs]}, 1), OLD)
    assert [one["controllerName"] for one in written["parents"]] == ["a.b/c", "mesh.weft.dev/gateway"]
    assert encoded(None, _body(written, 1), NEW) == {"parents": [theirs]}


def test_a_gateway_has_addresses() -> None:
    """An address is an IP address or a host name."""
    written = encoded(GatewayStatus((), (), ("127.0.0.1", "gw.local")), _body({}, 1), OLD)
    assert written["addresses"] == [{"type": "IPAddress", "value": "127.0.0.1"}, {"type": "Hostname", "value": "gw.local"}]


def test_nothing_said_is_nothing_written() -> None:
    """The status of a resource that is not this mesh's stays as it is."""
    assert encoded(None, _body({"conditions": []}, 1), NEW) == {"conditions": []}


def test_conditions_that_others_set_stay() -> None:
    """A condition of a type that is not weft's is neither removed nor changed."""
    theirs = {"type": "a.b/Checked", "status": "True", "reason": "Fine", "message": "", "lastTransitionTime": OLD}
    said = SetStatus((Condition("Accepted", True, "Accepted"),), ())
    written = encoded(said, _body({"conditions": [theirs]}, 2), NEW)
    assert [one["type"] for one in written["conditions"]] == ["a.b/Checked", "Accepted"]
    assert written["conditions"][0] == theirs
