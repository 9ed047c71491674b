"""Envoy's RBAC rules of the policies that are for a port.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto

A port is known before there is a request, so what a rule says of ports is decided here. Where bytes are not read nobody knows
what is asked: a rule that allows by it allows nothing, one that denies by it denies whatever it asks, as Istio has it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from envoy.config.rbac.v3.rbac_pb2 import RBAC, Permission, Policy, Principal
from envoy.extensions.path.match.uri_template.v3.uri_template_match_pb2 import UriTemplateMatchConfig

from weft.compile.scope.inputs import Guard
from weft.envoy.types import packed
from weft.model import authorization as model
from weft.model.authorization import Action, AuthorizationPolicy, Condition, Conditions, Rule

JWT = "envoy.filters.http.jwt_authn"
JWT_PAYLOAD = "payload"
_ANY = {"safe_regex": {"regex": ".+"}}
_RBAC_ACTION = {Action.ALLOW: RBAC.ALLOW, Action.DENY: RBAC.DENY, Action.AUDIT: RBAC.LOG}
_OF_PERMISSION = (model.HOST, model.METHOD, model.PATH, model.DESTINATION_IP, model.SNI)


def rbac(of: Guard, action: Action, *, dry_run: bool = False) -> RBAC | None:
    """The rules of the policies with `action`; None when they decide nothing. ALLOW without a rule allows nothing."""
    chosen = [one for one in of.policies if one.action is action and one.dry_run is dry_run]
    said = {
        rule_name(one, index): made
        for one in chosen
        for index, rule in enumerate(one.rules)
        if (made := _policy(rule, action, of)) is not None
    }
    if not chosen or (not said and action is not Action.ALLOW):
        return None
    return RBAC(action=_RBAC_ACTION[action], policies=dict(sorted(said.items())))


def rule_name(of: AuthorizationPolicy, index: int) -> str:
    """What a rule is called in logs and answers, in Istio's form."""
    return f"ns[{of.namespace}]-policy[{of.name}]-rule[{index}]"


def _policy(of: Rule, action: Action, guarded: Guard) -> Policy | None:
    sources = _possible(of.sources, action, guarded)
    operations = _possible(of.operations, action, guarded)
    (when,) = _possible((of.when,), action, guarded) or (None,)
    if sources is None or operations is None or when is None:
        return None
    asked = tuple(one for one in when if one.attribute in _OF_PERMISSION)
    called = tuple(one for one in when if one.attribute not in _OF_PERMISSION)
    return Policy(
        permissions=[_permission((*one, *asked)) for one in operations or ((),)],
        principals=[_principal((*one, *called), guarded.trust_domain) for one in sources or ((),)],
    )


def _possible(any_of: Sequence[Conditions], action: Action, guarded: Guard) -> tuple[Conditions, ...] | None:
    """What of the alternatives is left to decide with a request; None when none of them can hold on this port."""
    left = [one for each in any_of if (one := _left(each, action, guarded)) is not None]
    return None if any_of and not left else tuple(left)


def _left(all_of: Conditions, action: Action, guarded: Guard) -> Conditions | None:
    left: list[Condition] = []
    for one in all_of:
        if one.attribute == model.PORT:
            if not _port_fits(one, guarded.ports):
                return None
        elif one.is_http and not guarded.is_http:
            if action is not Action.DENY:
                return None
        else:
            left.append(one)
    return tuple(left)


def _port_fits(of: Condition, ports: Iterable[int]) -> bool:
    known = {str(port) for port in ports}
    return (not of.values or bool(known & set(of.values))) and not known & set(of.not_values)


# what is asked


def _permission(all_of: Conditions) -> Permission:
    parts = [part for one in all_of for part in _both(one, _one_permission, "or_rules", "rules", "not_rule")]
    return Permission(**({"and_rules": {"rules": parts}} if parts else {"any": True}))


def _one_permission(of: Condition, value: str) -> dict[str, Any]:
    match of.attribute:
        case model.HOST:
            return {"header": _header(":authority", host_match(value))}
        case model.METHOD:
            return {"header": _header(":method", text(value))}
        case model.PATH if "{" in value:
            template = UriTemplateMatchConfig(path_template=value.replace("{*}", "*").replace("{**}", "**"))
            return {
                "uri_template": {"name": "envoy.path.match.uri_template.uri_template_matcher", "typed_config": packed(template)}
            }
        case model.PATH:
            return {"url_path": {"path": text(value)}}
        case model.DESTINATION_IP:
            return {"destination_ip": _cidr(value)}
        case _:
            return {"requested_server_name": text(value)}


