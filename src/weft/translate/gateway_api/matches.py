"""The matches of HTTPRoute and GRPCRoute, and which is tried first.

https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule, https://gateway-api.sigs.k8s.io/reference/spec/#grpcrouterule
"""

import re

from weft.model.route import Exact, HttpMatch, NamedMatch, PathMatch, PathPrefix, Prefix, Regex
from weft.resource.gateway_api import grpc_route as grpc
from weft.resource.gateway_api import http_route as http
from weft.translate.gateway_api.written import Branch, Rank

EVERY_REQUEST = (http.HttpRouteMatch(),)


def branch(of: http.HttpRouteMatch | grpc.GrpcRouteMatch) -> Branch:
    """One match of a rule."""
    return _http_branch(of) if isinstance(of, http.HttpRouteMatch) else _grpc_branch(of)


def _http_branch(of: http.HttpRouteMatch) -> Branch:
    path = of.path or http.HttpPathMatch()
    match = HttpMatch(
        _path(path),
        method=Exact(of.method) if of.method else None,
        headers=_named(of.headers),
        query_params=_named(of.query_params),
    )
    return Branch(_rank(match), match)


def _path(of: http.HttpPathMatch) -> PathMatch:
    match of.type:
        case "Exact":
            return Exact(of.value)
        case "PathPrefix":
            return PathPrefix(of.value)
        case _:
            return Regex(of.value)


def _grpc_branch(of: grpc.GrpcRouteMatch) -> Branch:
    match = HttpMatch(_method(of.method) if of.method else PathPrefix("/"), headers=_named(of.headers))
    return Branch(_rank(match), match)


def _method(of: grpc.GrpcMethodMatch) -> PathMatch:
    """A method is called at the path `/service/method`."""
    if of.type == "Exact" and of.service:
        return Exact(f"/{of.service}/{of.method}") if of.method else Prefix(f"/{of.service}/")
    if of.type == "Exact":
        return Regex(f"/[^/]+/{re.escape(of.method)}")
    return Regex(f"/{of.service or '[^/]+'}/{of.method or '[^/]+'}")


def _named(of: tuple[http.HttpNamedMatch, ...]) -> tuple[NamedMatch, ...]:
    return tuple(NamedMatch(one.name, Exact(one.value) if one.type == "Exact" else Regex(one.value)) for one in of)


def _rank(of: HttpMatch) -> Rank:
    """The specification's precedence: exact paths, then (as it leaves open) expressions, then prefixes, the longer first; then
    a method, then the number of headers, then of query parameters."""
    path = of.path or PathPrefix("/")
    kind = 0 if isinstance(path, Exact) else 1 if isinstance(path, Regex) else 2
    return kind, -len(path.value), 0 if of.method else 1, -len(of.headers), -len(of.query_params)
