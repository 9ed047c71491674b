"""Kubernetes' core kinds, weft's own, and what all kinds share."""

import pytest
import yaml
from rules import found_in

from weft.resource.decode import decode


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("svc", "{selector: {app: reviews}, ports: [{port: 9080, appProtocol: http}]}"),
        (
            "svc",
            "{ports: [{name: http, port: 80, targetPort: http-web}, {name: grpc, port: 81, appProtocol: grpc}]}",
        ),
        ("svc", "{clusterIP: None, selector: {app: a}}"),
        ("ns", "{}"),
        (
            "td",
            "{timeout: 5s, defaultHttpRetryPolicy: {attempts: 1}, outboundTrafficPolicy: {mode: REGISTRY_ONLY},"
            " trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}, retryBudget: {percent: 5}}}",
        ),
        ("node", "{identities: [{namespace: default, serviceAccount: '*'}, {namespace: '*', serviceAccount: reviews}]}"),
    ],
)
def test_documented_specs_are_accepted(kind: str, spec: str) -> None:
    """The usual forms give no finding."""
    assert found_in(kind, spec) == []


@pytest.mark.parametrize(
    ("kind", "spec", "code", "path"),
    [
        ("svc", "{}", "missing-field", "ports"),
        ("svc", "{ports: [{port: 0}]}", "invalid-value", "ports[0].port"),
        ("svc", "{ports: [{port: 80}, {port: 81, name: b}]}", "missing-field", "ports[0].name"),
        ("svc", "{ports: [{port: 80, name: a}, {port: 81, name: a}]}", "duplicate", "ports[1].name"),
        ("svc", "{ports: [{port: 80, name: a}, {port: 80, name: b}]}", "duplicate", "ports[1].port"),
        ("svc", "{ports: [{port: 80, targetPort: 70000}]}", "invalid-value", "ports[0].targetPort"),
        ("svc", "{ports: [{port: 80, targetPort: '8080'}]}", "invalid-value", "ports[0].targetPort"),
        ("svc", "{ports: [{port: 80, appProtocol: htpp}]}", "unknown-protocol", "ports[0].appProtocol"),
        ("svc", "{ports: [{port: 80, name: web}]}", "undeclared-protocol", "ports[0]"),
        ("svc", "{ports: [{port: 80, protocol: UDP}]}", "unsupported-value", "ports[0].protocol"),
        ("svc", "{ports: [{port: 80, protocol: tcp}]}", "invalid-value", "ports[0].protocol"),
        ("svc", "{ports: [{port: 80, name: Http}]}", "invalid-value", "ports[0].name"),
        ("svc", "{ports: [{port: 80}], clusterIP: x}", "invalid-value", "clusterIP"),
        ("svc", "{type: ExternalName, externalName: a b}", "invalid-value", "externalName"),
        ("svc", "{ports: [{port: 80}], selector: {app: a b}}", "invalid-value", "selector.app"),
        ("td", "{}", "invalid-value", ""),
        ("td", "{timeout: -1s}", "invalid-value", "timeout"),
        ("td", "{outboundTrafficPolicy: {mode: NONE}}", "invalid-value", "outboundTrafficPolicy.mode"),
        ("td", "{outboundTrafficPolicy: {}}", "missing-field", "outboundTrafficPolicy.mode"),
        ("td", "{defaultHttpRetryPolicy: {attempts: 1, retryOn: 5x}}", "invalid-value", "defaultHttpRetryPolicy.retryOn"),
        ("td", "{defaultHttpRetryPolicy: {perTryTimeout: 1s}}", "invalid-value", "defaultHttpRetryPolicy.attempts"),
        ("td", "{trafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}}", "invalid-value",
         "trafficPolicy.connectionPool.tcp.maxConnections"),
        ("td", "{trafficPolicy: {outlierDetection: {consecutiveErrors: 1}}}", "deprecated-field",
         "trafficPolicy.outlierDetection.consecutiveErrors"),
        ("td", "{trafficPolicy: {loadBalancer: {simple: RANDOM}}}", "unknown-field", "trafficPolicy.loadBalancer"),
        ("node", "{identities: [{namespace: A_, serviceAccount: a}]}", "invalid-value", "identities[0].namespace"),
        ("node", "{identities: [{namespace: a}]}", "missing-field", "identities[0].serviceAccount"),
    ],
)
def test_each_mistake_is_found_where_it_is(kind: str, spec: str, code: str, path: str) -> None:
    """One mistake, and its finding among the findings."""
    assert (code, path) in found_in(kind, spec)


@pytest.mark.parametrize(
    ("meta", "path"),
    [
        ({"name": "Reviews"}, "metadata.name"),
        ({"name": "a.b"}, "metadata.name"),
        ({"name": "1a"}, "metadata.name"),
        ({"name": "a" * 64}, "metadata.name"),
        ({}, "metadata.name"),
        ({"name": "a", "namespace": "a.b"}, "metadata.namespace"),
        ({"name": "a", "labels": {"a b": "c"}}, "metadata.labels[a b]"),
        ({"name": "a", "labels": {"/a": "c"}}, "metadata.labels[/a]"),
        ({"name": "a", "labels": {"a": "-"}}, "metadata.labels.a"),
        ({"name": "a", "annotations": {"A/": "c"}}, "metadata.annotations[A/]"),
    ],
)
def test_names_and_labels_have_kubernetes_form(meta: dict[str, object], path: str) -> None:
    """A Service is named by a DNS label that begins with a letter; keys may have a domain before a slash."""
    raw = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"port": 80}]}}
    assert path in {found.ref.field for found in decode(raw).findings}


def test_other_kinds_may_have_dots_in_their_name() -> None:
    """A DNS subdomain is a name, and generateName stands for one."""
    entry = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication"}
    assert decode({**entry, "metadata": {"name": "a.b-1.c"}}).findings == ()
    assert decode({**entry, "metadata": {"generateName": "a-"}}).findings == ()


def test_data_has_keys_that_could_be_file_names() -> None:
    """A key with a slash is refused; one in both tables of a ConfigMap as well."""
    raw = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a"},
        "data": {"a/b": "c", "d": "e"},
        "binaryData": {"d": ""},
    }
    assert [(found.code, found.ref.field) for found in decode(raw).findings] == [
        ("invalid-value", "data[a/b]"),
        ("duplicate", "binaryData.d"),
    ]


@pytest.mark.parametrize(
    ("said", "code", "path"),
    [
        ("addressType: IPv4, endpoints: [{addresses: ['::1']}]", "invalid-value", "endpoints[0].addresses[0]"),
        ("addressType: IPv6, endpoints: [{addresses: [10.0.0.1]}]", "invalid-value", "endpoints[0].addresses[0]"),
        ("addressType: IPv4, endpoints: [{addresses: []}]", "missing-field", "endpoints[0].addresses"),
        ("addressType: FQDN, endpoints: [{addresses: [a.b]}]", "unsupported-value", "addressType"),
        ("addressType: IPv4, ports: [{name: a, port: 1}, {name: a, port: 2}]", "duplicate", "ports[1].name"),
        ("addressType: IPv4, endpoints: [{addresses: [10.0.0.1], hostname: x}]", "ignored-field", "endpoints[0].hostname"),
    ],
)
def test_slices_hold_addresses_of_their_type(said: str, code: str, path: str) -> None:
    """And ports that can be told apart."""
    raw = yaml.safe_load(f"{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: a}}, {said}}}")
    assert [(one.code, one.ref.field) for one in decode(raw).findings] == [(code, path)]
