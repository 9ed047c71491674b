"""Lets pass or refuses, as the authorization policies of the workload say.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rbac_filter

One filter for each action, DENY before ALLOW. They stand in the chain switched off; the rules are in the route configuration,
so that a policy holds for the next request on connections that are open, too: those of a changed listener go on as they were.
The answer to a refused request names the rule: Envoy keeps it in the details of the response, and nowhere else when it refuses.
"""

from typing import Any

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLogFilter
from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.extensions.access_loggers.filters.cel.v3.cel_pb2 import ExpressionFilter
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC, RBACPerRoute
from envoy.extensions.filters.http.set_filter_state.v3.set_filter_state_pb2 import Config as SetFilterState
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from envoy.extensions.filters.network.rbac.v3.rbac_pb2 import RBAC as NetworkRBAC
from google.protobuf.any_pb2 import Any as AnyMessage

from weft.compile.authorization import rbac
from weft.compile.scope.screening_inputs import Guard
from weft.envoy.types import packed
from weft.model.authorization import Action

NAME = "envoy.filters.http.rbac"
NETWORK_NAME = "envoy.filters.network.rbac"
DENIED_BY = "x-weft-denied-by"
AUDITED = "weft_audit_"
_ORDER = (Action.AUDIT, Action.DENY, Action.ALLOW)
DRY_RUN_DENY, DRY_RUN_ALLOW = "istio_dry_run_deny_", "istio_dry_run_allow_"
ALLOWING = "weft.allowing"
_ALLOWING = f"%FILTER_STATE({ALLOWING}:PLAIN)%"


def audit() -> HttpFilter:
    """The filter of the action AUDIT."""
    return _filter(Action.AUDIT)


def deny() -> HttpFilter:
    """The filter of the action DENY."""
    return _filter(Action.DENY)


def allow() -> HttpFilter:
    """The filter of the action ALLOW."""
    return _filter(Action.ALLOW)


def naming() -> HttpFilter:
    """The filter that keeps the names of the policies which might allow a request, for the answer when none does."""
    return HttpFilter(name=ALLOWING, disabled=True, typed_config=packed(SetFilterState()))


def _filter(of: Action) -> HttpFilter:
    """What no rule allowed is counted apart from what one denied."""
    prefix = "unallowed." if of is Action.ALLOW else ""
    config = RBAC(track_per_rule_stats=True, rules_stat_prefix=prefix)
    return HttpFilter(name=_name(of), disabled=True, typed_config=packed(config))


def _name(of: Action) -> str:
    return NAME if of is Action.ALLOW else f"{NAME}.{of.value.lower()}"


def per_route(of: Guard) -> dict[str, AnyMessage]:
    """What a route configuration says to the filters that have something to decide."""
    rules = {action: RBAC(track_per_rule_stats=True, **parts) for action, parts in _rules(of)}
    return {_name(action): packed(RBACPerRoute(rbac=one)) for action, one in rules.items()} | _allowing(of)


def _allowing(of: Guard) -> dict[str, AnyMessage]:
    names = [f"{one.namespace}/{one.name}" for one in of.policies if one.action is Action.ALLOW and not one.dry_run]
    if not names:
        return {}
    text = {"text_format_source": {"inline_string": ", ".join(names).replace("%", "%%")}}
    value = {"object_key": ALLOWING, "factory_key": "envoy.string", "format_string": text}
    return {ALLOWING: packed(SetFilterState(on_request_headers=[value]))}


def network_rbac(of: Guard, stat_prefix: str) -> list[Filter]:
    """The filters of a port whose bytes are not read."""
    return [
        Filter(
            name=f"{NETWORK_NAME}.{action.value.lower()}",
            typed_config=packed(NetworkRBAC(stat_prefix=f"{stat_prefix}.", **parts)),
        )
        for action, parts in _rules(of)
    ]


def _rules(of: Guard) -> list[tuple[Action, dict[str, Any]]]:
    made = ((action, _parts(action, of)) for action in _ORDER)
    return [(action, parts) for action, parts in made if parts]


def _parts(action: Action, of: Guard) -> dict[str, Any]:
    """AUDIT and dry runs are shadows: Envoy says what they would do, and does nothing."""
    enforced, shadow = rbac(of, action), rbac(of, action, dry_run=True)
    prefix = DRY_RUN_ALLOW if action is Action.ALLOW else DRY_RUN_DENY
    if action is Action.AUDIT:
        enforced, shadow, prefix = None, enforced, AUDITED
    parts: dict[str, Any] = {}
    if enforced is not None:
        parts["rules"] = enforced
    if shadow is not None:
        parts |= {"shadow_rules": shadow, "shadow_rules_stat_prefix": prefix}
    return parts


def denials(explain: bool) -> list[dict[str, Any]]:
    """How the answers to refused requests are worded: which rule refused it, or whose rules did not allow it. `explain`: the
    answer's headers say so, too."""
    nobody = f"no rule of AuthorizationPolicy {_ALLOWING} allows it"
    none = "response.code_details == 'rbac_access_denied_matched_policy[none]'"
    some = "response.code_details.startsWith('rbac_access_denied_matched_policy')"
    return [_mapper(none, nobody, explain), _mapper(some, "%RESPONSE_CODE_DETAILS%", explain)]


def _mapper(expression: str, words: str, explain: bool) -> dict[str, Any]:
    condition = AccessLogFilter(
        extension_filter={
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": packed(ExpressionFilter(expression=expression)),
        }
    )
    body = {"text_format_source": {"inline_string": f"weft: access denied: {words}\n"}}
    headers = [{"header": {"key": DENIED_BY, "value": words}}] if explain else []
    return {"filter": condition, "body_format_override": body, "headers_to_add": headers}
