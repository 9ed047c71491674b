"""HTTPRoute and GRPCRoute, read alone.

https://gateway-api.sigs.k8s.io/reference/spec/#httproute, https://gateway-api.sigs.k8s.io/reference/spec/#grpcroute
"""

import re
from collections.abc import Iterator

from weft.hostname import service_name
from weft.model.mesh import Settings
from weft.model.route import (
    Exact,
    Forward,
    HttpMatch,
    HttpRoute,
    NamedMatch,
    PathMatch,
    PathPrefix,
    Prefix,
    Regex,
    Retries,
)
from weft.ref import Ref
from weft.resource.duration import seconds
from weft.resource.gateway_api import grpc_route as grpc
from weft.resource.gateway_api import http_route as http
from weft.resource.gateway_api.reference import BackendObjectReference
from weft.resource.resource import Resource
from weft.translate.gateway_api.filters import Filter, filters, percent
from weft.translate.gateway_api.written import Backend, Branch, Parent, Rank, Route, Rule, Share
from weft.translate.statement import Reference, Statement

_NOT_ARRIVED = ("connect-failure", "refused-stream")
_TRIES = 2

_RuleSpec = http.HttpRouteRule | grpc.GrpcRouteRule
_BackendSpec = http.HttpBackendRef | grpc.GrpcBackendRef


def http_route(resource: Resource, said: http.HttpRoute, settings: Settings) -> Statement:
    """An HTTPRoute."""
    return _Reading(resource, settings).statement(said)


def grpc_route(resource: Resource, said: grpc.GrpcRoute, settings: Settings) -> Statement:
    """A GRPCRoute."""
    return _Reading(resource, settings).statement(said)


class _Reading:
    """One route being read."""

    def __init__(self, resource: Resource, settings: Settings) -> None:
        self._ref, self._namespace, self._domain = resource.ref, resource.meta.namespace, settings.domain
        self._created = resource.meta.creation_timestamp
        self._references: list[Reference] = []

    def statement(self, said: http.HttpRoute | grpc.GrpcRoute) -> Statement:
        parents = tuple(
            Parent(one, one.namespace or self._namespace, self._ref.at(f"spec.parentRefs[{i}]"))
            for i, one in enumerate(said.parent_refs)
        )
        hostnames = tuple(dict.fromkeys(one.lower() for one in said.hostnames))
        written: tuple[_RuleSpec, ...] = said.rules
        rules = tuple(self._rule(one, self._ref.at(f"spec.rules[{i}]")) for i, one in enumerate(written))
        route = Route(self._namespace, self._ref, parents, hostnames, rules, self._created)
        return Statement(self._ref, api=route, references=tuple(self._references))

    def _rule(self, one: _RuleSpec, origin: Ref) -> Rule:
        found = filters(one.filters)
        branches = tuple(_http_branch(match) if isinstance(match, http.HttpRouteMatch) else _grpc_branch(match)
                         for match in one.matches)  # fmt: skip
        timeouts = (one.timeouts if isinstance(one, http.HttpRouteRule) else None) or http.HttpRouteTimeouts()
        route = HttpRoute(
            found.redirect or Forward(()),
            origin,
            one.name,
            rewrite=found.rewrite,
            timeout=None if timeouts.request is None else seconds(timeouts.request),
            retries=_retries(one.retry if isinstance(one, http.HttpRouteRule) else None, timeouts),
            cors=found.cors,
            request_headers=found.request_headers,
            response_headers=found.response_headers,
        )
        return Rule(
            route,
            branches or (_http_branch(http.HttpRouteMatch()),),
            tuple(self._shares(one, origin)),
            tuple(self._mirrors(one.filters, origin)),
            found.broken,
        )

    def _shares(self, rule: _RuleSpec, origin: Ref) -> Iterator[Share]:
        written: tuple[_BackendSpec, ...] = rule.backend_refs
        for i, one in enumerate(written):
            found = filters(one.filters)
            backend = self._backend(one, origin.at(f"backendRefs[{i}]"))
            yield Share(backend, one.weight, found.request_headers, found.response_headers)

    def _mirrors(self, written: tuple[Filter, ...], origin: Ref) -> Iterator[tuple[Backend, float]]:
        for i, one in enumerate(written):
            if mirror := one.request_mirror:
                at = origin.at(f"filters[{i}].requestMirror.backendRef")
                yield self._backend(mirror.backend_ref, at), percent(mirror)

    def _backend(self, one: _BackendSpec | BackendObjectReference, origin: Ref) -> Backend:
        namespace = one.namespace or self._namespace
        host, port = "", one.port or 0
        if (one.group, one.kind) == ("", "Service"):
            host = service_name(one.name, namespace, self._domain)
            self._references.append(Reference(host, origin, "", port, False))
        return Backend(one.group, one.kind, namespace, one.name, host, port, origin)


def _retries(said: http.HttpRouteRetry | None, timeouts: http.HttpRouteTimeouts) -> Retries | None:
    """What is written, else the safe ones when there is a time limit for each try."""
    each = seconds(timeouts.backend_request) if timeouts.backend_request else 0.0
    if said is None:
        return Retries(_TRIES, (), each) if each else None
    backoff = seconds(said.backoff) if said.backoff else 0.0
    on = (*_NOT_ARRIVED, *(str(code) for code in said.codes)) if said.codes else ()
    return Retries(_TRIES if said.attempts is None else max(said.attempts, 0), on, each or None, backoff or None)


# Matches


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
