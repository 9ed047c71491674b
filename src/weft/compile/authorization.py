"""Envoy's RBAC rules of the policies that are for a port.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto

A port is known before there is a request, so what a rule says of ports is decided here. Where bytes are not read nobody knows
what is asked: a rule that allows by it allows nothing, another (one that denies, say) holds whatever it asks, as Istio has it.

What a rule denies is matched widely and what it allows narrowly, unless the mesh says how paths are normalized (`path_match`).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from envoy.config.rbac.v3.rbac_pb2 import RBAC, Permission, Policy, Principal

from weft.compile import path_match
from weft.compile.path_match import text
from weft.compile.scope.screening_inputs import Guard
from weft.model import authorization as model
from weft.model.authorization import Action, AuthorizationPolicy, Condition, Conditions, Rule

JWT = "envoy.filters.http.jwt_authn"
JWT_PAYLOAD = "payload"
_ANY = text("*")
_OF_PERMISSION = (model.HOST, model.METHOD, model.PATH, model.DESTINATION_IP, model.SNI, model.FILTER)
_CERTAIN = {"not_rule": {"url_path": {"path": path_match.unresolved()}}}
Matcher = Callable[[Condition, str, bool], dict[str, Any]]
"""What a value of a condition becomes; the last: it is matched widely."""


def rbac(of: Guard, action: Action, *, dry_run: bool = False, provider: str = "") -> RBAC | None:
    """The rules of the policies with `action`; None when they decide nothing. ALLOW without a rule allows nothing. What is not
    allowed is to be denied: of AUDIT and dry runs that is what a filter is told which only looks; of CUSTOM about what the
    authorizer `provider` is asked. What selects requests for somebody who cannot be asked denies them."""
    chosen = [one for one in of.policies if one.dry_run is dry_run and _is_of(one, of, action, provider)]
    said = {
        rule_name(one, index): made
        for one in chosen
        for index, rule in enumerate(one.rules)
        if (made := _policy(rule, action, of)) is not None
    }
    if not chosen or (not said and action is not Action.ALLOW):
        return None
    return RBAC(action=RBAC.ALLOW if action is Action.ALLOW else RBAC.DENY, policies=dict(sorted(said.items())))


def _is_of(one: AuthorizationPolicy, of: Guard, action: Action, provider: str) -> bool:
    if one.action is Action.CUSTOM and action is Action.DENY:
        return one.provider not in {asked.authorizer.name for asked in of.asked}
    return one.action is action and (action is not Action.CUSTOM or one.provider == provider)


def rule_name(of: AuthorizationPolicy, index: int) -> str:
    """What a rule is called in logs and answers, in Istio's form."""
    return f"ns[{of.namespace}]-policy[{of.name}]-rule[{index}]"


