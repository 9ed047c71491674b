"""The kinds of the Gateway API: what is accepted, what is refused, and where."""

import pytest
from rules import found_in

from weft.resource.kinds import by_name

TO = "backendRefs: [{name: a, port: 80}]"
FILES = "options: {mesh.weft.dev/certificate-file: /c, mesh.weft.dev/private-key-file: /k}"


def _gateway(listener: str) -> str:
    return f"{{gatewayClassName: weft, listeners: [{{name: a, port: 80, protocol: HTTP, {listener}}}]}}"


def _rule(rule: str) -> str:
    return f"{{parentRefs: [{{name: gw}}], rules: [{{{rule}}}]}}"


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("gc", "{controllerName: mesh.weft.dev/gateway, description: ours}"),
        ("gtw", _gateway("hostname: '*.a.b'")),
        ("gtw", _gateway("allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {a: b}}}}")),
        ("gtw", _gateway("allowedRoutes: {namespaces: {from: All}, kinds: [{kind: HTTPRoute}]}")),
        ("gtw", f"{{gatewayClassName: weft, listeners: [{{name: s, port: 443, protocol: HTTPS, tls: {{{FILES}}}}}]}}"),
        ("httproute", "{parentRefs: [{name: gw, sectionName: a}, {name: gw, sectionName: b}], hostnames: [a.b, '*.c.d']}"),
        ("httproute", _rule(f"matches: [{{path: {{type: Exact, value: /a}}, method: GET}}], timeouts: {{request: 2s}}, {TO}")),
        ("httproute", _rule("filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]")),
        ("httproute", _rule("filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, "
                            "replacePrefixMatch: /b}}}], matches: [{path: {value: /a}}], " + TO)),
        ("grpcroute", "{parentRefs: [{kind: Service, group: '', name: a}], rules: [{matches: [{method: {service: a.B}}]}]}"),
        ("refgrant", "{from: [{group: a.b, kind: HTTPRoute, namespace: a}], to: [{group: '', kind: Service}]}"),
        ("httproute", _rule("sessionPersistence: {sessionName: s, type: Cookie, absoluteTimeout: 1h, "
                            f"cookieConfig: {{lifetimeType: Permanent}}}}, {TO}")),
        ("tlsroute", f"{{parentRefs: [{{name: gw}}], hostnames: ['*.a.b'], rules: [{{name: r, {TO}}}]}}"),
        ("tcproute", f"{{parentRefs: [{{name: gw, sectionName: a, port: 80}}], rules: [{{{TO}}}]}}"),
        ("udproute", "{rules: [{backendRefs: [{name: a, namespace: b, port: 53, weight: 2}]}]}"),
        ("lset", "{parentRef: {name: gw, namespace: b}, listeners: [{name: a, port: 80, protocol: TCP}]}"),
        ("gtw", _gateway("hostname: a.b").replace("weft,", "weft, allowedListeners: {namespaces: {from: Same}}, infrastructure: "
                                                  "{labels: {a: b}}, addresses: [{type: Hostname, value: a.b}, {}],")),
    ],
)  # fmt: skip
def test_documented_specs_are_accepted(kind: str, spec: str) -> None:
    """The forms of the specification give no finding."""
    assert found_in(kind, spec) == []


