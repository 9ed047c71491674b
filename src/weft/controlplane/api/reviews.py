"""What a client may do, as `kubectl auth can-i` and `kubectl auth whoami` ask it: whoever presented a certificate of the API's
authority may do everything that is served.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from collections.abc import Mapping, Sequence
from typing import Any

from weft.controlplane.api.discovery import VERBS
from weft.controlplane.api.status import bad_request
from weft.resource.kind import Kind

Json = dict[str, Any]
PATHS = (
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
)


def review(asked: Any, peer: str, kinds: Sequence[Kind]) -> Json:
    """The answer to one of the three reviews, by its kind. `peer`: the name in the client's certificate. Raises Refused (400)."""
    match asked:
        case {"kind": "SelfSubjectAccessReview", "spec": Mapping() as spec}:
            return _answered(asked, _access(spec.get("resourceAttributes"), kinds))
        case {"kind": "SelfSubjectRulesReview"}:
            return _answered(asked, _rules(kinds))
        case {"kind": "SelfSubjectReview"}:
            return _answered(asked, {"userInfo": {"username": peer, "groups": ["system:authenticated", "system:masters"]}})
    raise bad_request("this is none of SelfSubjectAccessReview, SelfSubjectRulesReview, SelfSubjectReview")


def _answered(asked: Mapping[str, Any], status: Json) -> Json:
    return {**asked, "metadata": {}, "status": status}


def _access(wanted: Any, kinds: Sequence[Kind]) -> Json:
    """Access to a resource that is served is allowed, and so is every path."""
    if not isinstance(wanted, Mapping):
        return {"allowed": True}
    group, resource, verb = (str(wanted.get(name) or "*") for name in ("group", "resource", "verb"))
    known = resource == "*" or any(resource == kind.plural and group in ("*", kind.group or "*") for kind in kinds)
    if known and (verb == "*" or verb in VERBS):
        return {"allowed": True}
    return {"allowed": False, "reason": f"weft has no {resource}" if not known else f"weft knows no verb {verb}"}


def _rules(kinds: Sequence[Kind]) -> Json:
    rules = [{"verbs": VERBS, "apiGroups": [kind.group], "resources": [kind.plural, f"{kind.plural}/status"]} for kind in kinds]
    paths = {"verbs": ["get"], "nonResourceURLs": ["*"]}
    return {"resourceRules": rules, "nonResourceRules": [paths], "incomplete": False}
