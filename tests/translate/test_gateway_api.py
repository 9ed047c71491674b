"""Gateways and routes of the Gateway API: what attaches where, which rule comes first, and what the statuses say."""

import pytest

from weft.model.precedence import MESH, route_set
from weft.model.route import (
    DirectResponse,
    Exact,
    Forward,
    HttpMatch,
    HttpRoute,
    PathPrefix,
    Redirect,
    Regex,
    Retries,
    Rewrite,
)
from weft.model.traffic import HashOnHeader
from weft.ref import Ref
from weft.translate.gateway_api.status import GatewayStatus, RouteStatus
from weft.translate.mesh import Translation

from .written import api, core, findings, translated, workload

GROUP = "gateway.networking.k8s.io"
ALL = "allowedRoutes: {namespaces: {from: All}}"
TO = "backendRefs: [{name: web, port: 80}]"
WEB = core("web")
SERVED = workload("gw-0", "gw").replace("app: gw", "gateway.networking.k8s.io/gateway-name: gw")


def _gateway(*listeners: str) -> str:
    named = ", ".join(f"{{name: {name}, protocol: HTTP, {rest}}}" for name, rest in (one.split(" ", 1) for one in listeners))
    return api("Gateway", "gw", f"{{gatewayClassName: weft, listeners: [{named}]}}")


GATEWAY = _gateway(f"a port: 80, {ALL}")


def _route(rules: str, more: str = "", name: str = "r", namespace: str = "default", created: str = "") -> str:
    parents = "" if "parentRefs" in more else "parentRefs: [{name: gw, namespace: default}], "
    return api("HTTPRoute", name, f"{{{parents}{more}rules: [{rules}]}}", namespace=namespace, created=created)


def _rules(of: Translation, listener: str = "a", host: str = "*") -> tuple[HttpRoute, ...]:
    """The rules at a host of a listener of the Gateway gw."""
    sets = (of.mesh.gateway_routes or {}).get(f"default/gw~{listener}", ())
    return next((one.http for one in sets if one.hosts == (host,)), ())


def _hosts(of: Translation, listener: str) -> list[str]:
    return [host for one in (of.mesh.gateway_routes or {}).get(f"default/gw~{listener}", ()) for host in one.hosts]


def _status(of: Translation, name: str = "r", namespace: str = "default") -> RouteStatus:
    found = of.statuses[Ref(GROUP, "HTTPRoute", namespace, name)]
    assert isinstance(found, RouteStatus)
    return found


def _reasons(of: Translation, name: str = "r", namespace: str = "default") -> list[str]:
    """The reasons of Accepted and ResolvedRefs at each parent."""
    return [one.reason for parent in _status(of, name, namespace).parents for one in parent.conditions]


def _gateway_status(of: Translation) -> GatewayStatus:
    found = of.statuses[Ref(GROUP, "Gateway", "default", "gw")]
    assert isinstance(found, GatewayStatus)
    return found


def test_the_precedence_is_the_specifications() -> None:
    """Exact, then expressions, then the longer prefix, then a method, then more headers, then more query parameters."""
    matches = (
        "{}",
        "{queryParams: [{name: q, value: '1'}]}",
        "{headers: [{name: h, value: '1'}]}",
        "{method: GET}",
        "{path: {value: /longer}}",
        "{path: {type: RegularExpression, value: /x.*}}",
        "{path: {type: Exact, value: /}}",
    )
    found = _rules(translated(WEB, GATEWAY, _route(f"{{matches: [{', '.join(matches)}], {TO}}}")))
    firsts = [one.matches[0] for one in found]
    assert [one.path for one in firsts][:3] == [Exact("/"), Regex("/x.*"), PathPrefix("/longer")]
    assert [(bool(one.method), len(one.headers), len(one.query_params)) for one in firsts][3:] == [
        (True, 0, 0),
        (False, 1, 0),
        (False, 0, 1),
        (False, 0, 0),
    ]


