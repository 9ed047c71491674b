"""What a request must look like to take a route.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routematch
"""

from typing import Any

from envoy.config.route.v3.route_components_pb2 import HeaderMatcher, QueryParameterMatcher, RouteMatch
from envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from envoy.type.matcher.v3.regex_pb2 import RegexMatcher

from weft.compile.authorization import JWT, JWT_PAYLOAD
from weft.compile.scope.inputs import ConnectMatch
from weft.compile.string_match import string_match
from weft.model.route import ClaimMatch, Exact, HttpMatch, NamedMatch, PathMatch, PathPrefix, Prefix, Present, Regex, StringMatch


def route_match(of: HttpMatch | ConnectMatch) -> RouteMatch:
    """The match. A CONNECT is matched by nothing else than a connect matcher."""
    if isinstance(of, ConnectMatch):
        return RouteMatch(connect_matcher={})
    pseudo = ((":scheme", of.scheme), (":method", of.method), (":authority", of.authority))
    headers = [_pseudo_header(name, value) for name, value in pseudo if value]
    return RouteMatch(
        **_path(of.path, of.ignore_path_case),
        headers=headers + [header_matcher(one) for one in of.headers if isinstance(one, NamedMatch)],
        dynamic_metadata=[claim_matcher(one) for one in of.headers if isinstance(one, ClaimMatch)],
        query_parameters=[query_parameter_matcher(one) for one in of.query_params],
    )


def _path(of: PathMatch | None, ignore_case: bool) -> dict[str, Any]:
    sensitive = {"case_sensitive": {"value": False}} if ignore_case else {}
    match of:
        case Exact(value):
            return {"path": value, **sensitive}
        case Prefix(value):
            return {"prefix": value, **sensitive}
        case PathPrefix(value) if value.rstrip("/"):
            return {"path_separated_prefix": value.rstrip("/"), **sensitive}
        case Regex(value):
            return {"safe_regex": RegexMatcher(regex=value)}
        case _:
            return {"prefix": "/"}


def _pseudo_header(name: str, value: StringMatch) -> HeaderMatcher:
    return HeaderMatcher(name=name, string_match=string_match(value))


def header_matcher(of: NamedMatch) -> HeaderMatcher:
    """A header. Inverted, a header that is absent matches too."""
    if isinstance(of.value, Present):
        return HeaderMatcher(name=of.name, present_match=True, invert_match=of.invert)
    absent_counts = of.invert  # Envoy skips an absent header even when inverted, unless told to take it for an empty one
    return HeaderMatcher(
        name=of.name, string_match=string_match(of.value), invert_match=of.invert, treat_missing_header_as_empty=absent_counts
    )


def claim_matcher(of: ClaimMatch) -> MetadataMatcher:
    """A claim, as the filter that accepted the token left it."""
    said: dict[str, Any] = {"present_match": True}
    if not isinstance(of.value, Present):
        text = {"string_match": string_match(of.value)}
        said = {"or_match": {"value_matchers": [text, {"list_match": {"one_of": text}}]}}
    path = [{"key": key} for key in (JWT_PAYLOAD, *of.keys)]
    return MetadataMatcher(filter=JWT, path=path, value=said, invert=of.invert)


def query_parameter_matcher(of: NamedMatch) -> QueryParameterMatcher:
    """A query parameter. Envoy has no inverted form."""
    if isinstance(of.value, Present):
        return QueryParameterMatcher(name=of.name, present_match=True)
    return QueryParameterMatcher(name=of.name, string_match=string_match(of.value))
