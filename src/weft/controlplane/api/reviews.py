"""What a client may do, as `kubectl auth can-i` and `kubectl auth whoami` ask it (see `roles`).

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from collections.abc import Mapping, Sequence
from typing import Any

from weft.controlplane.api.caller import Caller, Role
from weft.controlplane.api.discovery import VERBS
from weft.controlplane.api.roles import permits, permits_page
from weft.controlplane.api.status import bad_request
from weft.resource.kind import Kind

Json = dict[str, Any]
PATHS = (
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
)


def review(asked: Any, caller: Caller, kinds: Sequence[Kind]) -> Json:
    """The answer to one of the three reviews, by its kind. Raises Refused (400)."""
    match asked:
        case {"kind": "SelfSubjectAccessReview", "spec": Mapping() as spec}:
            return _answered(asked, _access(spec, caller.role, kinds))
        case {"kind": "SelfSubjectRulesReview"}:
            return _answered(asked, _rules(caller.role, kinds))
        case {"kind": "SelfSubjectReview"}:
            return _answered(asked, {"userInfo": {"username": caller.name, "groups": ["system:authenticated", *caller.groups]}})
    raise bad_request("this is none of SelfSubjectAccessReview, SelfSubjectRulesReview, SelfSubjectReview")


def _answered(asked: Mapping[str, Any], status: Json) -> Json:
    return {**asked, "metadata": {}, "status": status}


def _access(spec: Mapping[str, Any], role: Role | None, kinds: Sequence[Kind]) -> Json:
    """Access to a resource that is served, or to a path."""
    path, wanted = spec.get("nonResourceAttributes"), spec.get("resourceAttributes")
    if isinstance(path, Mapping):
        method = "GET" if str(path.get("verb", "get")).lower() == "get" else "POST"
        return {"allowed": permits_page(role, method, str(path.get("path", "/")))}
    if not isinstance(wanted, Mapping):
        return {"allowed": role is not None}
    group, resource, verb = (str(wanted.get(name) or "*") for name in ("group", "resource", "verb"))
    known = [kind for kind in kinds if resource in ("*", kind.plural) and group in ("*", kind.group or "*")]
    if not known:
        return {"allowed": False, "reason": f"weft has no {resource}"}
    if verb not in ("*", *VERBS):
        return {"allowed": False, "reason": f"weft knows no verb {verb}"}
    place = str(wanted.get("namespace") or "")
    wide = [one for one in VERBS if verb in ("*", one)]
    return {"allowed": all(permits(role, one, kind, place) for kind in known for one in wide)}


def _rules(role: Role | None, kinds: Sequence[Kind]) -> Json:
    rules = [
        {"verbs": verbs, "apiGroups": [kind.group], "resources": [kind.plural, f"{kind.plural}/status"]}
        for kind in kinds
        if (verbs := [verb for verb in VERBS if permits(role, verb, kind, "")])
    ]
    paths = {"verbs": ["get"], "nonResourceURLs": ["*"]}
    return {"resourceRules": rules, "nonResourceRules": [paths] if role else [], "incomplete": False}
