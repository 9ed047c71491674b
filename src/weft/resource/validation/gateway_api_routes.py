"""The rules of all kinds of routes, as their CustomResourceDefinitions enforce them."""

import re
from collections.abc import Iterable

from weft.resource import names, regex
from weft.resource.duration import seconds
from weft.resource.field_path import below, child, item
from weft.resource.gateway_api.grpc_route import GrpcBackendRef, GrpcMethodMatch, GrpcRoute, GrpcRouteRule
from weft.resource.gateway_api.http_route import (
    HttpBackendRef,
    HttpNamedMatch,
    HttpPathMatch,
    HttpRoute,
    HttpRouteRule,
    HttpRouteTimeouts,
    SessionPersistence,
)
from weft.resource.gateway_api.reference import ParentReference
from weft.resource.gateway_api.route_filter import GrpcRouteFilter, HttpRouteFilter
from weft.resource.gateway_api.tcp_route import TcpRoute
from weft.resource.gateway_api.tls_route import TlsRoute
from weft.resource.gateway_api.udp_route import UdpRoute
from weft.resource.problems import Problems
from weft.resource.validation import route_filter
from weft.resource.validation.gateway_api import hostname
from weft.resource.validation.labels import duplicates

_REFUSED_IN_PATH = ("//", "/./", "/../", "%2f", "%2F", "#")
_SERVICE = re.compile(r"[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*", re.ASCII)
_METHOD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*", re.ASCII)


def http_route(spec: HttpRoute, problems: Problems) -> None:
    """Parents, host names, and each rule."""
    _route(spec, problems)
    for index, rule in enumerate(spec.rules):
        path = item("spec.rules", index)
        for number, match in enumerate(rule.matches):
            place = item(child(path, "matches"), number)
            if match.path is not None:
                _path(match.path, child(place, "path"), problems)
            _named(match.headers, child(place, "headers"), problems, headers=True)
            _named(match.query_params, child(place, "queryParams"), problems)
        route_filter.filters(rule.filters, child(path, "filters"), problems)
        _together(rule, path, problems)
        _backends(rule.backend_refs, child(path, "backendRefs"), problems)
        if rule.timeouts is not None:
            _timeouts(rule.timeouts, child(path, "timeouts"), problems)
        if rule.session_persistence is not None:
            _session(rule.session_persistence, child(path, "sessionPersistence"), problems)


def grpc_route(spec: GrpcRoute, problems: Problems) -> None:
    """Parents, host names, and each rule."""
    _route(spec, problems)
    for index, rule in enumerate(spec.rules):
        path = item("spec.rules", index)
        for number, match in enumerate(rule.matches):
            place = item(child(path, "matches"), number)
            if match.method is not None:
                _method(match.method, child(place, "method"), problems)
            _named(match.headers, child(place, "headers"), problems, headers=True)
        route_filter.filters(rule.filters, child(path, "filters"), problems)
        _backends(rule.backend_refs, child(path, "backendRefs"), problems)
        if rule.session_persistence is not None:
            _session(rule.session_persistence, child(path, "sessionPersistence"), problems)


def tls_route(spec: TlsRoute, problems: Problems) -> None:
    """Host names, and what other routes of connections have."""
    _hostnames(spec.hostnames, problems)
    l4_route(spec, problems)


def l4_route(spec: TlsRoute | TcpRoute | UdpRoute, problems: Problems) -> None:
    """Parents, and rules that share out connections; with several rules the first is taken."""
    _parents(spec.parent_refs, problems)
    if not spec.rules:
        problems.invalid("spec.rules", "a rule is needed")
    for index, rule in enumerate(spec.rules):
        path = item("spec.rules", index)
        if index:
            problems.add("no-effect", path, name="the rule", why="connections are not told apart: the first rule takes them all",
                         hint="write one rule with several backendRefs")  # fmt: skip
        if not rule.backend_refs:
            problems.invalid(child(path, "backendRefs"), "at least one backend is needed")
        if isinstance(spec, UdpRoute) and len([one for one in rule.backend_refs if one.weight]) > 1:
            effect = "the one with the greatest weight has all datagrams"
            several = f"{len(rule.backend_refs)} backends"
            problems.add("unsupported-value", child(path, "backendRefs"), value=several, effect=effect, hint="")
        for number, one in enumerate(rule.backend_refs):
            route_filter.backend(one, item(child(path, "backendRefs"), number), problems)


def _route(spec: HttpRoute | GrpcRoute, problems: Problems) -> None:
    """What routes of requests have."""
    _parents(spec.parent_refs, problems)
    _hostnames(spec.hostnames, problems)
    if not spec.rules:
        problems.invalid("spec.rules", "at least one rule is needed")
    rules: tuple[HttpRouteRule | GrpcRouteRule, ...] = spec.rules
    duplicates([(rule.name, f"spec.rules[{index}].name") for index, rule in enumerate(rules)], "the rule", problems)


def _hostnames(hostnames: tuple[str, ...], problems: Problems) -> None:
    for index, one in enumerate(hostnames):
        problems.invalid(item("spec.hostnames", index), hostname(one))


def _parents(parents: tuple[ParentReference, ...], problems: Problems) -> None:
    """Several references to one parent must tell its sections or ports apart."""
    for index, one in enumerate(parents):
        same = [other for other in parents if _of(other) == _of(one)]
        path = item("spec.parentRefs", index)
        if len(same) > 1 and not all(other.section_name or other.port for other in same):
            problem = f"{one.kind} {one.name} stands here {len(same)} times: each needs a sectionName or a port"
            problems.invalid(path, problem)
        elif one in parents[:index]:
            problems.add("duplicate", path, what="the parent", name=one.name, hint="")
        if one.namespace:
            problems.invalid(child(path, "namespace"), names.label(one.namespace))


