"""The five kinds of routes, read alone.

https://gateway-api.sigs.k8s.io/reference/spec/#httproute, https://gateway-api.sigs.k8s.io/reference/spec/#grpcroute
"""

from collections.abc import Iterator
from hashlib import blake2b

from weft.hostname import service_name
from weft.model.mesh import Settings
from weft.model.route import Forward, HttpRoute, Retries, Rewrite, Session, SessionCookie, SessionHeader
from weft.ref import Ref
from weft.resource.duration import seconds
from weft.resource.gateway_api import grpc_route as grpc
from weft.resource.gateway_api import http_route as http
from weft.resource.gateway_api import l4_rule as l4
from weft.resource.gateway_api.reference import BackendObjectReference
from weft.resource.gateway_api.tcp_route import TcpRoute
from weft.resource.gateway_api.tls_route import TlsRoute
from weft.resource.gateway_api.udp_route import UdpRoute
from weft.resource.resource import Resource
from weft.translate.gateway_api.filters import Filter, Filters, filters, percent
from weft.translate.gateway_api.matches import EVERY_REQUEST, branch
from weft.translate.gateway_api.written import Backend, L4Rule, Parent, Route, Rule, Share
from weft.translate.statement import Reference, Statement
from weft.translate.sticky_split import sticky_split

_NOT_ARRIVED = ("connect-failure", "refused-stream")
_TRIES = 2

_RuleSpec = http.HttpRouteRule | grpc.GrpcRouteRule
_BackendSpec = http.HttpBackendRef | grpc.GrpcBackendRef
_RouteSpec = http.HttpRoute | grpc.GrpcRoute | TlsRoute | TcpRoute | UdpRoute


def route(resource: Resource, said: _RouteSpec, settings: Settings) -> Statement:
    """A route of any kind."""
    return _Reading(resource, settings).statement(said)


class _Reading:
    """One route being read."""

    def __init__(self, resource: Resource, settings: Settings) -> None:
        self._ref, self._namespace, self._domain = resource.ref, resource.meta.namespace, settings.domain
        self._created = resource.meta.creation_timestamp
        self._sticky = sticky_split(resource.meta.annotations)
        self._references: list[Reference] = []

    def statement(self, said: _RouteSpec) -> Statement:
        parents = tuple(
            Parent(one, one.namespace or self._namespace, self._ref.at(f"spec.parentRefs[{i}]"))
            for i, one in enumerate(said.parent_refs)
        )
        written = () if isinstance(said, TcpRoute | UdpRoute) else said.hostnames
        hostnames = tuple(dict.fromkeys(one.lower() for one in written))
        route = Route(self._namespace, self._ref, parents, hostnames, tuple(self._rules(said)), self._created)
        return Statement(self._ref, api=route, references=tuple(self._references))

    def _rules(self, said: _RouteSpec) -> Iterator[Rule | L4Rule]:
        rules: tuple[_RuleSpec | l4.L4Rule, ...] = said.rules
        for i, one in enumerate(rules):
            origin = self._ref.at(f"spec.rules[{i}]")
            yield self._l4_rule(one, origin) if isinstance(one, l4.L4Rule) else self._rule(one, origin)

    def _l4_rule(self, one: l4.L4Rule, origin: Ref) -> L4Rule:
        backends = (self._backend(to, origin.at(f"backendRefs[{i}]")) for i, to in enumerate(one.backend_refs))
        shares = tuple(Share(to, said.weight) for to, said in zip(backends, one.backend_refs, strict=True))
        return L4Rule(one.name, origin, shares)

    def _rule(self, one: _RuleSpec, origin: Ref) -> Rule:
        own, written = filters(one.filters, origin), tuple[_BackendSpec, ...](one.backend_refs)
        parts = tuple(filters(each.filters, origin.at(f"backendRefs[{i}]")) for i, each in enumerate(written))
        only = parts[0] if len(parts) == 1 else Filters()
        timeouts = (one.timeouts if isinstance(one, http.HttpRouteRule) else None) or http.HttpRouteTimeouts()
        route = HttpRoute(
            own.redirect or only.redirect or Forward(()),
            origin,
            one.name,
            rewrite=_both(own.rewrite, only.rewrite),
            timeout=None if timeouts.request is None else seconds(timeouts.request),
            retries=_retries(one.retry if isinstance(one, http.HttpRouteRule) else None, timeouts),
            cors=own.cors or only.cors,
            request_headers=own.request_headers,
            response_headers=own.response_headers,
            session=_session(one.session_persistence, origin),
            sticky=self._sticky,
        )
        mirrors = [*self._mirrors(one.filters, origin)]
        if len(parts) == 1:
            mirrors += self._mirrors(written[0].filters, origin.at("backendRefs[0]"))
        return Rule(
            route,
            tuple(branch(match) for match in one.matches or EVERY_REQUEST),
            tuple(self._shares(written, parts, origin)),
            tuple(mirrors),
            tuple(each for of in (own, *parts) for each in of.unknown),
            next((of.unsupported for of in (own, *parts) if of.unsupported), "") or _beyond_a_share(parts),
        )

    def _shares(self, written: tuple[_BackendSpec, ...], parts: tuple[Filters, ...], origin: Ref) -> Iterator[Share]:
        for i, (one, found) in enumerate(zip(written, parts, strict=True)):
            backend = self._backend(one, origin.at(f"backendRefs[{i}]"))
            authority = found.rewrite.authority if found.rewrite and len(parts) > 1 else ""
            yield Share(backend, one.weight, found.request_headers, found.response_headers, authority)

    def _mirrors(self, written: tuple[Filter, ...], origin: Ref) -> Iterator[tuple[Backend, float]]:
        for i, one in enumerate(written):
            if mirror := one.request_mirror:
                at = origin.at(f"filters[{i}].requestMirror.backendRef")
                yield self._backend(mirror.backend_ref, at), percent(mirror)

    def _backend(self, one: _BackendSpec | l4.BackendRef | BackendObjectReference, origin: Ref) -> Backend:
        namespace = one.namespace or self._namespace
        host, port = "", one.port or 0
        if (one.group, one.kind) == ("", "Service"):
            host = service_name(one.name, namespace, self._domain)
            self._references.append(Reference(host, origin, "", port, False))
        return Backend(one.group, one.kind, namespace, one.name, host, port, origin)


