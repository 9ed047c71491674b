"""The rules of RateLimit. What cannot be counted is refused: a limit that is ignored would protect nobody."""

import re
from collections.abc import Iterable

from weft.resource import names
from weft.resource.field_path import child, item
from weft.resource.problems import Problems
from weft.resource.validation.authorization_policy import path_problem, text_problem
from weft.resource.validation.http_route import string_match
from weft.resource.validation.labels import duplicates, labels
from weft.resource.weft.rate_limit import Limit, RateLimit, RateLimitRule, RequestMatch

_KEYS = ("source.principal", "remote.ip", "request.url_path", "request.method", "request.host", "request.auth.principal")
_BRACKETED = re.compile(r"(request\.headers(\[[^\[\]]+\])|request\.auth\.claims(\[[^\[\]]+\])+)")
_TARGETS = (("", "Service"), ("gateway.networking.k8s.io", "Gateway"))
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_MOST_KEYS = 4


def rate_limit(spec: RateLimit, problems: Problems) -> None:
    """Selector or targets, and rules that can be counted."""
    labels(spec.selector.match_labels if spec.selector else {}, "spec.selector.matchLabels", problems)
    problems.conflict("spec", {"selector": spec.selector is not None, "targetRefs": bool(spec.target_refs)})
    for index, target in enumerate(spec.target_refs):
        path = item("spec.targetRefs", index)
        if (target.group, target.kind) not in _TARGETS:
            hint = "name a Service, or a Gateway of gateway.networking.k8s.io, or select workloads with selector.matchLabels"
            problems.invalid(child(path, "kind"), f"a rate limit cannot be attached to a {target.kind}", hint)
        if target.namespace:
            problems.invalid(child(path, "namespace"), "a rate limit is attached to what is in its own namespace")
    if not spec.rules:
        problems.invalid("spec.rules", "there is no rule: nothing is limited", "rules: [{limit: {requests: 100}}]")
    if spec.mode == "LOCAL" and spec.on_limiter_failure == "DENY":
        why = "a local limit asks no limiter"
        problems.add("no-effect", "spec.onLimiterFailure", name="onLimiterFailure", why=why, hint="mode: GLOBAL counts together")
    duplicates([(one.name, item("spec.rules", i)) for i, one in enumerate(spec.rules) if one.name], "the rule", problems)
    for index, rule in enumerate(spec.rules):
        _rule(rule, spec.mode == "GLOBAL", item("spec.rules", index), problems)
        if rule.limit.connections is not None and spec.shadow and spec.mode == "LOCAL":
            hint = "mode: GLOBAL counts without refusing"
            problems.invalid("spec.shadow", "a proxy by itself cannot count connections without refusing them", hint)


def _rule(of: RateLimitRule, is_global: bool, path: str, problems: Problems) -> None:
    if of.name and not _NAME.fullmatch(of.name):
        problems.invalid(child(path, "name"), "a name is up to 63 letters, digits, - _ and .")
    _limit(of.limit, child(path, "limit"), problems)
    for index, key in enumerate(of.per):
        place = item(child(path, "per"), index)
        if key not in _KEYS and not _BRACKETED.fullmatch(key):
            hint = "one of " + ", ".join((*_KEYS, "request.headers[NAME]", "request.auth.claims[NAME]"))
            problems.invalid(place, f"{key[:60]!r} is nothing that requests are counted by", hint)
        elif key.startswith("request.headers["):
            problems.invalid(place, names.header(key[len("request.headers[") : -1]))
    if len(of.per) > _MOST_KEYS:
        problems.invalid(child(path, "per"), f"at most {_MOST_KEYS} attributes can be counted by together")
    duplicates([(one, item(child(path, "per"), i)) for i, one in enumerate(of.per)], "the attribute", problems)
    if of.match:
        _match(of.match, child(path, "match"), problems)
    if of.limit.connections is not None:
        _of_connections(of, is_global, path, problems)


def _limit(of: Limit, path: str, problems: Problems) -> None:
    given = {"requests": of.requests is not None, "connections": of.connections is not None}
    if not problems.conflict(path, given, "write two rules") and not any(given.values()):
        problems.invalid(path, "it has neither requests nor connections", "requests: 100")


def _match(of: RequestMatch, path: str, problems: Problems) -> None:
    if of == RequestMatch():
        problems.invalid(path, "it says nothing of the request", "leave it out to count every request")
    for name, values in (("hosts", of.hosts), ("methods", of.methods)):
        for index, value in enumerate(values):
            problems.invalid(item(child(path, name), index), text_problem(value))
    for index, value in enumerate(of.paths):
        hint = "exact, prefix*, *suffix, or a template with {*} and {**}"
        problems.invalid(item(child(path, "paths"), index), path_problem(value), hint)
    for header, wanted in of.headers.items():
        place = child(child(path, "headers"), header)
        problems.invalid(place, names.header(header))
        string_match(wanted, place, problems)


def _of_connections(of: RateLimitRule, is_global: bool, path: str, problems: Problems) -> None:
    """Of a connection only its other end is known when it is opened."""
    if of.match and (of.match.hosts or of.match.methods or of.match.paths or of.match.headers):
        problems.invalid(child(path, "match"), "connections are opened before anything is asked", "match by ports alone")
    for place, key in _places(of.per, child(path, "per")):
        if key != "remote.ip":
            problems.invalid(place, f"of a new connection {key[:60]} is not known", "connections are counted per remote.ip")
        elif not is_global:
            hint = "mode: GLOBAL counts connections of each address"
            problems.invalid(place, "a proxy by itself counts connections all together only", hint)


def _places(values: Iterable[str], path: str) -> Iterable[tuple[str, str]]:
    return ((item(path, index), value) for index, value in enumerate(values))
