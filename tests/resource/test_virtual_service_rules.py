"""VirtualService: what Istio's validation refuses, weft refuses, at the field that must change."""

import pytest
from rules import found_in

from weft.resource.decode import decode

ROUTE = "route: [{destination: {host: a}}]"


def http(rule: str) -> list[tuple[str, str]]:
    """Findings of a VirtualService with this one HTTP rule; paths begin in the rule."""
    return [
        (code, path.removeprefix("http[0]").removeprefix("."))
        for code, path in found_in("vs", f"{{hosts: [a], http: [{{{rule}}}]}}")
    ]


@pytest.mark.parametrize(
    "rule",
    [
        ROUTE,
        "route: [{destination: {host: a}, weight: 100}]",
        "route: [{destination: {host: a}, weight: 0}]",
        "route: [{destination: {host: a}, weight: 80}, {destination: {host: a, subset: v2}, weight: 20}]",
        "route: [{destination: {host: a}, weight: 100}, {destination: {host: b}, weight: 0}]",
        "match: [{headers: {cookie: {regex: '^(.*?;)?(user=jason)(;.*)?$'}, x: {}}, uri: {prefix: /a}}], " + ROUTE,
        "match: [{port: 80, gateways: [mesh, shop/front, front]}], timeout: 0s, retries: {attempts: 0}, " + ROUTE,
        "retries: {attempts: 3, perTryTimeout: 2s, retryOn: 'connect-failure,refused-stream,503'}, " + ROUTE,
        "redirect: {uri: /b, redirectCode: 308}",
        "redirect: {authority: 'a.example.com:8443', scheme: https}",
        "directResponse: {status: 503, body: {string: gone}}",
        "fault: {delay: {fixedDelay: 5s, percentage: {value: 0.1}}, abort: {httpStatus: 500, percentage: {value: 1}}}, " + ROUTE,
        "fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 10}}}, " + ROUTE,
        "rewrite: {uri: /, authority: b.example.com}, " + ROUTE,
        "rewrite: {uriRegexRewrite: {match: '/a/(.*)', rewrite: '/b/\\1'}}, " + ROUTE,
        "mirror: {host: b, port: {number: 80}}, mirrorPercentage: {value: 5}, " + ROUTE,
        "mirrors: [{destination: {host: b}, percentage: {value: 5}}], " + ROUTE,
        "corsPolicy: {allowOrigins: [{exact: 'https://a.b'}], allowMethods: [GET], allowHeaders: [x-a], maxAge: 24h}, " + ROUTE,
        "headers: {request: {set: {x: '50% of %REQ(host)% at %START_TIME%'}}}, " + ROUTE,
        "headers: {request: {set: {':authority': b}, remove: [x]}, response: {add: {x: y}}}, " + ROUTE,
    ],
)
def test_documented_rules_are_accepted(rule: str) -> None:
    """The forms of Istio's reference give no finding."""
    assert http(rule) == []


