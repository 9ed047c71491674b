"""What shows only when resources are seen together."""

from dataclasses import dataclass

import pytest
import yaml

from weft.finding import Finding
from weft.translate.mesh import advance

from .written import core, findings, istio, resource, translated, workload


@dataclass(frozen=True)
class _Route:
    """A VirtualService for `hosts` with one destination."""

    destination: str
    hosts: str = "web"
    more: str = ""
    name: str = "vs"
    namespace: str = "default"
    created: str = ""

    def __str__(self) -> str:
        spec = f"{{hosts: ['{self.hosts}']{self.more}, http: [{{route: [{{destination: {{{self.destination}}}}}]}}]}}"
        return istio("VirtualService", self.name, spec, namespace=self.namespace, created=self.created)


def _only(*texts: object) -> Finding:
    (found,) = findings(translated(*map(str, texts)))
    return found


def _none(*texts: object) -> bool:
    return findings(translated(*map(str, texts))) == []


def test_an_unknown_host_names_those_close_to_it() -> None:
    """A destination that no service has is found at its field, with the hosts that were perhaps meant."""
    found = _only(core("reviews"), core("ratings"), core("revews", namespace="other"), _Route("host: revews"))
    assert (found.code, found.ref.field) == ("unknown-host", "spec.http[0].route[0].destination.host")
    assert "revews.default.svc.cluster.local" in found.message
    assert found.hint == "did you mean revews.other.svc.cluster.local or reviews.default.svc.cluster.local?"


def test_a_name_with_its_namespace_only_is_not_a_full_name() -> None:
    """`web.other` is not completed, as in Istio; the hint has the full name."""
    found = _only(core("web", namespace="other"), _Route("host: web.other"))
    assert found.hint == "did you mean web.other.svc.cluster.local?"


def test_an_unknown_host_without_anything_close_has_no_hint() -> None:
    """Nothing is guessed from names that are far away."""
    assert _only(core("payments"), _Route("host: db")).hint == ""


def test_a_service_that_is_not_exported_is_not_unknown() -> None:
    """A service that the namespace does not see is called by its name, with who decides."""
    entry = "{hosts: [a.example], exportTo: ['.'], ports: [{number: 80, name: http}]}"
    found = _only(istio("ServiceEntry", "e", entry, namespace="other"), _Route("host: a.example"))
    assert (found.code, found.hint) == ("host-not-exported", "ServiceEntry other/e decides with exportTo who sees it")


def test_a_wildcard_service_has_every_host_below_it() -> None:
    """A destination below a ServiceEntry's wildcard is known."""
    entry = "{hosts: ['*.example'], ports: [{number: 80, name: http}]}"
    assert _none(istio("ServiceEntry", "e", entry), _Route("host: a.example"))


def test_a_port_that_the_service_does_not_have() -> None:
    """The ports that it has are said."""
    found = _only(core("web", "http 80", "grpc 90"), _Route("host: web, port: {number: 81}"))
    assert (found.code, found.ref.field) == ("unknown-port", "spec.http[0].route[0].destination.port.number")
    assert found.hint == "its ports are 80 (http), 90 (grpc)"


def test_one_of_several_ports_must_be_named() -> None:
    """Without a port the caller's own is meant, which another service or a gateway's caller need not have."""
    two = core("api", "http 80", "grpc 90")
    assert _only(core("web"), two, _Route("host: api")).code == "port-not-named"
    assert _none(two, _Route("host: api", hosts="api"))
    gateway = "{selector: {a: b}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}"
    bound = _Route("host: api", hosts="api", more=", gateways: [gw]")
    assert _only(two, istio("Gateway", "gw", gateway), bound).code == "port-not-named"


def _split(*subsets: str) -> str:
    shares = ", ".join(f"{{destination: {{host: reviews, subset: {one}}}, weight: {100 // len(subsets)}}}" for one in subsets)
    return istio("VirtualService", "reviews", f"{{hosts: [reviews], http: [{{route: [{shares}]}}]}}")