def test_of_equal_matches_the_older_route_then_the_name_then_the_first_rule_wins() -> None:
    """The ties are broken as the specification says."""
    two = f"{{name: first, {TO}}}, {{name: second, {TO}}}"
    older = _route(f"{{name: old, {TO}}}", name="z", created="2026-01-01T00:00:00Z")
    texts = [_route(two, name="b", created="2026-02-01T00:00:00Z"), _route(two, name="a", created="2026-02-01T00:00:00Z"), older]
    found = _rules(translated(WEB, GATEWAY, *texts))
    assert [(one.origin.name, one.name) for one in found] == [
        ("z", "old"), ("a", "first"), ("a", "second"), ("b", "first"), ("b", "second"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("listener", "route", "common"),
    [
        ("", [], ["*"]),
        ("'*.a.b'", [], ["*.a.b"]),
        ("", ["x.a.b"], ["x.a.b"]),
        ("'*.a.b'", ["x.a.b", "a.b", "'*.x.a.b'", "c.d"], ["*.x.a.b", "x.a.b"]),
        ("x.a.b", ["'*.a.b'"], ["x.a.b"]),
    ],
)
def test_hostnames_are_those_in_common(listener: str, route: list[str], common: list[str]) -> None:
    """The narrower of listener and route, where one holds the other; a wildcard does not hold its own domain."""
    hostname = f", hostname: {listener}" if listener else ""
    hosts = f"hostnames: [{', '.join(route)}], " if route else ""
    found = translated(WEB, _gateway(f"a port: 80, {ALL}{hostname}"), _route(f"{{{TO}}}", hosts))
    assert _hosts(found, "a") == common
    assert _reasons(found) == ["Accepted", "ResolvedRefs"]


def test_a_route_without_a_common_hostname_is_not_accepted() -> None:
    """The reason is NoMatchingListenerHostname, and the operator is told."""
    found = translated(WEB, SERVED, _gateway("a port: 80, hostname: a.b"), _route(f"{{{TO}}}", "hostnames: [c.d], "))
    assert _reasons(found) == ["NoMatchingListenerHostname", "ResolvedRefs"]
    assert [(one.code, one.ref.field) for one in findings(found)] == [("route-not-attached", "spec.parentRefs[0]")]


def test_a_listener_chooses_whose_routes_it_takes() -> None:
    """Its own namespace's, all, or those whose labels fit; no others."""
    namespaces = "{apiVersion: v1, kind: Namespace, metadata: {name: other, labels: {team: b}}}"
    selector = (
        "allowedRoutes: {namespaces: {from: Selector, selector: {matchExpressions: [{key: team, operator: In, values: [%s]}]}}}"
    )
    route = _route(f"{{{TO}}}", namespace="other")
    cases = (("port: 80", "NotAllowedByListeners"), (f"port: 80, {ALL}", "Accepted"),
             (f"port: 80, {selector % 'b'}", "Accepted"), (f"port: 80, {selector % 'c'}", "NotAllowedByListeners"))  # fmt: skip
    for allowed, reason in cases:
        found = translated(core("web", namespace="other"), namespaces, _gateway(f"a {allowed}"), route)
        assert _reasons(found, namespace="other")[0] == reason
    kinds = _gateway("a port: 80, allowedRoutes: {kinds: [{kind: GRPCRoute}]}")
    assert _reasons(translated(WEB, kinds, _route(f"{{{TO}}}")))[0] == "NotAllowedByListeners"


def test_a_section_or_port_that_is_not_there_is_no_parent() -> None:
    """So is a Gateway that does not exist; one of another class is another controller's."""
    for more in ("sectionName: b", "port: 81"):
        found = translated(WEB, GATEWAY, _route(f"{{{TO}}}", f"parentRefs: [{{name: gw, {more}}}], "))
        assert _reasons(found)[0] == "NoMatchingParent"
    assert _reasons(translated(WEB, _route(f"{{{TO}}}")))[0] == "NoMatchingParent"
    foreign = translated(WEB, GATEWAY.replace("gatewayClassName: weft", "gatewayClassName: nginx"), _route(f"{{{TO}}}"))
    assert foreign.statuses == {}


def test_a_request_is_the_nearest_listeners_alone() -> None:
    """Hosts of a nearer listener are no other's, and end there when no route of it takes them."""
    gateway = _gateway(f"a port: 80, {ALL}", f"b port: 80, hostname: x.a.b, {ALL}")
    found = translated(WEB, gateway, _route(f"{{{TO}}}", "parentRefs: [{name: gw, sectionName: a}], hostnames: [x.a.b, y.a.b], "))
    assert _hosts(found, "a") == ["y.a.b"]
    (wall,) = _rules(found, "b", "x.a.b")
    assert isinstance(wall.action, DirectResponse)
    assert wall.action.status == 404


def test_a_backend_must_exist_and_be_permitted() -> None:
    """BackendNotFound, InvalidKind and RefNotPermitted; a rule that is left with nothing answers 500."""
    other = core("far", namespace="other")
    for backend, reason in (("name: none, port: 80", "BackendNotFound"), ("name: web, port: 81", "BackendNotFound"),
                            ("name: x, kind: Bucket, group: a.b", "InvalidKind"),
                            ("name: far, namespace: other, port: 80", "RefNotPermitted")):  # fmt: skip
        found = translated(WEB, other, GATEWAY, _route(f"{{backendRefs: [{{{backend}}}]}}"))
        assert _reasons(found) == ["Accepted", reason]
        (rule,) = _rules(found)
        assert isinstance(rule.action, DirectResponse)
        assert rule.action.status == 500
    for to, reason in (("", "ResolvedRefs"), (", name: far", "ResolvedRefs"), (", name: near", "RefNotPermitted")):
        spec = f"{{from: [{{group: {GROUP}, kind: HTTPRoute, namespace: default}}], to: [{{group: '', kind: Service{to}}}]}}"
        grant = api("ReferenceGrant", "g", spec, namespace="other")
        route = _route("{backendRefs: [{name: far, namespace: other, port: 80}]}")
        assert _reasons(translated(other, grant, GATEWAY, route))[1] == reason


def test_weights_of_zero_get_nothing() -> None:
    """A backend with weight 0 is left out; when all have it, the answer is 500."""
    api_service = core("api")
    found = translated(WEB, api_service, GATEWAY,
                       _route("{backendRefs: [{name: web, port: 80, weight: 0}, {name: api, port: 80}]}"))  # fmt: skip
    action = _rules(found)[0].action
    assert isinstance(action, Forward)
    assert [one.destination.host for one in action.destinations] == ["api.default.svc.cluster.local"]
    none = _rules(translated(WEB, GATEWAY, _route("{backendRefs: [{name: web, port: 80, weight: 0}]}")))[0].action
    assert isinstance(none, DirectResponse)
    assert none.status == 500


@pytest.mark.parametrize(
    ("listener", "redirect", "port"),
    [
        ("port: 8080", "hostname: a.b", 8080),
        ("port: 80", "hostname: a.b", None),
        ("port: 8080", "scheme: https", None),
        ("port: 8080", "scheme: https, port: 443", None),
        ("port: 8080", "scheme: http, port: 8443", 8443),
        ("port: 8080", "port: 80", None),
    ],
)
def test_a_redirect_goes_to_the_port_of_its_scheme_or_listener(listener: str, redirect: str, port: int | None) -> None:
    """A well-known port is not written."""
    route = _route(f"{{filters: [{{type: RequestRedirect, requestRedirect: {{{redirect}}}}}]}}")
    action = _rules(translated(_gateway(f"a {listener}"), route))[0].action
    assert isinstance(action, Redirect)
    assert (action.port, action.derive_port, action.code) == (port, "", 302)


def test_users_may_be_kept_in_their_part_of_a_split() -> None:
    """The annotation of a route holds for all its rules."""
    named = _route(f"{{{TO}}}").replace("{name: r,", "{name: r, annotations: {mesh.weft.dev/sticky-split: header=x-user},")
    (rule,) = _rules(translated(WEB, GATEWAY, named))
    assert rule.sticky == HashOnHeader("x-user")


def test_filters_and_timeouts_are_taken_over() -> None:
    """Rewrites, headers as they are written, time limits for all and for each try."""
    rewrite = "{type: URLRewrite, urlRewrite: {hostname: h, path: {type: ReplaceFullPath, replaceFullPath: /p}}}"
    headers = "{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: a, value: 5%}], remove: [b]}}"
    mirror = "{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}, fraction: {numerator: 1, denominator: 4}}}"
    timeouts = "timeouts: {request: 2s, backendRequest: 500ms}"
    (rule,) = _rules(translated(WEB, GATEWAY, _route(f"{{filters: [{rewrite}, {headers}, {mirror}], {timeouts}, {TO}}}")))
    assert rule.rewrite == Rewrite(path="/p", authority="h")
    assert (rule.response_headers.add, rule.response_headers.remove) == ((("a", "5%%"),), ("b",))
    assert [one.percent for one in rule.mirrors] == [25.0]
    assert (rule.timeout, rule.retries) == (2.0, Retries(2, (), 0.5))


def test_grpc_methods_are_paths() -> None:
    """A service is a prefix, a method of it a path, a method of any service an expression."""
    matches = "[{method: {service: a.B, method: C}}, {method: {service: a.B}}, {method: {method: C}}]"
    spec = f"{{parentRefs: [{{name: gw}}], rules: [{{matches: {matches}, {TO}}}]}}"
    found = _rules(translated(WEB, GATEWAY, api("GRPCRoute", "r", spec)))
    assert {one.matches[0].path.value for one in found if one.matches[0].path} == {"/a.B/C", "/a.B/", "/[^/]+/C"}


def test_a_producers_route_is_for_all_and_a_consumers_for_its_own() -> None:
    """A route of a Service, in its namespace or in the caller's; a port narrows it."""
    parent = "parentRefs: [{group: '', kind: Service, name: web, namespace: default, port: 80}], "
    grant = api(
        "ReferenceGrant",
        "g",
        f"{{from: [{{group: {GROUP}, kind: HTTPRoute, namespace: b}}], to: [{{group: '', kind: Service}}]}}",
    )
    rule = "{backendRefs: [{name: web, namespace: default, port: 80}]}"
    found = translated(WEB, grant, _route(rule, parent), _route(rule, parent, namespace="b", name="consumer"))
    host = "web.default.svc.cluster.local"
    seen = {namespace: route_set(found.mesh, host, namespace) for namespace in ("default", "a", "b")}
    assert {namespace: one.origin.name for namespace, one in seen.items() if one} == {"default": "r", "a": "r", "b": "consumer"}
    producer = seen["a"]
    assert producer
    assert (producer.gateways, producer.ports) == ((MESH,), (80,))
    assert producer.http[0].matches == (HttpMatch(PathPrefix("/"), port=80),)


def test_a_gateway_says_what_is_attached_and_served() -> None:
    """Accepted, Programmed once a workload serves it, its address, and the count of each listener."""
    waiting = _gateway_status(translated(WEB, GATEWAY, _route(f"{{{TO}}}")))
    assert [(one.type, one.holds, one.reason) for one in waiting.conditions] == [
        ("Accepted", True, "Accepted"), ("Programmed", False, "NoResources"),
    ]  # fmt: skip
    served = _gateway_status(translated(WEB, SERVED, GATEWAY, _route(f"{{{TO}}}")))
    assert [one.reason for one in served.conditions] == ["Accepted", "Programmed"]
    assert served.addresses == ("127.0.0.1",)
    assert [(one.name, one.attached, one.kinds) for one in served.listeners] == [("a", 1, ("HTTPRoute", "GRPCRoute"))]


def test_listeners_that_cannot_be_served_say_why() -> None:
    """Another protocol, a conflict on one port, a listener without a certificate; the Gateway is accepted with the rest."""
    spec = (
        "{gatewayClassName: weft, listeners: [{name: ok, port: 80, protocol: HTTP}, {name: odd, port: 90, protocol: a.b/SCTP},"
        " {name: x, port: 91, protocol: HTTP}, {name: y, port: 91, protocol: TCP},"
        " {name: kinds, port: 92, protocol: TCP, allowedRoutes: {kinds: [{kind: HTTPRoute}, {kind: TCPRoute}]}},"
        " {name: tls, port: 443, protocol: HTTPS, tls: {options: {a.b/c: d}}}]}"
    )
    found = translated(SERVED, api("Gateway", "gw", spec))
    status = _gateway_status(found)
    wrong = {one.name: {each.type: each.reason for each in one.conditions} for one in status.listeners}
    assert wrong["odd"]["Accepted"] == "UnsupportedProtocol"
    assert wrong["x"]["Conflicted"] == wrong["y"]["Conflicted"] == "ProtocolConflict"
    assert wrong["kinds"]["ResolvedRefs"] == "InvalidRouteKinds"
    assert {one.name: one.kinds for one in status.listeners}["kinds"] == ("TCPRoute",)
    assert wrong["tls"] == {
        "Accepted": "Accepted", "ResolvedRefs": "InvalidCertificateRef", "Programmed": "Invalid", "Conflicted": "NoConflicts",
    }  # fmt: skip
    assert [one.reason for one in status.conditions] == ["ListenersNotValid", "Programmed"]
    assert list(found.mesh.gateways) == ["default/gw~ok", "default/gw~kinds"]
    assert {one.code for one in findings(found)} == {"listener-not-served"}
