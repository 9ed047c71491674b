"""The rules of Sidecar."""

import pytest
import yaml

from weft.resource.decode import decode


def _found(spec: str) -> list[tuple[str, str]]:
    raw = {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {"name": "a"}, "spec": yaml.safe_load(spec)}
    return [(one.code, one.ref.field.removeprefix("spec.")) for one in decode(raw).findings]


@pytest.mark.parametrize(
    "spec",
    [
        "{}",
        "{egress: [{hosts: ['./*', 'istio-system/*', '*/*.example.com']}]}",
        "{egress: [{port: {number: 3306, protocol: MYSQL, name: a}, hosts: ['~/*']}, {hosts: ['./*']}]}",
        "{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: egress.a.svc.cluster.local, port: {number: 80}}}}",
        "{ingress: [{port: {number: 80, protocol: HTTP, name: a}, defaultEndpoint: 'unix:///run/a.sock'}]}",
        "{ingress: [{port: {number: 80, protocol: HTTP, name: a}, defaultEndpoint: '0.0.0.0:8080'}]}",
        "{ingress: [{port: {number: 80, protocol: HTTP, name: a}, defaultEndpoint: '[::1]:8080'}]}",
    ],
)
def test_documented_sidecars_are_accepted(spec: str) -> None:
    """The forms of Istio's reference give no finding."""
    assert _found(spec) == []


@pytest.mark.parametrize(
    ("spec", "code", "path"),
    [
        ("{egress: [{hosts: []}]}", "missing-field", "egress[0].hosts"),
        ("{egress: [{hosts: [reviews]}]}", "invalid-value", "egress[0].hosts[0]"),
        ("{egress: [{hosts: ['A/b.c']}]}", "invalid-value", "egress[0].hosts[0]"),
        ("{egress: [{hosts: ['~/a.b']}]}", "invalid-value", "egress[0].hosts[0]"),
        ("{egress: [{hosts: ['./a b']}]}", "invalid-value", "egress[0].hosts[0]"),
        ("{egress: [{hosts: ['~/*', './*']}]}", "conflicting-fields", "egress[0].hosts"),
        ("{egress: [{hosts: ['./*']}, {hosts: ['a/*']}]}", "invalid-value", "egress[0]"),
        ("{egress: [{hosts: ['./*'], bind: 127.0.0.1, port: {number: 80}}]}", "unsupported-field", "egress[0].bind"),
        ("{egress: [{hosts: ['./*'], captureMode: IPTABLES}]}", "unsupported-field", "egress[0].captureMode"),
        ("{egress: [{hosts: ['./*'], port: {number: 80}}, {hosts: ['./*'], port: {number: 80}}]}", "duplicate",
         "egress[1].port.number"),
        ("{ingress: [{port: {number: 80}, defaultEndpoint: '10.0.0.1:80'}]}", "invalid-value", "ingress[0].defaultEndpoint"),
        ("{ingress: [{port: {number: 80}, defaultEndpoint: 'unix://a'}]}", "invalid-value", "ingress[0].defaultEndpoint"),
        ("{ingress: [{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}}]}", "invalid-value", "ingress[0].tls.mode"),
        ("{ingress: [{port: {number: 80}, tls: {mode: SIMPLE, privateKey: a}}]}", "missing-field",
         "ingress[0].tls.serverCertificate"),
        ("{outboundTrafficPolicy: {mode: REGISTRY_ONLY, egressProxy: {host: a.b}}}", "invalid-value",
         "outboundTrafficPolicy.egressProxy"),
        ("{inboundConnectionPool: {tcp: {connectTimeout: 0s}}}", "invalid-value", "inboundConnectionPool.tcp.connectTimeout"),
    ],
)  # fmt: skip
def test_each_mistake_is_found_where_it_is(spec: str, code: str, path: str) -> None:
    """One mistake, and its finding among the findings."""
    assert (code, path) in _found(spec)