def test_missing_subsets_come_with_a_destination_rule_to_paste() -> None:
    """The hint of the first is a DestinationRule that makes them all, and then there is no finding."""
    texts = (core("reviews"), workload("r-1", "reviews"), _split("v1", "v2"))
    first, second = findings(translated(*texts))
    assert (first.code, first.ref.field) == ("unknown-subset", "spec.http[0].route[0].destination.subset")
    assert (second.ref.field, second.hint) == ("spec.http[0].route[1].destination.subset", "")
    head, _, pasted = first.hint.partition("\n")
    assert head == "apply this DestinationRule:"
    rule = yaml.safe_load(pasted)
    assert rule["spec"]["host"] == "reviews"
    assert rule["spec"]["subsets"] == [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
    assert _none(*texts, pasted)


def test_the_label_of_a_subset_is_guessed_from_the_endpoints() -> None:
    """A subset called as another label's value at some endpoint is offered with that label."""
    entry = workload("r-1", "reviews", version="x").replace("app: reviews", "app: reviews, track: canary")
    found = _only(core("reviews"), entry, _split("canary"))
    assert "      track: canary" in found.hint


def test_a_subset_is_added_to_the_rule_that_is_there() -> None:
    """With a DestinationRule for the host the hint says what to add to it."""
    rule = istio("DestinationRule", "r", "{host: reviews, subsets: [{name: v1, labels: {version: v1}}]}")
    found = _only(core("reviews"), rule, _split("v1", "v2"))
    assert found.hint.startswith("add to spec.subsets of DestinationRule default/r:\n  - name: v2")


def test_a_subset_may_be_defined_by_a_wildcard_or_elsewhere() -> None:
    """A DestinationRule of the service's namespace, or for a wildcard, defines subsets too; one of a stranger does not."""
    subsets = "subsets: [{name: v1, labels: {version: v1}}]"
    far = _Route("host: web.data.svc.cluster.local, subset: v1")
    web = core("web", namespace="data")
    assert _none(web, far, istio("DestinationRule", "d", f"{{host: web, {subsets}}}", namespace="data"))
    assert _none(web, far, istio("DestinationRule", "d", f"{{host: '*.cluster.local', {subsets}}}"))
    stranger = istio("DestinationRule", "d", f"{{host: web.data.svc.cluster.local, {subsets}}}", namespace="third")
    assert _only(web, far, stranger).code == "unknown-subset"


def test_a_rule_for_nobody() -> None:
    """A DestinationRule for an unknown host is found at its host; one for a wildcard is not."""
    found = _only(core("web"), istio("DestinationRule", "d", "{host: wen}"))
    assert (found.code, found.ref.field, found.hint) == (
        "rule-without-service",
        "spec.host",
        "did you mean web.default.svc.cluster.local?",
    )
    assert _none(istio("DestinationRule", "d", "{host: '*.example'}"))


_GATEWAY = "{selector: {a: b}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}"


def test_a_gateway_that_is_not_there() -> None:
    """The finding names the one of the same name in another namespace."""
    found = _only(core("web"), istio("Gateway", "gw", _GATEWAY, namespace="infra"), _Route("host: web", more=", gateways: [gw]"))
    assert (found.code, found.ref.field) == ("unknown-gateway", "spec.gateways[0]")
    assert found.hint == "did you mean infra/gw?"
    assert _only(core("web"), _Route("host: web", more=", gateways: [gw]")).hint == "no Gateway exists yet"


def test_the_older_virtual_service_wins_in_the_mesh() -> None:
    """Of two VirtualServices for a host the younger is told who wins; the older is not troubled."""
    older = _Route("host: web", name="z", created="2026-01-01T00:00:00Z")
    younger = _Route("host: web", name="a", created="2026-01-02T00:00:00Z")
    found = _only(core("web"), older, younger)
    assert (found.code, found.ref.name, found.ref.field) == ("conflict", "a", "spec.hosts[0]")
    assert "VirtualService default/z is older and wins" in found.message


def test_what_nobody_sees_together_does_not_conflict() -> None:
    """VirtualServices private to two namespaces, or bound to gateways, do not conflict."""
    web, private = core("web"), ", exportTo: ['.']"
    host = "web.default.svc.cluster.local"
    assert _none(
        web,
        _Route(f"host: {host}", hosts=host, more=private, name="a"),
        _Route(f"host: {host}", hosts=host, more=private, name="b", namespace="other"),
    )
    gateway = istio("Gateway", "gw", _GATEWAY)
    assert _none(web, gateway, *(_Route("host: web", more=", gateways: [gw]", name=name) for name in "ab"))


def test_destination_rules_of_one_host_are_merged_and_say_what_is_lost() -> None:
    """A second trafficPolicy and a second subset of one name have no effect."""
    policy, subset = "trafficPolicy: {loadBalancer: {simple: RANDOM}}", "subsets: [{name: v1, labels: {version: v1}}]"
    found = findings(
        translated(
            core("web"),
            istio("DestinationRule", "a", f"{{host: web, {policy}, {subset}}}"),
            istio("DestinationRule", "b", f"{{host: web, {policy}, {subset}}}"),
        )
    )
    assert [(one.code, one.ref.name, one.ref.field) for one in found] == [
        ("conflict", "b", "spec.subsets[0]"),
        ("conflict", "b", "spec.trafficPolicy"),
    ]


def test_two_peer_authentications_for_one_namespace() -> None:
    """The younger has no effect."""
    found = _only(*(istio("PeerAuthentication", name, "{mtls: {mode: STRICT}}") for name in ("b", "a")))
    assert (found.code, found.ref.name) == ("conflict", "b")
    assert found.message == "two PeerAuthentications are for namespace default: PeerAuthentication default/a is older and wins"


MANIFESTS = {
    "destination-rule-least-conn": """
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata:
  name: checkout-service
spec:
  host: checkout-service
  trafficPolicy:
    loadBalancer:
      simple: LEAST_CONN  # Directs traffic to the least busy instance
""",
    "gateway-by-path": """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: core-gateway
  namespace: istio-system
spec:
  selector:
    istio: ingressgateway
  servers:
  - hosts:
    - '*'
    port:
      name: http
      number: 80
      protocol: HTTP
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: core-virtualservice
  namespace: istio-system
spec:
  gateways:
  - core-gateway
  hosts:
  - '*'
  http:
  - match:
    - uri:
        prefix: /cg
    route:
    - destination:
        host: stg-content-service-api.all-staging.svc.cluster.local
        port:
          number: 8085
  - match:
    - uri:
        prefix: /
    route:
    - destination:
        host: stg-go-mobile-api.all-staging.svc.cluster.local
        port:
          number: 3333
""",
    "gateway-by-port": """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: core-gateway
  namespace: istio-system
spec:
  selector:
    istio: ingressgateway
  servers:
  - port:
      number: 30012
      name: content-port
      protocol: HTTP
    hosts:
    - '*'
  - port:
      number: 30013
      name: mobile-port
      protocol: HTTP
    hosts:
    - '*'
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: combined-virtualservice
  namespace: istio-system
spec:
  hosts:
  - '*'
  gateways:
  - core-gateway
  http:
  - match:
    - port: 30012
    route:
    - destination:
        host: stg-content-service-api.all-staging.svc.cluster.local
        port:
          number: 8085
  - match:
    - port: 30013
    route:
    - destination:
        host: stg-go-mobile-api.all-staging.svc.cluster.local
        port:
          number: 3333
""",
    "peer-authentication-strict": """
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata:
  name: default
  namespace: default
spec:
  mtls:
    mode: STRICT
""",
}
SERVICES = (
    core("checkout-service", "http 80"),
    core("stg-content-service-api", "http 8085", namespace="all-staging"),
    core("stg-go-mobile-api", "http 3333", namespace="all-staging"),
)


@pytest.mark.parametrize("name", MANIFESTS)
def test_real_manifests_have_no_findings(name: str) -> None:
    """With the services that they name, manifests as they are used in the field have nothing wrong across resources."""
    assert _none(*SERVICES, MANIFESTS[name])


def test_a_finding_goes_when_what_was_missing_comes() -> None:
    """Findings follow the mesh: an unknown host is known once its service exists, and the other way round."""
    web = resource(core("web"))
    now = translated(str(_Route("host: web")))
    assert [one.code for one in findings(now)] == ["unknown-host"]
    now, _ = advance(now, [(None, web)])
    assert findings(now) == []
    now, _ = advance(now, [(web, None)])
    assert [one.code for one in findings(now)] == ["unknown-host"]
