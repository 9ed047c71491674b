"""Whether a request takes a route.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routematch
"""

from envoy.config.route.v3.route_components_pb2 import HeaderMatcher, QueryParameterMatcher, RouteMatch

from weft.simulate import pattern
from weft.simulate.call import HttpCall
from weft.simulate.held import Unreadable
from weft.simulate.path import parameters, split
from weft.simulate.text_match import matches as text_matches

_UNKNOWN = ("grpc", "tls_context", "runtime_fraction")
_PSEUDO = {":authority": "authority", "host": "authority", ":path": "path", ":method": "method", ":scheme": "scheme"}


def matches(of: RouteMatch, call: HttpCall) -> bool:
    """Whether all of the match holds. A CONNECT takes nothing but a connect matcher."""
    if unknown := [name for name in _UNKNOWN if of.HasField(name)]:
        raise Unreadable(f"a route match by {unknown[0]}")
    if of.dynamic_metadata and values(call, "authorization"):
        raise Unreadable("a route match by the claims of a token")
    return (
        _path_matches(of, call)
        and all(header_matches(one, call) for one in of.headers)
        and all(_query_matches(one, call) for one in of.query_parameters)
        and all(one.invert for one in of.dynamic_metadata)  # without a token there are no claims
    )


def _path_matches(of: RouteMatch, call: HttpCall) -> bool:
    how = of.WhichOneof("path_specifier")
    if (how == "connect_matcher") != (call.method == "CONNECT"):
        return False
    if how == "connect_matcher":
        return True
    path = split(call.path)[0]
    if how == "safe_regex":
        return pattern.whole(of.safe_regex.regex, path)
    if how not in ("path", "prefix", "path_separated_prefix"):
        raise Unreadable(f"a route match by {how}")
    wanted: str = getattr(of, how)
    if of.HasField("case_sensitive") and not of.case_sensitive.value:
        wanted, path = wanted.lower(), path.lower()
    if how == "path":
        return path == wanted
    return path.startswith(wanted) and (how == "prefix" or path[len(wanted) : len(wanted) + 1] in ("", "/"))


def header_matches(of: HeaderMatcher, call: HttpCall) -> bool:
    """Whether a header fits: one that is there several times when any of its values does (since Envoy 1.39). One that is absent
    never does, inverted or not, unless it is taken for an empty one."""
    found = values(call, of.name)
    how = of.WhichOneof("header_match_specifier")
    if how in (None, "present_match"):
        return (bool(found) == (bool(of.present_match) if how else True)) != bool(of.invert_match)
    if not found:
        if not of.treat_missing_header_as_empty:
            return False
        found = ("",)
    return any(_fits(of, how, value) for value in found) != bool(of.invert_match)


def _fits(of: HeaderMatcher, how: str, value: str) -> bool:
    if how == "string_match":
        return text_matches(of.string_match, value)
    if how == "range_match":
        number = value.lstrip("-").isdigit()
        return number and int(of.range_match.start) <= int(value) < int(of.range_match.end)
    raise Unreadable(f"a header match by {how}")


def values(call: HttpCall, name: str) -> tuple[str, ...]:
    """The values of a header; none when it is absent."""
    if name.lower() in _PSEUDO:
        return (str(getattr(call, _PSEUDO[name.lower()])),)
    return tuple(value for other, value in call.headers if other == name.lower())


def _query_matches(of: QueryParameterMatcher, call: HttpCall) -> bool:
    value = parameters(call.path).get(of.name)
    match of.WhichOneof("query_parameter_match_specifier"):
        case "string_match":
            return value is not None and text_matches(of.string_match, value)
        case "present_match":
            return (value is not None) == bool(of.present_match)
    return value is not None