def _beyond_a_share(parts: tuple[Filters, ...]) -> str:
    """What is written for one of several backends and holds for a whole rule only: Envoy chooses the backend last."""
    if len(parts) > 1:
        for found in parts:
            wholes = {
                "RequestRedirect": found.redirect,
                "a path in URLRewrite": found.rewrite and (found.rewrite.path or found.rewrite.prefix),
                "CORS": found.cors,
                "RequestMirror": found.mirrors,
            }
            for name, there in wholes.items():
                if there:
                    return f"{name} cannot be had for one backend of several: write it in the filters of a rule"
    return ""


def _both(rule: Rewrite | None, backend: Rewrite | None) -> Rewrite | None:
    """What a rule rewrites, and what its only backend does: that wins."""
    if rule is None or backend is None:
        return backend or rule
    if backend.path or backend.prefix:
        return Rewrite(backend.prefix, backend.path, backend.authority or rule.authority)
    return Rewrite(rule.prefix, rule.path, backend.authority or rule.authority)


def _session(said: http.SessionPersistence | None, origin: Ref) -> Session | None:
    """A session without a name is called after its rule."""
    if said is None:
        return None
    name = said.session_name or f"weft-session-{blake2b(str(origin).encode(), digest_size=6).hexdigest()}"
    if said.type == "Header":
        return SessionHeader(name.lower())
    permanent = said.cookie_config is not None and said.cookie_config.lifetime_type == "Permanent"
    return SessionCookie(name, seconds(said.absolute_timeout) if permanent and said.absolute_timeout else None)


def _retries(said: http.HttpRouteRetry | None, timeouts: http.HttpRouteTimeouts) -> Retries | None:
    """What is written, else the safe ones when there is a time limit for each try."""
    each = seconds(timeouts.backend_request) if timeouts.backend_request else 0.0
    if said is None:
        return Retries(_TRIES, (), each) if each else None
    backoff = seconds(said.backoff) if said.backoff else 0.0
    on = (*_NOT_ARRIVED, *(str(code) for code in said.codes)) if said.codes else ()
    return Retries(_TRIES if said.attempts is None else max(said.attempts, 0), on, each or None, backoff or None)
