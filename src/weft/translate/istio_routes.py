"""Istio's VirtualService into one RouteSet.

Hosts, gateways and destinations without a dot are completed with the VirtualService's namespace, not the caller's.
https://istio.io/latest/docs/reference/config/networking/virtual-service/
"""

from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from weft.finding import Finding
from weft.hostname import full_name
from weft.messages import finding
from weft.model import route as model
from weft.model.labels import labels
from weft.model.mesh import Settings
from weft.model.precedence import MESH, visible
from weft.ref import Ref
from weft.resource.duration import seconds
from weft.resource.istio import virtual_service as spec
from weft.resource.resource import Resource
from weft.translate.delegate import combined, qualified
from weft.translate.delegation import leaf_key
from weft.translate.naming import exported, gateway_name, gateway_names
from weft.translate.route_matches import http_match, l4_match, string_match
from weft.translate.statement import Reference, Statement
from weft.translate.sticky_split import sticky_split

_GRPC_STATUSES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
_PREFIX = "%PREFIX()%"
_RETRY_ON = ("connect-failure", "refused-stream", "unavailable", "cancelled")  # `retries` written without `retryOn`


Leaves = Callable[[str], Resource | None]
"""The VirtualService without hosts called `namespace/name`."""


def virtual_service(
    resource: Resource, rules: spec.VirtualService, settings: Settings, leaves: Leaves = lambda key: None
) -> Statement:
    """A VirtualService. One without hosts holds only where another delegates to it."""
    return _Reading(resource, rules, settings, leaves).statement()


def delegating(root: Resource, settings: Settings, leaves: Leaves) -> Statement:
    """A VirtualService some of whose rules delegate, with the rules of those it delegates to."""
    assert isinstance(root.spec, spec.VirtualService)
    return virtual_service(root, root.spec, settings, leaves)


def delegated(leaf: Resource, settings: Settings, named: bool) -> Statement:
    """A VirtualService without hosts: what it refers to, and whether it is of any use."""
    assert isinstance(leaf.spec, spec.VirtualService)
    said = virtual_service(leaf, leaf.spec, settings)
    if named:
        return said
    why = "it has no hosts, and no VirtualService delegates to it"
    return replace(said, findings=(finding("no-effect", leaf.ref, name="this VirtualService", why=why, hint="add spec.hosts"),))