@pytest.mark.parametrize(
    ("rule", "code", "path"),
    [
        ("name: x", "invalid-value", ""),
        (ROUTE + ", redirect: {uri: /}", "conflicting-fields", ""),
        (ROUTE + ", directResponse: {status: 200}", "conflicting-fields", ""),
        ("redirect: {uri: /}, rewrite: {uri: /}", "conflicting-fields", ""),
        ("redirect: {uri: /}, fault: {abort: {httpStatus: 500}}", "conflicting-fields", ""),
        ("route: [{destination: {host: a}, weight: 50}, {destination: {host: b}, weight: 40}]", "weight-total", "route"),
        ("route: [{destination: {host: a}}, {destination: {host: b}}]", "weight-sum", "route"),
        ("route: [{destination: {host: a}, weight: 0}, {destination: {host: b}, weight: 0}]", "weight-sum", "route"),
        ("route: [{destination: {host: a}, weight: 99}, {destination: {host: b}, weight: 99}]", "weight-total", "route"),
        ("route: [{destination: {host: a}, weight: -1}]", "invalid-value", "route[0].weight"),
        ("route: [{destination: {host: '*.a'}}]", "invalid-value", "route[0].destination.host"),
        ("route: [{destination: {host: 'a:80'}}]", "invalid-value", "route[0].destination.host"),
        ("route: [{destination: {host: 'http://a'}}]", "invalid-value", "route[0].destination.host"),
        ("route: [{destination: {host: ''}}]", "invalid-value", "route[0].destination.host"),
        ("route: [{destination: {host: a, subset: V_1}}]", "invalid-value", "route[0].destination.subset"),
        ("route: [{destination: {host: a, port: {}}}]", "missing-field", "route[0].destination.port.number"),
        ("route: [{destination: {host: a, port: {number: 0}}}]", "invalid-value", "route[0].destination.port.number"),
        ("match: [{uri: {exact: a, prefix: b}}], " + ROUTE, "conflicting-fields", "match[0].uri"),
        ("match: [{uri: {}}], " + ROUTE, "invalid-value", "match[0].uri"),
        ("match: [{uri: {prefix: ''}}], " + ROUTE, "invalid-value", "match[0].uri.prefix"),
        ("match: [{uri: {regex: '(?=a)'}}], " + ROUTE, "invalid-value", "match[0].uri.regex"),
        ("match: [{headers: {'a b': {exact: c}}}], " + ROUTE, "invalid-value", "match[0].headers[a b]"),
        ("match: [{gateways: [A/b]}], " + ROUTE, "invalid-value", "match[0].gateways[0]"),
        ("match: [{gateways: [a/b/c]}], " + ROUTE, "invalid-value", "match[0].gateways[0]"),
        ("match: [{sourceLabels: {'a b': c}}], " + ROUTE, "invalid-value", "match[0].sourceLabels[a b]"),
        ("match: [{port: 65536}], " + ROUTE, "invalid-value", "match[0].port"),
        ("match: [{uri: {regex: a}, ignoreUriCase: true}], " + ROUTE, "no-effect", "match[0].ignoreUriCase"),
        ("timeout: 5, " + ROUTE, "wrong-type", "timeout"),
        ("timeout: '5', " + ROUTE, "invalid-value", "timeout"),
        ("timeout: -5s, " + ROUTE, "invalid-value", "timeout"),
        ("retries: {attempts: -1}, " + ROUTE, "invalid-value", "retries.attempts"),
        ("retries: {perTryTimeout: 1s}, " + ROUTE, "invalid-value", "retries.attempts"),
        ("retries: {attempts: 1, perTryTimeout: 10us}, " + ROUTE, "invalid-value", "retries.perTryTimeout"),
        ("retries: {attempts: 1, retryOn: '5xx,conect-failure'}, " + ROUTE, "invalid-value", "retries.retryOn"),
        ("fault: {}, " + ROUTE, "invalid-value", "fault"),
        ("fault: {delay: {percentage: {value: 10}}}, " + ROUTE, "missing-field", "fault.delay.fixedDelay"),
        ("fault: {delay: {fixedDelay: 1s, percentage: {value: 101}}}, " + ROUTE, "invalid-value", "fault.delay.percentage.value"),
        ("fault: {delay: {fixedDelay: 1s, percent: 5}}, " + ROUTE, "deprecated-field", "fault.delay.percent"),
        ("fault: {delay: {exponentialDelay: 1s}}, " + ROUTE, "unsupported-field", "fault.delay.exponentialDelay"),
        ("fault: {abort: {httpStatus: 500}}, " + ROUTE, "no-effect", "fault.abort"),
        ("fault: {delay: {fixedDelay: 1s}}, " + ROUTE, "no-effect", "fault.delay"),
        ("fault: {abort: {}}, " + ROUTE, "invalid-value", "fault.abort"),
        ("fault: {abort: {httpStatus: 100}}, " + ROUTE, "invalid-value", "fault.abort.httpStatus"),
        ("fault: {abort: {httpStatus: 500, grpcStatus: OK}}, " + ROUTE, "conflicting-fields", "fault.abort"),
        ("fault: {abort: {grpcStatus: UNAVAILABEL}}, " + ROUTE, "invalid-value", "fault.abort.grpcStatus"),
        ("redirect: {}", "invalid-value", "redirect"),
        ("redirect: {uri: /, redirectCode: 200}", "invalid-value", "redirect.redirectCode"),
        ("redirect: {scheme: ftp}", "invalid-value", "redirect.scheme"),
        ("redirect: {port: 80, derivePort: FROM_REQUEST_PORT}", "conflicting-fields", "redirect"),
        ("directResponse: {status: 99}", "invalid-value", "directResponse.status"),
        ("directResponse: {status: 200, body: {}}", "invalid-value", "directResponse.body"),
        ("directResponse: {status: 200, body: {string: a, bytes: YQ==}}", "conflicting-fields", "directResponse.body"),
        ("rewrite: {}, " + ROUTE, "invalid-value", "rewrite"),
        ("rewrite: {uri: /, uriRegexRewrite: {match: a, rewrite: b}}, " + ROUTE, "conflicting-fields", "rewrite"),
        ("rewrite: {uriRegexRewrite: {rewrite: b}}, " + ROUTE, "missing-field", "rewrite.uriRegexRewrite.match"),
        ("mirror: {host: a}, mirrors: [{destination: {host: b}}], " + ROUTE, "conflicting-fields", ""),
        ("mirrorPercentage: {value: 5}, " + ROUTE, "no-effect", "mirrorPercentage"),
        ("mirror: {host: a}, mirrorPercent: 5, " + ROUTE, "deprecated-field", "mirrorPercent"),
        ("mirror: {host: a}, mirror_percent: 500, " + ROUTE, "invalid-value", "mirror_percent"),
        ("corsPolicy: {allowMethods: [get]}, " + ROUTE, "invalid-value", "corsPolicy.allowMethods[0]"),
        ("corsPolicy: {maxAge: 1500ms}, " + ROUTE, "invalid-value", "corsPolicy.maxAge"),
        ("corsPolicy: {allowOrigins: [{}]}, " + ROUTE, "invalid-value", "corsPolicy.allowOrigins[0]"),
        ("corsPolicy: {allowOrigin: ['*']}, " + ROUTE, "deprecated-field", "corsPolicy.allowOrigin"),
        ("headers: {request: {set: {x: '%FOO%'}}}, " + ROUTE, "invalid-value", "headers.request.set.x"),
        ("headers: {request: {set: {x: '%REQ%'}}}, " + ROUTE, "invalid-value", "headers.request.set.x"),
        ("headers: {request: {add: {x: '%PROTOCOL(a)%'}}}, " + ROUTE, "invalid-value", "headers.request.add.x"),
        ("headers: {request: {add: {x: '%TRACE_ID:5%'}}}, " + ROUTE, "invalid-value", "headers.request.add.x"),
        ('headers: {request: {add: {x: "a\\nb"}}}, ' + ROUTE, "invalid-value", "headers.request.add.x"),
        (
            "rewrite: {uriRegexRewrite: {match: '(a)', rewrite: '\\2'}}, " + ROUTE,
            "invalid-value",
            "rewrite.uriRegexRewrite.rewrite",
        ),
        (
            "rewrite: {uriRegexRewrite: {match: '(?:a)', rewrite: '\\d'}}, " + ROUTE,
            "invalid-value",
            "rewrite.uriRegexRewrite.rewrite",
        ),
        ("headers: {request: {set: {':path': /}}}, " + ROUTE, "invalid-value", "headers.request.set[:path]"),
        ("headers: {response: {remove: ['a b']}}, " + ROUTE, "invalid-value", "headers.response.remove[0]"),
        ("headers: {response: {set: {host: b}}}, " + ROUTE, "invalid-value", "headers.response.set.host"),
        ("headers: {request: {remove: [" + "x" * 1025 + "]}}, " + ROUTE, "invalid-value", "headers.request.remove[0]"),
        ("match: [{queryParams: {? " + "q" * 1025 + " : {}}}], " + ROUTE, "invalid-value", "match[0].queryParams"),
        ("directResponse: {status: 200, body: {bytes: '\u2028'}}", "invalid-value", "directResponse.body.bytes"),
        ("delegate: {namespace: b}", "missing-field", "delegate.name"),
        ("delegate: {name: b}, " + ROUTE, "conflicting-fields", ""),
    ],
)
def test_each_mistake_in_a_rule_is_found_where_it_is(rule: str, code: str, path: str) -> None:
    """One mistake, and its finding among the findings."""
    assert (code, path) in http(rule)


