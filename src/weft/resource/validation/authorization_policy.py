"""The rules of AuthorizationPolicy. What cannot be enforced is refused: a policy that is ignored would let everybody in."""

import re
from collections.abc import Iterable
from ipaddress import ip_network

from weft.resource.field_path import child, item
from weft.resource.istio.authorization_policy import (
    AuthorizationPolicy,
    Condition,
    Operation,
    PolicyTargetReference,
    Rule,
    Source,
)
from weft.resource.istio.request_authentication import RequestAuthentication
from weft.resource.problems import Problems
from weft.resource.validation.labels import labels

_KEYS = (
    "source.ip", "source.namespace", "source.principal", "source.serviceAccount", "remote.ip", "request.auth.principal",
    "request.auth.audiences", "request.auth.presenter", "destination.ip", "destination.port", "connection.sni",
)  # fmt: skip
_BRACKETED = re.compile(
    r"request\.headers\[[^\[\]]+\]|(request\.auth\.claims|experimental\.envoy\.filters\.[\w.-]+)(\[[^\[\]]+\])+"
)
_TEMPLATE = re.compile(r"/[^{}*]*((\{\*\*?\})[^{}*]*)+")
_GATEWAY = ("gateway.networking.k8s.io", "Gateway")


def authorization_policy(spec: AuthorizationPolicy, problems: Problems) -> None:
    """Selector or targets, an action that can be enforced, and rules that say something."""
    attachment(spec, problems)
    if spec.action == "CUSTOM":
        if not spec.provider or not spec.provider.name:
            hint = "name one of the extensionProviders of the MeshConfig"
            problems.invalid("spec.provider", "CUSTOM does not say who decides", hint)
    elif spec.provider:
        problems.invalid("spec.provider", "a provider is for the action CUSTOM alone")
    for index, rule in enumerate(spec.rules):
        _rule(rule, item("spec.rules", index), problems)


def attachment(spec: AuthorizationPolicy | RequestAuthentication, problems: Problems) -> None:
    """Whom a policy is for: those with labels, or those that serve a Gateway."""
    labels(spec.selector.match_labels if spec.selector else {}, "spec.selector.matchLabels", problems)
    present = {
        "selector": spec.selector is not None,
        "targetRef": spec.target_ref is not None,
        "targetRefs": bool(spec.target_refs),
    }
    problems.conflict("spec", present)
    if spec.target_ref:
        _target(spec.target_ref, "spec.targetRef", problems)
    for index, target in enumerate(spec.target_refs):
        _target(target, item("spec.targetRefs", index), problems)


def _target(of: PolicyTargetReference, path: str, problems: Problems) -> None:
    if (of.group, of.kind) != _GATEWAY:
        hint = "select workloads with selector.matchLabels, or name a Gateway of gateway.networking.k8s.io"
        problems.invalid(child(path, "kind"), f"a policy cannot be attached to a {of.kind}: there is no waypoint", hint)
    if of.namespace:
        problems.invalid(child(path, "namespace"), "a policy is attached to what is in its own namespace")


def _rule(of: Rule, path: str, problems: Problems) -> None:
    for name, entries in (("from", of.from_), ("to", of.to)):
        if entries is not None and not entries:
            problems.invalid(child(path, name), "an empty list matches nothing", f"leave {name} out to match everything")
    for index, entry in enumerate(of.from_ or ()):
        _source(entry.source, f"{item(child(path, 'from'), index)}.source", problems)
    for index, to in enumerate(of.to or ()):
        _operation(to.operation, f"{item(child(path, 'to'), index)}.operation", problems)
    for index, when in enumerate(of.when):
        _condition(when, item(child(path, "when"), index), problems)


def _source(of: Source, path: str, problems: Problems) -> None:
    if of == Source():
        problems.invalid(path, "it says nothing of the caller", "leave it out to match every caller")
    for name in ("principals", "requestPrincipals", "namespaces"):
        _texts(of, name, path, problems)
    for name in ("ipBlocks", "remoteIpBlocks"):
        for place, value in _values(of, name, path):
            problems.invalid(place, _block(value))
    for place, value in _values(of, "serviceAccounts", path):
        problems.invalid(place, "wildcards have no meaning here" if "*" in value else "" if value else "it is empty")
    if (of.service_accounts or of.not_service_accounts) and (
        of.principals or of.not_principals or of.namespaces or of.not_namespaces
    ):
        problems.invalid(
            child(path, "serviceAccounts"), "it excludes principals and namespaces", "write the namespace as ns/account"
        )


def _operation(of: Operation, path: str, problems: Problems) -> None:
    if of == Operation():
        problems.invalid(path, "it says nothing of the request", "leave it out to match every request")
    for name in ("hosts", "methods"):
        _texts(of, name, path, problems)
    for place, value in _values(of, "paths", path):
        problems.invalid(place, path_problem(value), "exact, prefix*, *suffix, or a template with {*} and {**}")
    for place, value in _values(of, "ports", path):
        problems.invalid(place, _port(value))


def _condition(of: Condition, path: str, problems: Problems) -> None:
    if of.key not in _KEYS and not _BRACKETED.fullmatch(of.key):
        hint = "one of " + ", ".join((*_KEYS, "request.headers[NAME]", "request.auth.claims[NAME]"))
        problems.invalid(child(path, "key"), f"{of.key!r} is no attribute of a request that weft knows", hint)
    if not of.values and not of.not_values:
        problems.invalid(path, "it has neither values nor notValues")
    check = _block if of.key.endswith(".ip") else _port if of.key == "destination.port" else text_problem
    for place, value in _values(of, "values", path):
        problems.invalid(place, check(value))


def _values(of: object, name: str, path: str) -> Iterable[tuple[str, str]]:
    """The values of a list and of its negation, each with its place."""
    attribute = re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), name)
    negation = "not" + name[0].upper() + name[1:]
    for shown, said in ((name, attribute), (negation, f"not_{attribute}")):
        for index, value in enumerate(getattr(of, said)):
            yield item(child(path, shown), index), value


def _texts(of: object, name: str, path: str, problems: Problems) -> None:
    for place, value in _values(of, name, path):
        problems.invalid(place, text_problem(value))


def text_problem(value: str) -> str:
    """What is wrong with a value that may be exact, `prefix*` or `*suffix`; empty: nothing."""
    if not value:
        return "it is empty"
    return "a * may stand at one end only" if "*" in value[1:-1] or (len(value) > 1 and value[0] == value[-1] == "*") else ""


def path_problem(value: str) -> str:
    """What is wrong with a value of paths; empty: nothing."""
    if "{" in value or "}" in value:
        return "" if _TEMPLATE.fullmatch(value) else f"{value[:60]!r} is no template"
    return text_problem(value)


def _port(value: str) -> str:
    fits = value.isascii() and value.isdigit() and len(value) <= 5 and 1 <= int(value) <= 65535
    return "" if fits else f"{value[:40]!r} is not a port: a number between 1 and 65535"


def _block(value: str) -> str:
    try:
        ip_network(value, strict=False)
    except ValueError:
        return f"{value[:60]!r} is neither an IP address nor a block such as 10.0.0.0/8"
    return ""