@pytest.mark.parametrize(
    ("kind", "spec", "code", "path"),
    [
        ("gc", "{controllerName: weft}", "invalid-value", "controllerName"),
        ("gtw", "{gatewayClassName: weft}", "missing-field", "listeners"),
        ("gtw", "{listeners: [{name: a, port: 80, protocol: HTTP}]}", "missing-field", "gatewayClassName"),
        ("gtw", _gateway("tls: {mode: Terminate}"), "invalid-value", "listeners[0].tls"),
        ("gtw", _gateway("hostname: 10.0.0.1"), "invalid-value", "listeners[0].hostname"),
        ("gtw", _gateway("allowedRoutes: {namespaces: {from: Selector}}"), "missing-field",
         "listeners[0].allowedRoutes.namespaces.selector"),
        ("gtw", "{gatewayClassName: weft, listeners: [{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}]}",
         "duplicate", "listeners[1].name"),
        ("gtw", "{gatewayClassName: weft, listeners: [{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}]}",
         "duplicate", "listeners[1]"),
        ("gtw", "{gatewayClassName: weft, listeners: [{name: s, port: 443, protocol: HTTPS, tls: {mode: Passthrough}}]}",
         "invalid-value", "listeners[0].tls.mode"),
        ("gtw", "{gatewayClassName: weft, tls: {backend: {clientCertificateRef: {name: c}}}, listeners: [{name: s, port: 80,"
         " protocol: HTTP}]}", "unsupported-field", "tls.backend"),
        ("httproute", "{parentRefs: [{name: a}, {name: a, port: 80}]}", "invalid-value", "parentRefs[0]"),
        ("httproute", "{parentRefs: [{name: a, port: 80}, {name: a, port: 80}]}", "duplicate", "parentRefs[1]"),
        ("httproute", "{hostnames: ['a.*']}", "invalid-value", "hostnames[0]"),
        ("httproute", "{rules: []}", "invalid-value", "rules"),
        ("httproute", _rule(f"matches: [{{path: {{value: a}}}}], {TO}"), "invalid-value", "rules[0].matches[0].path.value"),
        ("httproute", _rule(f"matches: [{{path: {{value: /a//b}}}}], {TO}"), "invalid-value", "rules[0].matches[0].path.value"),
        ("httproute", _rule("matches: [{path: {type: RegularExpression, value: '('}}]"), "invalid-value",
         "rules[0].matches[0].path.value"),
        ("httproute", _rule("matches: [{headers: [{name: A, value: b}, {name: a, value: c}]}]"), "duplicate",
         "rules[0].matches[0].headers[1].name"),
        ("httproute", _rule("backendRefs: [{name: a}]"), "missing-field", "rules[0].backendRefs[0].port"),
        ("httproute", _rule("backendRefs: [{name: a, port: 80, weight: -1}]"), "invalid-value", "rules[0].backendRefs[0].weight"),
        ("httproute", _rule("filters: [{type: RequestMirror}]"), "missing-field", "rules[0].filters[0].requestMirror"),
        ("httproute", _rule("filters: [{type: CORS, cors: {}, urlRewrite: {hostname: a}}]"), "invalid-value",
         "rules[0].filters[0].urlRewrite"),
        ("httproute", _rule("filters: [{type: RequestRedirect, requestRedirect: {}}], " + TO), "conflicting-fields", "rules[0]"),
        ("httproute", _rule("filters: [{type: RequestRedirect, requestRedirect: {statusCode: 200}}]"), "invalid-value",
         "rules[0].filters[0].requestRedirect.statusCode"),
        ("httproute", _rule("filters: [{type: URLRewrite, urlRewrite: {}}, {type: URLRewrite, urlRewrite: {}}]"), "duplicate",
         "rules[0].filters[1].type"),
        ("httproute", _rule("filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]"
                            ", matches: [{path: {type: Exact, value: /a}}]"), "invalid-value", "rules[0].matches"),
        ("httproute", _rule("filters: [{type: ExtensionRef, extensionRef: {group: a, kind: b, name: c}}]"), "unsupported-field",
         "rules[0].filters[0].extensionRef"),
        ("httproute", _rule("backendRefs: [{name: a, port: 80, filters: [{type: CORS, cors: {}}]}, {name: b, port: 80}]"),
         "unsupported-value", "rules[0].backendRefs[0].filters[0].type"),
        ("httproute", _rule("timeouts: {request: 1s, backendRequest: 2s}"), "invalid-value", "rules[0].timeouts.backendRequest"),
        ("httproute", _rule("sessionPersistence: {idleTimeout: 1s}"), "unsupported-field",
         "rules[0].sessionPersistence.idleTimeout"),
        ("httproute", _rule("sessionPersistence: {cookieConfig: {lifetimeType: Permanent}}"), "missing-field",
         "rules[0].sessionPersistence.absoluteTimeout"),
        ("httproute", _rule("sessionPersistence: {absoluteTimeout: 1h}"), "no-effect",
         "rules[0].sessionPersistence.absoluteTimeout"),
        ("grpcroute", _rule("sessionPersistence: {type: Header, cookieConfig: {}}"), "invalid-value",
         "rules[0].sessionPersistence.cookieConfig"),
        ("tlsroute", "{hostnames: [10.0.0.1], rules: [{backendRefs: [{name: a, port: 80}]}]}", "invalid-value", "hostnames[0]"),
        ("tcproute", "{rules: []}", "invalid-value", "rules"),
        ("tcproute", "{rules: [{backendRefs: []}]}", "invalid-value", "rules[0].backendRefs"),
        ("udproute", "{rules: [{backendRefs: [{name: a}]}]}", "missing-field", "rules[0].backendRefs[0].port"),
        ("udproute", f"{{rules: [{{{TO}}}, {{{TO}}}]}}", "no-effect", "rules[1]"),
        ("udproute", "{rules: [{backendRefs: [{name: a, port: 53}, {name: b, port: 53}]}]}", "unsupported-value",
         "rules[0].backendRefs"),
        ("lset", "{parentRef: {name: gw}, listeners: []}", "missing-field", "listeners"),
        ("lset", "{parentRef: {name: gw}, listeners: [{name: a, port: 53, protocol: UDP, hostname: b.c}]}", "invalid-value",
         "listeners[0].hostname"),
        ("lset", "{parentRef: {name: gw}, listeners: [{name: a, port: 443, protocol: TLS}]}", "missing-field",
         "listeners[0].tls"),
        ("gtw", _gateway("hostname: a.b").replace("weft,", "weft, addresses: [{value: a.b}],"), "invalid-value",
         "addresses[0].value"),
        ("grpcroute", "{rules: [{matches: [{method: {}}]}]}", "invalid-value", "rules[0].matches[0].method"),
        ("grpcroute", "{rules: [{matches: [{method: {service: a/b}}]}]}", "invalid-value", "rules[0].matches[0].method.service"),
        ("refgrant", "{from: [], to: [{group: '', kind: Service}]}", "invalid-value", "from"),
    ],
)  # fmt: skip
def test_each_mistake_is_found(kind: str, spec: str, code: str, path: str) -> None:
    """What the CustomResourceDefinitions refuse is refused, at the field that is wrong; what has no effect is named."""
    assert (code, path) in found_in(kind, spec)


def test_two_kinds_are_called_gateway() -> None:
    """`gateway` is the Gateway API's, as in Kubernetes, `gw` is Istio's, and each has its full name."""
    found = {said: kind.group for said in ("gateway", "gtw", "gw", "gateways.networking.istio.io") if (kind := by_name(said))}
    assert found == {
        "gateway": "gateway.networking.k8s.io",
        "gtw": "gateway.networking.k8s.io",
        "gw": "networking.istio.io",
        "gateways.networking.istio.io": "networking.istio.io",
    }
