"""DestinationRule, Gateway, ServiceEntry, WorkloadEntry and PeerAuthentication: what is refused, and where."""

import pytest
from rules import found_in

PORT = "port: {number: 80, name: http, protocol: HTTP}"
TLS_PORT = "port: {number: 443, name: https, protocol: HTTPS}"
FILES = "serverCertificate: /c, privateKey: /k"
PORTS = "ports: [{number: 80, name: http, protocol: HTTP}]"


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("dr", "{host: reviews}"),
        ("dr", "{host: '*.local', trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 30s}}}}"),
        ("dr", "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: user, ttl: 0s}}}}}"),
        ("dr", "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 65537}}}}}"),
        ("dr", "{host: a, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}], exportTo: ['*']}"),
        (
            "dr",
            "{host: a, trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k, caCertificates: /a, sni: x}}}",
        ),
        (
            "dr",
            "{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, outlierDetection: {consecutive5xxErrors: 0, interval: 1s}}}",
        ),
        (
            "dr",
            "{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 1}}}]}}",
        ),
        ("gw", "{selector: {istio: ingressgateway}, servers: [{" + PORT + ", hosts: ['*', ./a.b, shop/*.a.b, '*/c']}]}"),
        ("gw", "{servers: [{" + PORT + ", hosts: ['*'], tls: {httpsRedirect: true}}]}"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: [a.b], tls: {mode: SIMPLE, " + FILES + "}}]}"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: [a.b], tls: {mode: MUTUAL, caCertificates: /a, " + FILES + "}}]}"),
        ("gw", "{servers: [{port: {number: 443, name: tls, protocol: TLS}, hosts: [a.b], tls: {mode: PASSTHROUGH}}]}"),
        ("se", "{hosts: [api.example.com], " + PORTS + ", resolution: DNS, location: MESH_EXTERNAL}"),
        ("se", "{hosts: ['*.example.com'], ports: [{number: 443, name: tls, protocol: TLS}]}"),
        ("se", "{hosts: [db], " + PORTS + ", resolution: STATIC, endpoints: [{address: 10.0.0.1, ports: {http: 8080}}]}"),
        ("se", "{hosts: [db], " + PORTS + ", resolution: STATIC, workloadSelector: {labels: {app: db}}}"),
        ("we", "{address: 127.0.0.1, ports: {http: 31000}, labels: {app: a, security.istio.io/tlsMode: istio}, locality: a/b/c}"),
        ("we", "{network: far}"),
        ("pa", "{mtls: {mode: STRICT}}"),
        ("pa", "{selector: {matchLabels: {app: a}}, portLevelMtls: {8080: {mode: DISABLE}}}"),
        ("pa", "{}"),
    ],
)
def test_documented_specs_are_accepted(kind: str, spec: str) -> None:
    """The forms of Istio's reference give no finding."""
    assert found_in(kind, spec) == []


