"""ListenerSets, addresses and parameters: who has a port, and what Gateways and sets are told."""

from weft.model.labels import labels
from weft.ref import Ref
from weft.translate.gateway_api.judged import chooses
from weft.translate.gateway_api.status import ClassStatus, GatewayStatus, ListenerStatus, RouteStatus, SetStatus
from weft.translate.gateway_api.written import Namespaces
from weft.translate.mesh import Translation

from .written import api, core, findings, translated, workload

GROUP = "gateway.networking.k8s.io"
SERVED = workload("gw-0", "gw").replace("app: gw", f"{GROUP}/gateway-name: gw")
RULES = "rules: [{backendRefs: [{name: web, port: 80}]}]"


def _gateway(
    more: str = "allowedListeners: {namespaces: {from: All}}", listeners: str = "{name: a, port: 80, protocol: HTTP}"
) -> str:
    return api("Gateway", "gw", f"{{gatewayClassName: weft, listeners: [{listeners}], {more}}}")


def _set(name: str, *listeners: str, created: str = "", namespace: str = "default") -> str:
    spec = f"{{parentRef: {{name: gw, namespace: default}}, listeners: [{', '.join(listeners)}]}}"
    return api("ListenerSet", name, spec, namespace=namespace, created=created)


def _of_set(of: Translation, name: str, namespace: str = "default") -> SetStatus:
    found = of.statuses[Ref(GROUP, "ListenerSet", namespace, name)]
    assert isinstance(found, SetStatus)
    return found


def _of_gateway(of: Translation) -> GatewayStatus:
    found = of.statuses[Ref(GROUP, "Gateway", "default", "gw")]
    assert isinstance(found, GatewayStatus)
    return found


def _reasons(of: SetStatus | GatewayStatus | ListenerStatus | ClassStatus) -> dict[str, str]:
    return {one.type: one.reason for one in of.conditions}


def test_a_conflict_is_won_by_the_gateway_then_by_the_older_set() -> None:
    """The loser says which conflict it is; a set with no other listener is not accepted, and not counted."""
    one = "{name: x, port: 80, protocol: HTTP}"
    other = "{name: y, port: 81, protocol: TCP}"
    found = translated(
        SERVED,
        _gateway(),
        _set("young", "{name: y, port: 81, protocol: HTTP}", created="2026-02-01T00:00:00Z"),
        _set("old", one, other, created="2026-01-01T00:00:00Z"),
    )
    old, young = _of_set(found, "old"), _of_set(found, "young")
    assert [_reasons(each)["Conflicted"] for each in old.listeners] == ["HostnameConflict", "NoConflicts"]
    assert _reasons(old) == {"Accepted": "ListenersNotValid", "Programmed": "Programmed"}
    assert _reasons(young.listeners[0])["Conflicted"] == "ProtocolConflict"
    assert [(each.holds, each.reason) for each in young.conditions] == [(False, "ListenersNotValid")] * 2
    assert _reasons(old.listeners[0])["Accepted"] == _reasons(old.listeners[0])["Programmed"] == "HostnameConflict"
    assert _of_gateway(found).sets == 1
    assert _reasons(_of_gateway(found).listeners[0])["Accepted"] == "Accepted"


def test_a_listener_that_is_out_puts_no_other_out() -> None:
    """Of a set the one that clashes with the Gateway's does not clash with its own siblings too."""
    siblings = "{name: a, port: 80, protocol: HTTP, hostname: a.b}", "{name: t, port: 80, protocol: TCP}"
    found = _of_set(translated(SERVED, _gateway(), _set("s", *siblings)), "s")
    assert [_reasons(one)["Conflicted"] for one in found.listeners] == ["NoConflicts", "ProtocolConflict"]


def test_a_set_whose_certificates_cannot_be_used_is_not_accepted() -> None:
    """Its listeners say why; the Gateway goes on."""
    listener = "{name: x, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c, namespace: far}]}}"
    found = translated(SERVED, _gateway(), _set("s", listener))
    status = _of_set(found, "s")
    assert _reasons(status) == {"Accepted": "ListenersNotValid", "Programmed": "ListenersNotValid"}
    assert _reasons(status.listeners[0])["ResolvedRefs"] == "RefNotPermitted"


def test_a_listener_of_another_protocol_is_not_accepted() -> None:
    """The Gateway is taken all the same; without any other listener it is not accepted."""
    alone = _of_gateway(translated(SERVED, _gateway("", "{name: x, port: 1, protocol: QUICK}")))
    assert _reasons(alone.listeners[0])["Accepted"] == "UnsupportedProtocol"
    assert (alone.conditions[0].holds, alone.conditions[0].reason) == (False, "ListenersNotValid")
    both = "{name: x, port: 1, protocol: QUICK}, {name: y, port: 80, protocol: HTTP}"
    beside = _of_gateway(translated(SERVED, _gateway("", both)))
    assert (beside.conditions[0].holds, beside.conditions[0].reason) == (True, "ListenersNotValid")


