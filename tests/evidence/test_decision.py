"""What policies decide of recorded calls, with what is not recorded left open."""

import pytest
from recorded import REVIEWS, call, connection, mesh, policy, stranger

from weft.evidence.decision import Decisions, Outcome
from weft.telemetry.recorded import RecordedCall

ALLOWED, DENIED, UNKNOWN = Outcome.ALLOWED, Outcome.DENIED, Outcome.UNKNOWN
WEB = "from: [{source: {principals: [cluster.local/ns/default/sa/web]}}]"


def allowing(rule: str) -> str:
    """An ALLOW policy with one rule."""
    return policy("p", f"{{rules: [{{{rule}}}]}}")


def denying(rule: str) -> str:
    """A DENY policy with one rule."""
    return policy("p", f"{{action: DENY, rules: [{{{rule}}}]}}")


def path(text: str) -> str:
    """A rule about one path."""
    return f'to: [{{operation: {{paths: ["{text}"]}}}}]'


@pytest.mark.parametrize(
    ("policies", "of", "outcome"),
    [
        ("", call(), ALLOWED),
        (policy("p", "{}"), call(), DENIED),
        (policy("p", "{selector: {matchLabels: {app: other}}}"), call(), ALLOWED),
        (policy("p", "{}", "istio-system"), call(), DENIED),
        (policy("p", "{}", "jobs"), call(), ALLOWED),
        (allowing(WEB), call(), ALLOWED),
        (allowing(WEB), call(by="batch"), DENIED),
        (allowing(WEB), stranger(), DENIED),
        (allowing("from: [{source: {namespaces: [default]}}]"), call(), ALLOWED),
        (allowing("from: [{source: {ipBlocks: [10.1.0.0/16]}}]"), stranger(), ALLOWED),
        (allowing("from: [{source: {ipBlocks: [10.1.0.0/16]}}]"), call(), UNKNOWN),
        (allowing("to: [{operation: {methods: [GET]}}]"), call(method="POST"), DENIED),
        (allowing("to: [{operation: {methods: [GET]}}]"), call(method="*"), UNKNOWN),
        (allowing("to: [{operation: {hosts: [reviews]}}]"), call(), ALLOWED),
        (allowing("to: [{operation: {hosts: [ratings]}}]"), call(), DENIED),
        (allowing("to: [{operation: {ports: ['9080']}}]"), call(), ALLOWED),
        (allowing("to: [{operation: {ports: ['9081']}}]"), call(), DENIED),
        (allowing(path("/books/{*}")), call("/books/{*}"), ALLOWED),
        (allowing(path("/books/*")), call("/books/{*}"), ALLOWED),
        (allowing(path("/books/{*}")), call("/books/{*}/reviews"), DENIED),
        (allowing(path("/books/17")), call("/books/{*}"), UNKNOWN),
        (denying(path("/books/17")), call("/books/{*}"), UNKNOWN),
        (denying(path("/books/1*")), call("/books/{*}"), UNKNOWN),
        (denying(path("/admin*")), call("/admin"), DENIED),
        (denying(path("/admin*")), call("/books/{*}"), ALLOWED),
        (denying("to: [{operation: {notPaths: ['/books*']}}]"), call("/books/{*}"), ALLOWED),
        (denying("to: [{operation: {notPaths: ['/health']}}]"), call("/books/{*}"), DENIED),
        (denying("when: [{key: 'request.headers[x-user]', values: [mallory]}]"), call(), UNKNOWN),
        (denying("when: [{key: 'request.auth.claims[role]', notValues: [admin]}]"), call(), UNKNOWN),
        (allowing("to: [{operation: {ports: ['5432']}}]"), connection(), ALLOWED),
        (allowing("to: [{operation: {methods: [GET]}}]"), connection(), DENIED),
        (denying("to: [{operation: {methods: [GET]}}]"), connection(), DENIED),
        (allowing(WEB) + policy("d", "{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}"), call(), DENIED),
    ],
)
def test_a_recorded_call_is_decided_as_envoy_would(policies: str, of: RecordedCall, outcome: Outcome) -> None:
    """Allowed and denied are certain; what hangs on headers, claims, addresses or one path of a template is unknown."""
    assert Decisions(mesh(policies)).of(of).outcome is outcome


def test_a_decision_names_its_rule() -> None:
    """A denial names the rule that denies, or the policies of which no rule allows."""
    denied = Decisions(mesh(denying(path("/admin*")))).of(call("/admin"))
    assert denied.rule == "ns[default]-policy[p]-rule[0]"
    refused = Decisions(mesh(allowing(WEB))).of(call(by="batch"))
    assert refused.rule == "none" and refused.policies == ("default/p",)


def test_a_policy_on_trial_decides_nothing() -> None:
    """A policy with the dry-run annotation is not among those that decide."""
    said = policy("p", "{}").replace("namespace: default", 'namespace: default, annotations: {"istio.io/dry-run": "true"}')
    assert Decisions(mesh(said)).of(call()).outcome is ALLOWED


def test_a_port_is_known_by_both_its_numbers() -> None:
    """A rule may name the service's port or the one its application listens on."""
    of = allowing("to: [{operation: {ports: ['20001']}}]")
    assert Decisions(mesh(of), lambda there, port: (port, 20001)).of(call(to=REVIEWS)).outcome is ALLOWED


AUTHORIZER = """
apiVersion: mesh.weft.dev/v1alpha1
kind: MeshConfig
metadata: {name: mesh, namespace: istio-system}
spec: {extensionProviders: [{name: grpc, envoyExtAuthzGrpc: {service: authorizers.test, port: 9000}}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: authorizers, namespace: default}
spec:
  hosts: [authorizers.test]
  ports: [{name: grpc, number: 9000, protocol: GRPC}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1}]
"""


def test_what_an_authorizer_is_asked_about_is_unknown() -> None:
    """What its policy does not select is not; of one that cannot be asked Envoy denies what is selected."""
    custom = "{action: CUSTOM, provider: {name: grpc}, rules: [{to: [{operation: {paths: ['/admin*']}}]}]}"
    asking = Decisions(mesh(AUTHORIZER, policy("p", custom)))
    assert [asking.of(call(each)).outcome for each in ("/admin", "/")] == [UNKNOWN, ALLOWED]
    assert Decisions(mesh(policy("p", custom))).of(call("/admin")).outcome is DENIED