def _policy(of: Rule, action: Action, guarded: Guard) -> Policy | None:
    sources = _possible(of.sources, action, guarded)
    operations = _possible(of.operations, action, guarded)
    (when,) = _possible((of.when,), action, guarded) or (None,)
    if sources is None or operations is None or when is None:
        return None
    denies = action is not Action.ALLOW
    asked = tuple(one for one in when if one.attribute in _OF_PERMISSION)
    called = tuple(one for one in when if one.attribute not in _OF_PERMISSION)
    return Policy(
        permissions=[_permission((*one, *asked), guarded, denies) for one in operations or ((),)],
        principals=[_principal((*one, *called), guarded, denies) for one in sources or ((),)],
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
            if action is Action.ALLOW:
                return None
        else:
            left.append(one)
    return tuple(left)


def _port_fits(of: Condition, ports: Iterable[int]) -> bool:
    known = {str(port) for port in ports}
    return (not of.values or bool(known & set(of.values))) and not known & set(of.not_values)


# what is asked


def _permission(all_of: Conditions, guarded: Guard, denies: bool) -> Permission:
    def one_permission(of: Condition, value: str, wide: bool) -> dict[str, Any]:
        return _one_permission(of, value, wide and not guarded.literal, literal=guarded.literal)

    parts = [part for one in all_of for part in _both(one, one_permission, denies, ("or_rules", "rules", "not_rule"))]
    return Permission(**({"and_rules": {"rules": parts}} if parts else {"any": True}))


def _one_permission(of: Condition, value: str, widely: bool, *, literal: bool) -> dict[str, Any]:
    match of.attribute:
        case model.HOST:
            return {"header": _header(":authority", path_match.host(value, widely=widely))}
        case model.METHOD:
            return {"header": _header(":method", text(value, widely=widely))}
        case model.PATH:
            return _path(value, widely, literal)
        case model.DESTINATION_IP:
            return {"destination_ip": _cidr(value)}
        case model.FILTER:
            return {"metadata": _filter_metadata(of.keys, value)}
        case _:
            return {"requested_server_name": text(value)}


def _path(value: str, widely: bool, literal: bool) -> dict[str, Any]:
    if widely:
        return {"url_path": {"path": path_match.path_widely(value)}}
    said = {"url_path": {"path": path_match.path(value)}}
    is_exact = "*" not in value
    return said if literal or is_exact else {"and_rules": {"rules": [said, _CERTAIN]}}


def _filter_metadata(keys: tuple[str, ...], value: str) -> dict[str, Any]:
    """What a filter of Envoy says of a request or connection: a text, or a list that has it (`[value]`)."""
    name, *path = keys
    of_list = value.startswith("[") and value.endswith("]")
    said = {"string_match": text(value[1:-1] if of_list else value)}
    return {
        "filter": name,
        "path": [{"key": key} for key in path],
        "value": {"list_match": {"one_of": said}} if of_list else said,
    }


# who asks


def _principal(all_of: Conditions, guarded: Guard, denies: bool) -> Principal:
    def one_principal(of: Condition, value: str, wide: bool) -> dict[str, Any]:
        return _one_principal(of, value, guarded)

    parts = [part for one in all_of for part in _both(one, one_principal, denies, ("or_ids", "ids", "not_id"))]
    return Principal(**({"and_ids": {"ids": parts}} if parts else {"any": True}))


def _one_principal(of: Condition, value: str, guarded: Guard) -> dict[str, Any]:
    match of.attribute:
        case model.PRINCIPAL:
            names = [_authenticated(one) for one in _spiffe(value, guarded)]
            return names[0] if len(names) == 1 else {"or_ids": {"ids": names}}
        case model.NAMESPACE:
            return _authenticated({"safe_regex": {"regex": f"spiffe://{_own(guarded)}/ns/{_wild(value)}/sa/.+"}})
        case model.SERVICE_ACCOUNT:
            namespace, _, account = value.partition("/")
            path = f"/ns/{_wild(namespace)}/sa/{_wild(account)}"
            return _authenticated({"safe_regex": {"regex": f"spiffe://{_own(guarded)}{path}"}})
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


def _spiffe(value: str, guarded: Guard) -> tuple[dict[str, Any], ...]:
    """`cluster.local` stands for the trust domain of the mesh, whatever it is called, and so does each of its aliases."""
    if value == "*" or value.startswith("*"):
        return (text(value),)
    domain, slash, rest = value.partition("/")
    own = (guarded.trust_domain, *guarded.aliases)
    meant = own if domain in ("cluster.local", *own) else (domain,)
    return tuple(text(f"spiffe://{one}{slash}{rest}") for one in meant)


def _own(guarded: Guard) -> str:
    """The trust domains whose namespaces are the mesh's: any, where no other workload gets in."""
    if not guarded.federated:
        return "[^/]+"
    names = "|".join(re.escape(one) for one in (guarded.trust_domain, *guarded.aliases))
    return f"({names})" if guarded.aliases else names


def _authenticated(name: dict[str, Any]) -> dict[str, Any]:
    return {"authenticated": {"principal_name": name}}


def _request_principal(value: str) -> dict[str, Any]:
    """`issuer/subject`: where the one ends is not written, so each slash may be the place; a wildcard stands in one of them."""
    if value == "*":
        return _issuer_and_subject("*", "*")
    pairs = [(value[:at], value[at + 1 :]) for at, letter in enumerate(value) if letter == "/" and value[:at] and value[at + 1 :]]
    pairs += [(value, "*")] if value.endswith("*") else [("*", value)] if value.startswith("*") else []
    return {"or_ids": {"ids": [_issuer_and_subject(issuer, subject) for issuer, subject in pairs or [(value, "")]]}}


def _issuer_and_subject(issuer: str, subject: str) -> dict[str, Any]:
    return {"and_ids": {"ids": [_claim(("iss",), issuer), _claim(("sub",), subject)]}}


def _claim(keys: tuple[str, ...], value: str) -> dict[str, Any]:
    """A claim of the token that was accepted: a text, or a list that has it."""
    path = [{"key": key} for key in (JWT_PAYLOAD, *keys)]
    said = {"string_match": text(value)}
    ids = [{"metadata": {"filter": JWT, "path": path, "value": each}} for each in (said, {"list_match": {"one_of": said}})]
    return {"or_ids": {"ids": ids}}


# both


def _both(of: Condition, one: Matcher, denies: bool, words: tuple[str, str, str]) -> list[dict[str, Any]]:
    """Any of the values, and none of the others: what is excepted from a wide match is matched narrowly."""
    any_of, list_name, negation = words
    parts = []
    for values, negated in ((of.values, False), (of.not_values, True)):
        if values:
            said = {any_of: {list_name: [one(of, value, denies is not negated) for value in values]}}
            parts.append({negation: said} if negated else said)
    return parts


def _header(name: str, matcher: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "string_match": matcher}


def _cidr(value: str) -> dict[str, Any]:
    address, _, length = value.partition("/")
    return {"address_prefix": address, "prefix_len": {"value": int(length) if length else 128 if ":" in address else 32}}


def _wild(value: str) -> str:
    """A pattern for one segment of a path."""
    return "[^/]+" if value == "*" else "[^/]*".join(re.escape(part) for part in value.split("*"))