def test_a_gateway_says_that_it_lets_in_whom_nobody_trusts() -> None:
    """For as long as it does."""
    for mode, said in (("AllowInsecureFallback", "ConfigurationChanged"), ("AllowValidOnly", None)):
        validation = f"{{caCertificateRefs: [{{group: '', kind: ConfigMap, name: a}}], mode: {mode}}}"
        status = _of_gateway(translated(SERVED, _gateway(f"tls: {{frontend: {{default: {{validation: {validation}}}}}}}")))
        assert _reasons(status).get("InsecureFrontendValidationMode") == said


def test_a_gateway_takes_no_set_unless_it_says_so() -> None:
    """Neither conditions of listeners nor routes come of one that is not allowed."""
    route = api("HTTPRoute", "r", f"{{parentRefs: [{{name: s, kind: ListenerSet}}], {RULES}}}")
    found = translated(
        core("web"), SERVED, _gateway("allowedListeners: {}"), _set("s", "{name: x, port: 81, protocol: HTTP}"), route
    )
    assert _reasons(_of_set(found, "s")) == {"Accepted": "NotAllowed", "Programmed": "NotAllowed"}
    assert not _of_set(found, "s").listeners
    status = found.statuses[Ref(GROUP, "HTTPRoute", "default", "r")]
    assert isinstance(status, RouteStatus)
    assert status.parents[0].conditions[0].reason == "NoMatchingParent"
    assert "listener-set-not-attached" in {one.code for one in findings(found)}


def test_https_and_tls_share_a_port_by_their_names() -> None:
    """With one name, or none, they cannot be told apart, and both are out."""
    tls = "{name: t, port: 443, protocol: TLS, tls: {mode: Passthrough}%s}"
    https = "{name: h, port: 443, protocol: HTTPS, tls: {options: {a.b/c: d}}%s}"
    named = ", ".join((tls % ", hostname: a.b.c", https % ", hostname: '*.b.c'"))
    apart = _of_gateway(translated(SERVED, _gateway("", named)))
    assert [_reasons(one)["Conflicted"] for one in apart.listeners] == ["NoConflicts"] * 2
    alike = _of_gateway(translated(SERVED, _gateway("", ", ".join((tls % "", https % "")))))
    said = [(_reasons(one)["Accepted"], _reasons(one)["Conflicted"]) for one in alike.listeners]
    assert said == [("Invalid", "ProtocolConflict")] * 2
    assert _reasons(alike)["Accepted"] == "ListenersNotValid"


def test_addresses_are_those_of_its_workloads() -> None:
    """One of another kind is not accepted, one that no workload has is not usable, and one that is asked for is told alone."""
    for addresses, accepted, programmed, told in (
        ("{value: 127.0.0.1}", "Accepted", "Programmed", ("127.0.0.1",)),
        ("{}", "Accepted", "Programmed", ("127.0.0.1",)),
        ("{value: 10.9.9.9}", "Accepted", "AddressNotUsable", ()),
        ("{type: a.b/c, value: x}", "UnsupportedAddress", "Invalid", ()),
    ):
        status = _of_gateway(translated(SERVED, _gateway(f"addresses: [{addresses}]")))
        assert _reasons(status) == {"Accepted": accepted, "Programmed": programmed}
        assert status.addresses == told


def test_parameters_are_refused() -> None:
    """Those of a Gateway's infrastructure and those of a class: weft takes none; labels and annotations do no harm."""
    parameters = "infrastructure: {labels: {a: b}, annotations: {c: d}, parametersRef: {group: '', kind: ConfigMap, name: x}}"
    assert _reasons(_of_gateway(translated(SERVED, _gateway(parameters))))["Accepted"] == "InvalidParameters"
    labelled = "infrastructure: {labels: {a: b}, annotations: {c: d}}"
    assert _reasons(_of_gateway(translated(SERVED, _gateway(labelled))))["Accepted"] == "Accepted"
    spec = "{controllerName: mesh.weft.dev/gateway, parametersRef: {group: '', kind: ConfigMap, name: x}}"
    status = translated(api("GatewayClass", "weft", spec, namespace="")).statuses[Ref(GROUP, "GatewayClass", "", "weft")]
    assert isinstance(status, ClassStatus)
    assert _reasons(status)["Accepted"] == "InvalidParameters"


def test_overlapping_hosts_of_https_listeners_are_told() -> None:
    """A wildcard and a host within it: both listeners say so, and both hold."""
    https = "{name: %s, port: 443, protocol: HTTPS, hostname: %s, tls: {options: {a.b/c: d}}}"
    both = ", ".join((https % ("a", "a.b.c"), https % ("b", "'*.b.c'")))
    status = _of_gateway(translated(SERVED, _gateway("", both)))
    assert [_reasons(one)["OverlappingTLSConfig"] for one in status.listeners] == ["OverlappingHostnames"] * 2


def test_a_namespace_is_chosen_by_its_name_too() -> None:
    """Every namespace has the label kubernetes.io/metadata.name."""
    assert chooses(Namespaces("All"), "a", "b", labels({}))
    assert not chooses(Namespaces("Same"), "a", "b", labels({}))
    assert not chooses(Namespaces("None"), "a", "a", labels({}))