class _Reading:
    """One VirtualService being read: what completes names, and the references found on the way."""

    def __init__(self, resource: Resource, rules: spec.VirtualService, settings: Settings, leaves: Leaves) -> None:
        self._resource, self._rules, self._domain = resource, rules, settings.domain
        self._settings, self._leaves = settings, leaves
        self._namespace = resource.meta.namespace
        self._hosts = tuple(dict.fromkeys(self._full(host) for host in rules.hosts))
        self._gateways = gateway_names(rules.gateways or (MESH,), self._namespace)
        self._references: list[Reference] = []
        self._findings: list[Finding] = []

    def statement(self) -> Statement:
        ref, rules = self._resource.ref, self._rules
        routes = model.RouteSet(
            self._hosts,
            self._namespace,
            ref,
            self._gateways,
            exported(rules.export_to, self._namespace),
            tuple(route for i, one in enumerate(rules.http) for route in self._rule(one, ref.at(f"spec.http[{i}]"))),
            tuple(self._l4(one, ref.at(f"spec.tcp[{i}]")) for i, one in enumerate(rules.tcp)),
            tuple(self._l4(one, ref.at(f"spec.tls[{i}]")) for i, one in enumerate(rules.tls)),
            self._resource.meta.creation_timestamp,
        )
        gateways = dict(self._named_gateways(ref))
        return Statement(
            ref,
            routes=routes if self._hosts else None,
            references=tuple(self._references),
            gateways=tuple(gateways.items()),
            findings=tuple(self._findings),
        )

    def _full(self, host: str) -> str:
        return full_name(host, self._namespace, self._domain)

    def _named_gateways(self, ref: Ref) -> Iterator[tuple[str, Ref]]:
        """Every gateway named; `spec.gateways` last, so that a dict keeps that place."""
        rules = self._rules
        written = [(f"http[{i}].match[{j}]", m.gateways) for i, one in enumerate(rules.http) for j, m in enumerate(one.match)]
        written += [(f"tcp[{i}].match[{j}]", m.gateways) for i, one in enumerate(rules.tcp) for j, m in enumerate(one.match)]
        written += [(f"tls[{i}].match[{j}]", m.gateways) for i, one in enumerate(rules.tls) for j, m in enumerate(one.match)]
        for field, gateways in written:
            yield from self._at(gateways, ref.at(f"spec.{field}.gateways"))
        yield from self._at(rules.gateways, ref.at("spec.gateways"))

    def _at(self, written: Iterable[str], field: Ref) -> Iterator[tuple[str, Ref]]:
        for i, one in enumerate(written):
            if one != MESH:
                yield gateway_name(one, self._namespace), field.at(f"[{i}]")

    def _destination(self, one: spec.Destination, origin: Ref) -> model.Destination:
        host, port = self._full(one.host), (one.port.number or 0) if one.port else 0
        any_port = self._gateways == (MESH,) and host in self._hosts
        self._references.append(Reference(host, origin, one.subset, port, any_port))
        return model.Destination(host, one.subset, port)

    # HTTP

    def _rule(self, one: spec.HttpRoute, origin: Ref) -> Iterator[model.HttpRoute]:
        if one.delegate and self._hosts:
            yield from self._delegated(one, one.delegate, origin)
        elif route := self._http(one, origin):
            yield route

    def _delegated(self, one: spec.HttpRoute, to: spec.Delegate, origin: Ref) -> Iterator[model.HttpRoute]:
        """The rules of the delegate that are within this one, in its namespace's words."""
        key = leaf_key(to, self._namespace)
        leaf = self._leaves(key)
        if leaf is None or not isinstance(leaf.spec, spec.VirtualService):
            hint = "hosts belong to the one that delegates"
            self._without_effect(origin, f"there is no VirtualService {key} without hosts", hint)
            return
        if not visible(exported(leaf.spec.export_to, leaf.meta.namespace), self._namespace):
            hint = "exportTo of the delegate says so"
            self._without_effect(origin, f"{key} is not exported to namespace {self._namespace}", hint)
            return
        reading = _Reading(leaf, leaf.spec, self._settings, self._leaves)
        root = qualified(one, self._namespace)
        for j, inner in enumerate(leaf.spec.http):
            merged = combined(root, qualified(inner, leaf.meta.namespace))
            if merged is None:
                why = f"what rule http[{j}] of {key} matches is not within what this one matches"
                self._without_effect(origin, why, "a delegate may narrow a match: a longer prefix, an exact path, more headers")
            elif not merged.delegate and (route := reading._http(merged, leaf.ref.at(f"spec.http[{j}]"))):
                yield route

    def _without_effect(self, origin: Ref, why: str, hint: str) -> None:
        self._findings.append(finding("delegate-without-effect", origin.at("delegate"), why=why, hint=hint))

    def _http(self, one: spec.HttpRoute, origin: Ref) -> model.HttpRoute | None:
        action = self._action(one, origin)
        if action is None:
            return None
        edits = one.headers or spec.Headers()
        return model.HttpRoute(
            action,
            origin,
            one.name,
            tuple(http_match(match, self._namespace) for match in one.match),
            _rewrite(one.rewrite, one.match) if one.rewrite else None,
            None if one.timeout is None else seconds(one.timeout),
            retries(one.retries, _RETRY_ON) if one.retries else None,
            _fault(one.fault),
            tuple(self._mirrors(one, origin)),
            _cors(one.cors_policy) if one.cors_policy else None,
            _edit(edits.request),
            _edit(edits.response),
            sticky=sticky_split(self._resource.meta.annotations),
        )

    def _action(self, one: spec.HttpRoute, origin: Ref) -> model.Action | None:
        if one.redirect:
            return _redirect(one.redirect)
        if one.direct_response:
            return _direct_response(one.direct_response)
        return model.Forward(tuple(self._shares(one.route, origin))) if one.route else None

    def _shares(
        self, route: Iterable[spec.HttpRouteDestination | spec.L4RouteDestination], origin: Ref
    ) -> Iterator[model.WeightedDestination]:
        all_of_it = tuple(route)
        for i, one in enumerate(all_of_it):
            destination = self._destination(one.destination, origin.at(f"route[{i}].destination"))
            edits = one.headers if isinstance(one, spec.HttpRouteDestination) and one.headers else spec.Headers()
            weight = one.weight or (1 if len(all_of_it) == 1 else 0)  # the only one gets all, whatever its weight
            yield model.WeightedDestination(destination, weight, _edit(edits.request), _edit(edits.response))

    def _mirrors(self, one: spec.HttpRoute, origin: Ref) -> Iterator[model.Mirror]:
        if one.mirror:
            older = one.mirror_percent if one.mirror_percent is not None else one.mirror_percent_snake
            percent = _percent(one.mirror_percentage, older)
            yield model.Mirror(self._destination(one.mirror, origin.at("mirror")), percent)
        for i, more in enumerate(one.mirrors):
            at = origin.at(f"mirrors[{i}].destination")
            yield model.Mirror(self._destination(more.destination, at), _percent(more.percentage))

    # TCP and TLS

    def _l4(self, one: spec.TcpRoute | spec.TlsRoute, origin: Ref) -> model.L4Route:
        matches = tuple(l4_match(match, self._namespace) for match in one.match)
        return model.L4Route(tuple(self._shares(one.route, origin)), origin, matches)


