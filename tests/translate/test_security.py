"""PeerAuthentications and AuthorizationPolicies into the model."""

from weft.model.authorization import Action, AuthorizationPolicy, Condition, Rule
from weft.model.security import MtlsMode, PeerAuthentication

from .written import istio, said


def _said(spec: str) -> PeerAuthentication:
    found = said(istio("PeerAuthentication", "default", spec)).peer_authentication
    assert found
    return found


def test_a_mode_for_a_namespace() -> None:
    """Without a selector it is for the namespace; UNSET and nothing said inherit."""
    found = _said("{mtls: {mode: STRICT}}")
    assert (found.namespace, found.selector, found.mode, found.ports) == ("default", (), MtlsMode.STRICT, ())
    assert _said("{mtls: {mode: UNSET}}").mode is None
    assert _said("{}").mode is None


def test_modes_for_the_ports_of_workloads() -> None:
    """portLevelMtls is sorted by port; a port that inherits is left out."""
    found = _said(
        "{selector: {matchLabels: {app: web}}, mtls: {mode: PERMISSIVE}, "
        "portLevelMtls: {'9000': {mode: DISABLE}, '80': {mode: STRICT}, '90': {mode: UNSET}}}"
    )
    assert found.selector == (("app", "web"),)
    assert found.ports == ((80, MtlsMode.STRICT), (9000, MtlsMode.DISABLE))


def _policy(spec: str) -> AuthorizationPolicy:
    found = said(istio("AuthorizationPolicy", "readers", spec)).guarding
    assert isinstance(found, AuthorizationPolicy)
    return found


def test_what_is_said_of_callers_and_requests_becomes_conditions() -> None:
    """Each list with its negation; a service account without a namespace is of the policy's; brackets are taken apart."""
    found = _policy(
        "{selector: {matchLabels: {app: web}}, action: DENY, rules: [{from: [{source: {serviceAccounts: [a, b/c], "
        "notIpBlocks: [10.0.0.0/8]}}], to: [{operation: {methods: [GET], notPaths: [/a]}}], "
        "when: [{key: 'request.auth.claims[a][b]', values: [v]}, {key: source.serviceAccount, notValues: [d]}]}]}"
    )
    assert (found.action, found.selector) == (Action.DENY, (("app", "web"),))
    assert found.rules == (
        Rule(
            ((Condition("source.serviceAccount", ("default/a", "b/c")), Condition("source.ip", (), ("10.0.0.0/8",))),),
            ((Condition("request.method", ("GET",)), Condition("request.url_path", (), ("/a",))),),
            (
                Condition("request.auth.claims", ("v",), (), ("a", "b")),
                Condition("source.serviceAccount", (), ("default/d",)),
            ),
        ),
    )


def test_a_policy_may_be_attached_to_gateways() -> None:
    """By targetRef or targetRefs, each by its name."""
    target = "{group: gateway.networking.k8s.io, kind: Gateway, name: edge}"
    assert _policy(f"{{targetRef: {target}}}").gateways == _policy(f"{{targetRefs: [{target}, {target}]}}").gateways == ("edge",)
    assert _policy("{}").action is Action.ALLOW
