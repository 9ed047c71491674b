"""The rules of VirtualService.http: which actions exclude each other, and what each may say."""

import re
from collections.abc import Mapping

from weft.resource import names, regex
from weft.resource.field_path import below, child, item
from weft.resource.istio.claim import MARK, claim_keys, is_claim
from weft.resource.istio.virtual_service import (
    Delegate,
    Headers,
    HttpDirectResponse,
    HttpMatch,
    HttpRedirect,
    HttpRewrite,
    HttpRoute,
    RegexRewrite,
    StringMatch,
)
from weft.resource.problems import Problems
from weft.resource.validation import header_value
from weft.resource.validation.labels import labels
from weft.resource.validation.resilience import cors, fault, mirrors, retries
from weft.resource.validation.routes import destination, gateway_names, weights

_REDIRECTS = (301, 302, 303, 307, 308)
_LARGEST_BODY = 1024 * 1024


def http_routes(routes: tuple[HttpRoute, ...], path: str, problems: Problems) -> None:
    """Each rule, and whether it is ever reached."""
    catch_all = -1
    for index, route in enumerate(routes):
        place = item(path, index)
        http_route(route, place, problems)
        if catch_all >= 0:
            why = f"{item(path, catch_all)} before it takes every request"
            problems.add("no-effect", place, name="this rule", why=why, hint="put the rule without a match last")
        elif not route.match or any(_matches_all(match) for match in route.match):
            catch_all = index


def _matches_all(match: HttpMatch) -> bool:
    return match == HttpMatch() or match == HttpMatch(name=match.name, uri=StringMatch(prefix="/"))


def http_route(route: HttpRoute, path: str, problems: Problems) -> None:
    """One rule."""
    _action(route, path, problems)
    for index, match in enumerate(route.match):
        http_match(match, item(child(path, "match"), index), problems)
    for index, share in enumerate(route.route):
        place = item(child(path, "route"), index)
        destination(share.destination, child(place, "destination"), problems)
        headers(share.headers, child(place, "headers"), problems)
    weights(route.route, child(path, "route"), problems)
    headers(route.headers, child(path, "headers"), problems)
    if route.delegate is not None:
        _delegate(route.delegate, child(path, "delegate"), problems)
    if route.redirect is not None:
        redirect(route.redirect, child(path, "redirect"), problems)
    if route.direct_response is not None:
        direct_response(route.direct_response, child(path, "directResponse"), problems)
    if route.rewrite is not None:
        rewrite(route.rewrite, child(path, "rewrite"), problems)
    fault(route.fault, child(path, "fault"), problems)
    retries(route.retries, child(path, "retries"), problems)
    cors(route.cors_policy, child(path, "corsPolicy"), problems)
    mirrors(route, path, problems)


def _action(route: HttpRoute, path: str, problems: Problems) -> None:
    """Exactly one of route, redirect, directResponse and delegate, and nothing beside it that it makes meaningless."""
    actions = {
        "route": bool(route.route),
        "redirect": route.redirect is not None,
        "directResponse": route.direct_response is not None,
        "delegate": route.delegate is not None,
    }
    if not any(actions.values()):
        problems.invalid(path, "this rule does nothing: route, redirect, directResponse or delegate is needed")
    problems.conflict(path, actions, "a rule does one of them")
    for name in ("redirect", "directResponse"):
        for beside, there in (("rewrite", route.rewrite is not None), ("fault", route.fault is not None)):
            problems.conflict(path, {name: actions[name], beside: there})


def _delegate(to: Delegate, path: str, problems: Problems) -> None:
    if not to.name:
        problems.add("missing-field", child(path, "name"), name="name")
    else:
        problems.invalid(child(path, "name"), names.subdomain(to.name))
    if to.namespace:
        problems.invalid(child(path, "namespace"), names.label(to.namespace))


def http_match(match: HttpMatch, path: str, problems: Problems) -> None:
    """All conditions of one match."""
    for name, value in (
        ("uri", match.uri),
        ("scheme", match.scheme),
        ("method", match.method),
        ("authority", match.authority),
    ):
        if value is not None:
            string_match(value, child(path, name), problems, needed=True)
    _header_matches(match.headers, child(path, "headers"), problems)
    _header_matches(match.without_headers, child(path, "withoutHeaders"), problems)
    for name, value in match.query_params.items():
        problems.invalid(child(path, "queryParams"), names.query_parameter(name))
        string_match(value, child(child(path, "queryParams"), name), problems)
    gateway_names(match.gateways, child(path, "gateways"), problems)
    labels(match.source_labels, child(path, "sourceLabels"), problems)
    if match.source_namespace:
        problems.invalid(child(path, "sourceNamespace"), names.label(match.source_namespace))
    if match.ignore_uri_case and (match.uri is None or match.uri.regex is not None):
        why = "it is only for exact and prefix matches of uri"
        hint = "begin the expression with (?i)" if match.uri is not None else ""
        problems.add("no-effect", child(path, "ignoreUriCase"), name="ignoreUriCase", why=why, hint=hint)


def _header_matches(matches: Mapping[str, StringMatch], path: str, problems: Problems) -> None:
    for name, value in matches.items():
        place = child(path, name)
        if is_claim(name):
            problems.invalid(place, "" if claim_keys(name) else f"{name!r} is no claim", f"such as {MARK}.group or {MARK}[a][b]")
        elif not name.startswith(":"):
            problems.invalid(place, names.header(name))
        string_match(value, place, problems)