def _of(parent: ParentReference) -> tuple[str, ...]:
    return parent.group, parent.kind, parent.namespace, parent.name


def _path(match: HttpPathMatch, path: str, problems: Problems) -> None:
    value = match.value
    if match.type == "RegularExpression":
        if problem := regex.problem(value):
            problems.invalid(child(path, "value"), f"{value[:60]!r} is not a regular expression: {problem}")
        return
    if not value.startswith("/"):
        problems.invalid(child(path, "value"), f"{value[:60]!r} is not a path: it begins with /")
    elif found := [part for part in _REFUSED_IN_PATH if part in value]:
        problems.invalid(child(path, "value"), f"a path to compare with has no {found[0]}")
    elif value.endswith(("/.", "/..")):
        problems.invalid(child(path, "value"), "a path to compare with does not end in /. or /..")


def _named(matches: Iterable[HttpNamedMatch], path: str, problems: Problems, *, headers: bool = False) -> None:
    seen: list[tuple[str, str]] = []
    for index, one in enumerate(matches):
        place = item(path, index)
        problems.invalid(child(place, "name"), names.header(one.name))
        seen.append((one.name.lower() if headers else one.name, child(place, "name")))
        if one.type == "RegularExpression" and (problem := regex.problem(one.value)):
            problems.invalid(child(place, "value"), f"{one.value[:60]!r} is not a regular expression: {problem}")
    duplicates(seen, "the header" if headers else "the query parameter", problems)


def _method(match: GrpcMethodMatch, path: str, problems: Problems) -> None:
    if not match.service and not match.method:
        problems.invalid(path, "service or method is needed")
    for name, value, form in (("service", match.service, _SERVICE), ("method", match.method, _METHOD)):
        if match.type == "RegularExpression":
            if value and (problem := regex.problem(value)):
                problems.invalid(child(path, name), f"{value[:60]!r} is not a regular expression: {problem}")
        elif value and not form.fullmatch(value):
            problems.invalid(child(path, name), f"{value[:60]!r} is not the name of a {name}")


def _together(rule: HttpRouteRule, path: str, problems: Problems) -> None:
    """Which filters exclude backends, each other, or other matches than one prefix."""
    redirects = [one.request_redirect for one in rule.filters if one.request_redirect]
    rewrites = [one.url_rewrite for one in rule.filters if one.url_rewrite]
    problems.conflict(path, {"the filter RequestRedirect": bool(redirects), "backendRefs": bool(rule.backend_refs)})
    problems.conflict(
        child(path, "filters"), {"the filter RequestRedirect": bool(redirects), "the filter URLRewrite": bool(rewrites)}
    )
    modifiers = [one.path for one in redirects] + [one.path for one in rewrites]
    if any(one and one.type == "ReplacePrefixMatch" for one in modifiers):
        by_prefix = all(match.path is None or match.path.type == "PathPrefix" for match in rule.matches)
        if len(rule.matches) > 1 or not by_prefix:
            problem = "replacePrefixMatch needs exactly one match, by PathPrefix"
            problems.invalid(child(path, "matches"), problem, "write a rule for each match")


def _backends(backends: tuple[HttpBackendRef | GrpcBackendRef, ...], path: str, problems: Problems) -> None:
    for index, one in enumerate(backends):
        place = item(path, index)
        route_filter.backend(one, place, problems)
        filters: tuple[HttpRouteFilter | GrpcRouteFilter, ...] = one.filters
        route_filter.filters(filters, child(place, "filters"), problems)
        if len(backends) > 1:
            _of_a_part(filters, child(place, "filters"), problems)


def _of_a_part(filters: tuple[HttpRouteFilter | GrpcRouteFilter, ...], path: str, problems: Problems) -> None:
    """What one backend of several cannot have for itself: Envoy chooses it last."""
    for number, each in enumerate(filters):
        rewrite = each.url_rewrite if isinstance(each, HttpRouteFilter) else None
        if rewrite and rewrite.path is None:
            continue
        if each.type not in ("RequestHeaderModifier", "ResponseHeaderModifier", "ExtensionRef"):
            effect = "a backend of several has filters of headers and of the hostname only"
            hint = "use it in the filters of a rule"
            problems.add("unsupported-value", child(item(path, number), "type"), value=each.type, effect=effect, hint=hint)


def _session(session: SessionPersistence, path: str, problems: Problems) -> None:
    """A permanent cookie says how long it lives; nothing else has an end that is kept."""
    permanent = session.cookie_config is not None and session.cookie_config.lifetime_type == "Permanent"
    if session.session_name:
        problems.invalid(child(path, "sessionName"), names.header(session.session_name))
    if session.type == "Header" and session.cookie_config is not None:
        problems.invalid(child(path, "cookieConfig"), "cookieConfig has no place in a session of type Header", "type: Cookie")
    elif permanent and not session.absolute_timeout:
        problems.add("missing-field", child(path, "absoluteTimeout"), name="absoluteTimeout (of a permanent cookie)")
    elif session.absolute_timeout and not permanent:
        why, hint = "the session ends with the client's", "cookieConfig: {lifetimeType: Permanent}"
        problems.add("no-effect", child(path, "absoluteTimeout"), name="absoluteTimeout", why=why, hint=hint)


def _timeouts(timeouts: HttpRouteTimeouts, path: str, problems: Problems) -> None:
    whole, each = (_seconds(text) for text in (timeouts.request, timeouts.backend_request))
    if whole and each > whole:
        problems.invalid(below(path, "backendRequest"), "a try may not last longer than the whole request")


def _seconds(text: str | None) -> float:
    """0 also for what is no duration, which has its finding already."""
    try:
        return seconds(text or "0s")
    except ValueError:
        return 0.0