@pytest.mark.parametrize(
    ("policy", "code", "path"),
    [
        ("{}", "invalid-value", ""),
        ("{loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}", "conflicting-fields", "loadBalancer"),
        ("{loadBalancer: {simple: LEAST_REQ}}", "invalid-value", "loadBalancer.simple"),
        ("{loadBalancer: {simple: PASSTHROUGH}}", "unsupported-value", "loadBalancer.simple"),
        ("{loadBalancer: {simple: LEAST_CONN}}", "deprecated-value", "loadBalancer.simple"),
        ("{loadBalancer: {consistentHash: {}}}", "invalid-value", "loadBalancer.consistentHash"),
        ("{loadBalancer: {consistentHash: {httpHeaderName: x, useSourceIp: true}}}", "conflicting-fields",
         "loadBalancer.consistentHash"),
        ("{loadBalancer: {consistentHash: {httpHeaderName: 'x y'}}}", "invalid-value",
         "loadBalancer.consistentHash.httpHeaderName"),
        ("{loadBalancer: {consistentHash: {httpHeaderName: x, maglev: {tableSize: 100}}}}", "invalid-value",
         "loadBalancer.consistentHash.maglev.tableSize"),
        ("{loadBalancer: {consistentHash: {httpHeaderName: x, ringHash: {minimumRingSize: 9999999}}}}", "invalid-value",
         "loadBalancer.consistentHash.ringHash.minimumRingSize"),
        ("{loadBalancer: {localityLbSetting: {enabled: true}}}", "unsupported-field", "loadBalancer.localityLbSetting"),
        ("{loadBalancer: {simple: RANDOM, warmup: {duration: 1s}}}", "no-effect", "loadBalancer.warmup"),
        ("{loadBalancer: {simple: ROUND_ROBIN, warmupDurationSecs: 1s}}", "deprecated-field", "loadBalancer.warmupDurationSecs"),
        ("{connectionPool: {}}", "invalid-value", "connectionPool"),
        ("{connectionPool: {tcp: {maxConnections: -1}}}", "invalid-value", "connectionPool.tcp.maxConnections"),
        ("{connectionPool: {tcp: {connectTimeout: 1}}}", "wrong-type", "connectionPool.tcp.connectTimeout"),
        ("{connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}}", "no-effect",
         "connectionPool.http.h2UpgradePolicy"),
        ("{loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: 0s, attributes: [{name: b c}]}}}}", "invalid-value",
         "loadBalancer.consistentHash.httpCookie.attributes[0].name"),
        ("{loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: 0s, attributes: [{name: b, value: c;d}]}}}}",
         "invalid-value", "loadBalancer.consistentHash.httpCookie.attributes[0].value"),
        ("{loadBalancer: {consistentHash: {httpCookie: {name: a, attributes: [{name: b}]}}}}", "no-effect",
         "loadBalancer.consistentHash.httpCookie.attributes"),
        ("{retryBudget: {percent: 101}}", "invalid-value", "retryBudget.percent"),
        ("{outlierDetection: {maxEjectionPercent: 101}}", "invalid-value", "outlierDetection.maxEjectionPercent"),
        ("{outlierDetection: {baseEjectionTime: 0s}}", "invalid-value", "outlierDetection.baseEjectionTime"),
        ("{outlierDetection: {consecutiveErrors: 5}}", "deprecated-field", "outlierDetection.consecutiveErrors"),
        ("{outlierDetection: {consecutiveErrors: -5}}", "invalid-value", "outlierDetection.consecutiveErrors"),
        ("{outlierDetection: {consecutiveErrors: 5, consecutiveGatewayErrors: 5}}", "conflicting-fields", "outlierDetection"),
        ("{tls: {mode: MUTUAL, privateKey: /k}}", "missing-field", "tls.clientCertificate"),
        ("{tls: {mode: ISTIO_MUTUAL, clientCertificate: /c}}", "invalid-value", "tls.clientCertificate"),
        ("{tls: {mode: SIMPLE, credentialName: a/c}}", "invalid-value", "tls.credentialName"),
        ("{tls: {mode: SIMPLE, privateKey: /k}}", "no-effect", "tls.privateKey"),
        ("{tls: {sni: a.b}}", "no-effect", "tls"),
        ("{tls: {mode: SIMPLE, sni: a b}}", "invalid-value", "tls.sni"),
        ("{tls: {mode: SIMPLE, sni: " + "a." * 127 + "b}}", "invalid-value", "tls.sni"),
        ("{portLevelSettings: [{tls: {mode: SIMPLE}}]}", "missing-field", "portLevelSettings[0].port.number"),
        ("{portLevelSettings: [{port: {number: 1}}, {port: {number: 1}}]}", "duplicate", "portLevelSettings[1].port.number"),
        ("{tunnel: {targetHost: a, targetPort: 1}}", "unsupported-field", "tunnel"),
    ],
)  # fmt: skip
def test_each_mistake_in_a_traffic_policy_is_found(policy: str, code: str, path: str) -> None:
    """At the service, and in the same words at a subset."""
    assert (code, f"trafficPolicy.{path}".rstrip(".")) in found_in("dr", f"{{host: a, trafficPolicy: {policy}}}")
    in_subset = found_in("dr", f"{{host: a, subsets: [{{name: v1, labels: {{v: a}}, trafficPolicy: {policy}}}]}}")
    assert (code, f"subsets[0].trafficPolicy.{path}".rstrip(".")) in in_subset