def string_match(value: StringMatch, path: str, problems: Problems, *, needed: bool = False) -> None:
    """At most one of exact, prefix and regex; `needed`: exactly one. `{}` asks whether a header is there."""
    given = {"exact": value.exact is not None, "prefix": value.prefix is not None, "regex": value.regex is not None}
    problems.conflict(path, given, "a match is one of exact, prefix and regex")
    if needed and not any(given.values()):
        problems.invalid(path, "one of exact, prefix and regex is needed")
    for name, text in (("prefix", value.prefix), ("regex", value.regex)):
        if text == "":
            problems.invalid(child(path, name), f"an empty {name} matches everything", "leave the match out")


def headers(value: Headers | None, path: str, problems: Problems) -> None:
    """Header names; pseudo headers cannot be changed, but for :authority."""
    for side in ("request", "response"):
        operations = getattr(value, side, None)
        if operations is None:
            continue
        for verb, listed in (("set", operations.set), ("add", operations.add), ("remove", operations.remove)):
            for index, name in enumerate(listed):
                place = child(child(path, side), verb)
                place = item(place, index) if verb == "remove" else child(place, name)
                _header_edit(name, verb if side == "request" else "", place, problems)
                if verb != "remove":
                    problems.invalid(place, *header_value.problem(listed[name]))


def _header_edit(name: str, verb: str, path: str, problems: Problems) -> None:
    """`verb` is empty for a response, which has no host."""
    if name.lower() in (":authority", "host") and verb == "set":
        return
    if name.startswith(":") or name.lower() == "host":
        problems.invalid(path, f"{name} cannot be changed as a header", "rewrite changes path and authority")
    else:
        problems.invalid(path, names.header(name))


def redirect(value: HttpRedirect, path: str, problems: Problems) -> None:
    """Something must change, and the code must be a redirect's."""
    if not (value.uri or value.authority or value.scheme or value.port or value.derive_port):
        problems.invalid(path, "a redirect to where the request came: uri, authority, scheme or port is needed")
    problems.conflict(path, {"port": value.port is not None, "derivePort": value.derive_port is not None})
    if value.redirect_code not in (None, *_REDIRECTS):
        problem = f"{value.redirect_code} is not the status of a redirect"
        problems.invalid(child(path, "redirectCode"), problem, "one of " + ", ".join(map(str, _REDIRECTS)))
    problems.invalid(child(path, "uri"), header_value.forbidden(value.uri))
    if value.scheme not in ("", "http", "https"):
        problems.invalid(child(path, "scheme"), f"{value.scheme[:40]!r} is neither http nor https")
    if value.authority:
        problems.invalid(child(path, "authority"), _authority(value.authority))


def _authority(text: str) -> str:
    bare, colon, port = text.rpartition(":")
    return names.host(bare if colon and port.isdigit() else text)


def direct_response(value: HttpDirectResponse, path: str, problems: Problems) -> None:
    """A status that Envoy can answer with, and a body that it can hold."""
    if not 200 <= value.status <= 599:
        problems.invalid(child(path, "status"), f"{value.status} is not between 200 and 599")
    if value.body is None:
        return
    given = {"string": value.body.string is not None, "bytes": value.body.bytes_ is not None}
    if not problems.conflict(child(path, "body"), given) and not any(given.values()):
        problems.invalid(child(path, "body"), "string or bytes is needed")
    if len(value.body.string or value.body.bytes_ or "") > _LARGEST_BODY:
        problems.invalid(child(path, "body"), "a body has at most 1 MiB", "serve it from an application")


def rewrite(value: HttpRewrite, path: str, problems: Problems) -> None:
    """Something must be rewritten, and the path in one way only."""
    pattern = value.uri_regex_rewrite
    if not (value.uri or value.authority or pattern):
        problems.invalid(path, "uri, authority or uriRegexRewrite is needed")
    problems.conflict(path, {"uri": bool(value.uri), "uriRegexRewrite": pattern is not None})
    if pattern is not None and not pattern.match:
        problems.add("missing-field", below(path, "uriRegexRewrite", "match"), name="match")
    elif pattern is not None and not regex.problem(pattern.match):
        _substitution(pattern, below(path, "uriRegexRewrite", "rewrite"), problems)
    problems.invalid(child(path, "uri"), header_value.forbidden(value.uri))
    if value.authority:
        problems.invalid(child(path, "authority"), _authority(value.authority))


def _substitution(value: RegexRewrite, path: str, problems: Problems) -> None:
    """What replaces the match may name only groups that there are."""
    problems.invalid(path, header_value.forbidden(value.rewrite))
    groups = regex.groups(value.match)
    for found in re.finditer(r"\\(.?)", value.rewrite):
        if not found[1].isdigit() and found[1] != "\\":
            problems.invalid(
                path, f"a backslash stands before a digit or a backslash, not in {found[0]!r}", "groups are \\1 to \\9"
            )
        elif found[1].isdigit() and int(found[1]) > groups:
            hint = "put what it stands for in parentheses"
            problems.invalid(path, f"{found[0]} names a group that {value.match[:40]!r} has not: it has {groups}", hint)