def host_match(value: str) -> dict[str, Any]:
    """Hosts are compared without case; one that names no port is meant with any."""
    whole = re.escape(value.strip("*"))
    before, after = ".*" if value.startswith("*") else "", ".*" if value.endswith("*") and value != "*" else ""
    port = "" if after or re.search(r":\d+$", value) else r"(:\d+)?"
    return _ANY if value == "*" else {"safe_regex": {"regex": f"(?i){before}{whole}{after}{port}"}}


# who asks


def _principal(all_of: Conditions, trust_domain: str) -> Principal:
    def one_principal(of: Condition, value: str) -> dict[str, Any]:
        return _one_principal(of, value, trust_domain)

    parts = [part for one in all_of for part in _both(one, one_principal, "or_ids", "ids", "not_id")]
    return Principal(**({"and_ids": {"ids": parts}} if parts else {"any": True}))


def _one_principal(of: Condition, value: str, trust_domain: str) -> dict[str, Any]:
    match of.attribute:
        case model.PRINCIPAL:
            return _authenticated(_spiffe(value, trust_domain))
        case model.NAMESPACE:
            return _authenticated({"safe_regex": {"regex": f"spiffe://[^/]+/ns/{_wild(value)}/sa/.+"}})
        case model.SERVICE_ACCOUNT:
            namespace, _, account = value.partition("/")
            return _authenticated({"safe_regex": {"regex": f"spiffe://[^/]+/ns/{_wild(namespace)}/sa/{_wild(account)}"}})
        case model.SOURCE_IP:
            return {"direct_remote_ip": _cidr(value)}
        case model.REMOTE_IP:
            return {"remote_ip": _cidr(value)}
        case model.HEADER:
            return {"header": _header(of.keys[0].lower(), text(value))}
        case model.REQUEST_PRINCIPAL:
            return _request_principal(value)
        case model.AUDIENCES:
            return _claim(("aud",), value)
        case model.PRESENTER:
            return _claim(("azp",), value)
        case _:
            return _claim(of.keys, value)


def _spiffe(value: str, trust_domain: str) -> dict[str, Any]:
    """`cluster.local` stands for the trust domain of the mesh, whatever it is called."""
    if value == "*" or value.startswith("*"):
        return text(value)
    domain, slash, rest = value.partition("/")
    return text(f"spiffe://{trust_domain if domain == 'cluster.local' else domain}{slash}{rest}")


def _authenticated(name: dict[str, Any]) -> dict[str, Any]:
    return {"authenticated": {"principal_name": name}}


def _request_principal(value: str) -> dict[str, Any]:
    issuer, _, subject = value.rpartition("/") if value != "*" else ("*", "", "*")
    return {"and_ids": {"ids": [_claim(("iss",), issuer), _claim(("sub",), subject)]}}


def _claim(keys: tuple[str, ...], value: str) -> dict[str, Any]:
    """A claim of the token that was accepted: a text, or a list that has it."""
    path = [{"key": key} for key in (JWT_PAYLOAD, *keys)]
    said = {"string_match": text(value)}
    ids = [{"metadata": {"filter": JWT, "path": path, "value": each}} for each in (said, {"list_match": {"one_of": said}})]
    return {"or_ids": {"ids": ids}}


# both


def _both(of: Condition, one: Any, any_of: str, list_name: str, negation: str) -> list[dict[str, Any]]:
    """Any of the values, and none of the others."""
    parts = []
    for values, negated in ((of.values, False), (of.not_values, True)):
        if values:
            said = {any_of: {list_name: [one(of, value) for value in values]}}
            parts.append({negation: said} if negated else said)
    return parts


def _header(name: str, matcher: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "string_match": matcher}


def _cidr(value: str) -> dict[str, Any]:
    address, _, length = value.partition("/")
    return {"address_prefix": address, "prefix_len": {"value": int(length) if length else 128 if ":" in address else 32}}


def text(value: str) -> dict[str, Any]:
    """Envoy's matcher for a value as Istio writes it."""
    if value == "*":
        return dict(_ANY)
    if value.startswith("*"):
        return {"suffix": value[1:]}
    return {"prefix": value[:-1]} if value.endswith("*") else {"exact": value}


def _wild(value: str) -> str:
    """A pattern for one segment of a path."""
    return "[^/]+" if value == "*" else "[^/]*".join(re.escape(part) for part in value.split("*"))