@pytest.mark.parametrize(
    ("spec", "code", "path"),
    [
        ("{gateways: [g], http: [{" + ROUTE + "}]}", "missing-field", "hosts"),
        ("{tcp: [{" + ROUTE + "}]}", "missing-field", "hosts"),
        ("{http: [{delegate: {name: b}}]}", "no-effect", "http[0].delegate"),
        ("{hosts: [a]}", "invalid-value", ""),
        ("{hosts: ['*'], http: [{" + ROUTE + "}]}", "invalid-value", "hosts[0]"),
        ("{hosts: ['*'], gateways: [g, mesh], http: [{" + ROUTE + "}]}", "invalid-value", "hosts[0]"),
        ("{hosts: ['a.*.b'], http: [{" + ROUTE + "}]}", "invalid-value", "hosts[0]"),
        ("{hosts: [a, A], http: [{" + ROUTE + "}]}", "duplicate", "hosts[1]"),
        ("{hosts: [a], gateways: ['x y'], http: [{" + ROUTE + "}]}", "invalid-value", "gateways[0]"),
        ("{hosts: [a], exportTo: [A_], http: [{" + ROUTE + "}]}", "invalid-value", "exportTo[0]"),
        ("{hosts: [a], exportTo: ['~', '.'], http: [{" + ROUTE + "}]}", "conflicting-fields", "exportTo"),
        ("{hosts: [a], http: [{" + ROUTE + "}, {name: b, " + ROUTE + "}]}", "no-effect", "http[1]"),
        ("{hosts: [a.b], tls: [{match: [], " + ROUTE + "}]}", "invalid-value", "tls[0].match"),
        ("{hosts: [a.b], tls: [{match: [{sniHosts: [c.d]}], " + ROUTE + "}]}", "invalid-value", "tls[0].match[0].sniHosts[0]"),
        ("{hosts: [a.b], tls: [{match: [{sniHosts: [a.b]}]}]}", "missing-field", "tls[0].route"),
        ("{hosts: ['*a.b'], tls: [{match: [{sniHosts: ['*a.b']}], " + ROUTE + "}]}", "invalid-value",
         "tls[0].match[0].sniHosts[0]"),
        ("{hosts: ['*-a.b'], gateways: [g], tcp: [{" + ROUTE + "}]}", "no-effect", "hosts[0]"),
        ("{hosts: [a], tcp: [{match: [{port: 1, destinationSubnets: [x]}], " + ROUTE + "}]}", "invalid-value",
         "tcp[0].match[0].destinationSubnets[0]"),
        ("{hosts: [a], tcp: [{match: [{port: 1, sourceSubnet: x}], " + ROUTE + "}]}", "invalid-value",
         "tcp[0].match[0].sourceSubnet"),
        ("{hosts: [a], tcp: [{route: [{destination: {host: a}, weight: 30}, {destination: {host: b}, weight: 30}]}]}",
         "weight-total", "tcp[0].route"),
    ],
)  # fmt: skip
def test_each_mistake_around_the_rules_is_found(spec: str, code: str, path: str) -> None:
    """Hosts, gateways, exports, TLS and TCP."""
    assert (code, path) in found_in("vs", spec)