@pytest.mark.parametrize(
    ("kind", "spec", "code", "path"),
    [
        ("dr", "{host: 'a b'}", "invalid-value", "host"),
        ("dr", "{host: a, subsets: [{name: v1}, {name: v1}]}", "duplicate", "subsets[1].name"),
        ("dr", "{host: a, subsets: [{labels: {a: b}}]}", "missing-field", "subsets[0].name"),
        ("dr", "{host: a, subsets: [{name: v1, labels: {version: a b}}]}", "invalid-value", "subsets[0].labels.version"),
        ("dr", "{host: a, workloadSelector: {matchLabels: {'*': b}}}", "invalid-value", "workloadSelector.matchLabels[*]"),
        ("gw", "{}", "missing-field", "servers"),
        ("gw", "{servers: [{" + PORT + ", hosts: []}]}", "missing-field", "servers[0].hosts"),
        ("gw", "{servers: [{" + PORT + ", hosts: [A_/b.c]}]}", "invalid-value", "servers[0].hosts[0]"),
        ("gw", "{servers: [{" + PORT + ", hosts: ['a.*']}]}", "invalid-value", "servers[0].hosts[0]"),
        ("gw", "{servers: [{" + TLS_PORT + ", tls: {mode: PASSTHROUGH}, hosts: ['*-a.b']}]}", "invalid-value",
         "servers[0].hosts[0]"),
        ("gw", "{servers: [{port: {number: 80, name: a, protocol: HTPP}, hosts: ['*']}]}", "invalid-value",
         "servers[0].port.protocol"),
        ("gw", "{servers: [{port: {number: 80, name: a, protocol: MONGO}, hosts: ['*']}]}", "unsupported-value",
         "servers[0].port.protocol"),
        ("gw", "{servers: [{port: {number: 0, name: a, protocol: TCP}, hosts: [a]}]}", "invalid-value", "servers[0].port.number"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*']}]}", "invalid-value", "servers[0].tls"),
        ("gw", "{servers: [{" + PORT + ", hosts: ['*'], tls: {mode: SIMPLE}}]}", "invalid-value", "servers[0].tls"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: SIMPLE, privateKey: /k}}]}", "missing-field",
         "servers[0].tls.serverCertificate"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: MUTUAL, " + FILES + "}}]}", "missing-field",
         "servers[0].tls.caCertificates"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: PASSTHROUGH, privateKey: /k}}]}", "invalid-value",
         "servers[0].tls.privateKey"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: SIMPLE, credentialName: a/c}}]}", "invalid-value",
         "servers[0].tls.credentialName"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: SIMPLE, credentialName: c, credentialNames: [d]}}]}",
         "conflicting-fields", "servers[0].tls"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: SIMPLE, credentialNames: [a, b, c]}}]}", "invalid-value",
         "servers[0].tls.credentialNames"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: SIMPLE, credentialName: c, privateKey: /k}}]}",
         "conflicting-fields", "servers[0].tls"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: SIMPLE, tlsCertificates: [{privateKey: /k}]}}]}",
         "missing-field", "servers[0].tls.tlsCertificates[0].serverCertificate"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: SIMPLE, credentialName: c, caCrl: /l}}]}", "no-effect",
         "servers[0].tls.caCrl"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: MUTUAL, credentialName: c,verifyCertificateSpki: [a]}}]}",
         "invalid-value", "servers[0].tls.verifyCertificateSpki[0]"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: MUTUAL, credentialName: c,verifyCertificateHash: [a]}}]}",
         "invalid-value", "servers[0].tls.verifyCertificateHash[0]"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_3,"
         " maxProtocolVersion: TLSV1_2}}]}", "invalid-value", "servers[0].tls.minProtocolVersion"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {mode: SIMPLE, credentialName: c, cipherSuites: [RC4-MD5]}}]}",
         "unsupported-value", "servers[0].tls.cipherSuites[0]"),
        ("gw", "{servers: [{" + TLS_PORT + ", hosts: ['*'], tls: {httpsRedirect: true}}]}", "invalid-value",
         "servers[0].tls.httpsRedirect"),
        ("gw", "{servers: [{" + PORT + ", hosts: ['*']}, {" + PORT + ", hosts: [a.b]}]}", "duplicate", "servers[1].port.name"),
        ("gw", "{servers: [{" + PORT + ", hosts: ['*']}, {port: {number: 80, name: b, protocol: TLS}, hosts: ['*'], tls: {}}]}",
         "invalid-value", "servers[1].port.protocol"),
        ("dr", "{host: a, trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {time: 4294967296s}}}}}", "invalid-value",
         "trafficPolicy.connectionPool.tcp.tcpKeepalive.time"),
        ("dr", "{host: a, trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {interval: 500ms}}}}}", "invalid-value",
         "trafficPolicy.connectionPool.tcp.tcpKeepalive.interval"),
        ("dr", "{host: a, trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {probes: 128}}}}}", "invalid-value",
         "trafficPolicy.connectionPool.tcp.tcpKeepalive.probes"),
        ("se", "{hosts: [], " + PORTS + "}", "invalid-value", "hosts"),
        ("se", "{" + PORTS + "}", "missing-field", "hosts"),
        ("se", "{hosts: ['*'], " + PORTS + "}", "invalid-value", "hosts[0]"),
        ("se", "{hosts: ['*.a.b'], " + PORTS + ", resolution: DNS}", "invalid-value", "hosts[0]"),
        ("se", "{hosts: [a.b]}", "no-effect", ""),
        ("se", "{hosts: [a.b], " + PORTS + ", addresses: [10.0.0.1]}", "unsupported-field", "addresses"),
        ("se", "{hosts: [a.b], " + PORTS + ", addresses: [x]}", "invalid-value", "addresses[0]"),
        ("se", "{hosts: [a.b], ports: [{number: 1, name: a}, {number: 1, name: b}]}", "duplicate", "ports[1].number"),
        ("se", "{hosts: [a.b], ports: [{number: 1, name: a, protocol: HTPT}]}", "invalid-value", "ports[0].protocol"),
        ("se", "{hosts: [a.b], " + PORTS + ", endpoints: [{address: 10.0.0.1}]}", "invalid-value", "resolution"),
        ("se", "{hosts: [a.b], " + PORTS + ", resolution: STATIC}", "no-effect", "resolution"),
        ("se", "{hosts: [a.b], " + PORTS + ", resolution: DYNAMIC_DNS}", "unsupported-value", "resolution"),
        ("se", "{hosts: [a.b], " + PORTS + ", resolution: STATIC, endpoints: [{address: a.b}]}", "invalid-value",
         "endpoints[0].address"),
        ("se", "{hosts: [a.b], " + PORTS + ", resolution: DNS_ROUND_ROBIN, endpoints: [{address: a.b}, {address: c.d}]}",
         "invalid-value", "resolution"),
        ("se", "{hosts: [a.b], " + PORTS + ", resolution: DNS, endpoints: [{address: a.b, ports: {htp: 1}}]}", "invalid-value",
         "endpoints[0].ports.htp"),
        ("se", "{hosts: [a.b], " + PORTS + ", endpoints: [{address: a.b}], workloadSelector: {}}", "conflicting-fields", ""),
        ("we", "{}", "missing-field", "address"),
        ("we", "{address: 'a b'}", "invalid-value", "address"),
        ("we", "{address: 'unix://run/a'}", "invalid-value", "address"),
        ("we", "{address: 'unix:///run/a.sock'}", "unsupported-value", "address"),
        ("we", "{address: 10.0.0.1, ports: {http: 0}}", "invalid-value", "ports.http"),
        ("we", "{address: 10.0.0.1, locality: a/b/c/d}", "invalid-value", "locality"),
        ("pa", "{mtls: {mode: strict}}", "invalid-value", "mtls.mode"),
        ("pa", "{portLevelMtls: {80: {mode: STRICT}}}", "invalid-value", "portLevelMtls"),
        ("pa", "{selector: {matchLabels: {a: b}}, portLevelMtls: {http: {mode: STRICT}}}", "invalid-value", "portLevelMtls.http"),
    ],
)  # fmt: skip
def test_each_mistake_is_found_where_it_is(kind: str, spec: str, code: str, path: str) -> None:
    """One mistake, and its finding among the findings."""
    assert (code, path) in found_in(kind, spec)