def _percent(said: spec.Percent | None, older: float | None = None) -> float:
    """0 to 100; nothing said is all."""
    if said is not None:
        return said.value
    return 100.0 if older is None else float(older)


def _edit(of: spec.HeaderOperations | None) -> model.HeaderEdit:
    if of is None:
        return model.NO_EDIT
    return model.HeaderEdit(_pairs(of.set), _pairs(of.add), of.remove)


def _pairs(of: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return labels(of)


def _redirect(of: spec.HttpRedirect) -> model.Redirect:
    by_prefix = of.uri.startswith(_PREFIX)
    return model.Redirect(
        of.scheme,
        of.authority,
        of.port,
        of.derive_port or "",
        "" if by_prefix else of.uri,
        of.uri[len(_PREFIX) :] if by_prefix else "",
        of.redirect_code or 301,
    )


def _direct_response(of: spec.HttpDirectResponse) -> model.DirectResponse:
    body = of.body or spec.HttpBody()
    return model.DirectResponse(of.status, b64decode(body.bytes_) if body.bytes_ else (body.string or "").encode())


def _rewrite(of: spec.HttpRewrite, matches: tuple[spec.HttpMatch, ...]) -> model.Rewrite:
    """`uri` replaces a matched prefix; where no match is by prefix, the whole path."""
    by_prefix = not matches or any(match.uri and match.uri.prefix is not None for match in matches)
    regex = (of.uri_regex_rewrite.match, of.uri_regex_rewrite.rewrite) if of.uri_regex_rewrite else None
    return model.Rewrite(of.uri if by_prefix else "", "" if by_prefix else of.uri, of.authority, regex)


def retries(of: spec.HttpRetry, otherwise: tuple[str, ...]) -> model.Retries:
    """A retry policy; `otherwise` is what it is for when it says nothing of that."""
    return model.Retries(
        of.attempts,
        tuple(part.strip() for part in of.retry_on.split(",") if part.strip()) or otherwise,
        None if of.per_try_timeout is None else seconds(of.per_try_timeout),
        None if of.backoff is None else seconds(of.backoff),
        of.retry_ignore_previous_hosts is not False,
        of.retry_remote_localities,
    )


def _fault(of: spec.HttpFault | None) -> model.Fault | None:
    """None: no trouble, none that can be made, or none that anybody meets: a percentage that is not written is 0."""
    delay, abort = (of and of.delay) or spec.FaultDelay(), (of and of.abort) or spec.FaultAbort()
    if not _percent(delay.percentage, delay.percent or 0):
        delay = spec.FaultDelay()
    if not _percent(abort.percentage, 0):
        abort = spec.FaultAbort()
    if delay.fixed_delay is None and abort.http_status is None and abort.grpc_status is None:
        return None
    return model.Fault(
        None if delay.fixed_delay is None else seconds(delay.fixed_delay),
        _percent(delay.percentage, delay.percent or 0),
        abort.http_status,
        None if abort.grpc_status is None else _grpc_status(abort.grpc_status),
        _percent(abort.percentage, 0),
    )


def _grpc_status(written: str) -> int:
    """A name or a number; a name that is none is UNKNOWN."""
    if written.isdigit():
        return int(written)
    name = written.upper()
    return _GRPC_STATUSES.index(name) if name in _GRPC_STATUSES else _GRPC_STATUSES.index("UNKNOWN")


def _cors(of: spec.CorsPolicy) -> model.Cors:
    origins = tuple(match for one in of.allow_origins if (match := string_match(one)))
    return model.Cors(
        origins + tuple(model.Exact(one) for one in of.allow_origin if not origins),
        of.allow_methods,
        of.allow_headers,
        of.expose_headers,
        None if of.max_age is None else seconds(of.max_age),
        of.allow_credentials,
        of.unmatched_preflights != "IGNORE",
    )