@pytest.mark.parametrize(
    "spec",
    [
        "{hosts: ['*'], gateways: [istio-system/front], http: [{" + ROUTE + "}]}",
        "{hosts: [a], http: [{match: [{statPrefix: x, uri: {prefix: /a}}], " + ROUTE + "}]}",
        "{hosts: [a], http: [{route: [{destination: {host: a}, weight: 50}]}]}",
        "{hosts: [a], tcp: [{match: [{destinationSubnets: [10.0.0.0/8, 'fd00::/8']}], " + ROUTE + "}]}",
        "{hosts: ['*.example.com', 10.0.0.1], exportTo: ['.', other], tcp: [{match: [{port: 27017}], " + ROUTE + "}]}",
        "{hosts: ['*.b'], gateways: [g], tls: [{match: [{port: 443, sniHosts: [a.b, '*.a.b']}], " + ROUTE + "}]}",
        "{hosts: [a], http: [{match: [{uri: {prefix: /a}}], " + ROUTE + "}, {match: [{uri: {prefix: /}}], " + ROUTE + "}]}",
    ],
)
def test_documented_specs_are_accepted(spec: str) -> None:
    """The forms of Istio's reference give no finding."""
    assert found_in("vs", spec) == []


def test_a_wrong_sum_is_answered_with_weights_that_fit() -> None:
    """The hint keeps the shares and makes a hundred of them."""
    shares = [{"destination": {"host": "a"}, "weight": weight} for weight in (80, 40, 0)]
    spec = {"hosts": ["a"], "http": [{"route": shares}]}
    raw = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "a"}, "spec": spec}
    (found,) = decode(raw).findings
    assert found.message == "the weights add up to 120, not 100: each destination gets its part of 120"
    assert found.hint == "for these shares in percent write 67, 33, 0"
