"""WorkloadEntries and ServiceEntries into endpoints."""

from weft.model.endpoint import Endpoint, Health, Locality

from .written import core, istio, translated, workload

HOST = "web.default.svc.cluster.local"


def _only(*texts: str, host: str = HOST) -> Endpoint:
    (found,) = translated(*texts).mesh.endpoints[host]
    return found


def test_a_service_has_the_workloads_it_selects() -> None:
    """Every WorkloadEntry of the namespace with the selector's labels is an endpoint, and no other is."""
    mesh = translated(
        core("web"),
        workload("web-1", "web", more=", serviceAccount: web"),
        workload("web-2", "web"),
        workload("db-1", "db"),
        workload("web-3", "web", namespace="other"),
    ).mesh
    assert [one.workload for one in mesh.endpoints[HOST]] == ["default/web-1", "default/web-2"]
    assert mesh.endpoints[HOST][0].service_account == "web"


def test_a_port_is_found_by_the_name_of_the_services_port() -> None:
    """The workload's own port of the same name answers, whatever the target port says."""
    assert _only(core("web", "http 80 8080"), workload("w", "web")).port == 15001


def test_a_port_is_found_by_the_name_of_the_target_port() -> None:
    """A named target port is looked up among the workload's ports."""
    entry = workload("w", "web").replace("http: 15001", "main: 7000")
    assert _only(core("web", "http 80 main"), entry).port == 7000


def test_a_port_without_a_name_in_common_is_the_target_port() -> None:
    """Else the target port's number answers, and without one the service's own."""
    entry = workload("w", "web").replace("http: 15001", "main: 7000")
    assert _only(core("web", "http 80 8080"), entry).port == 8080
    assert _only(core("web", "http 80"), entry).port == 80


def _registered(ports: str, numbers: str) -> str:
    """A WorkloadEntry as the registry writes it: sidecar ports by name, and the numbers of the same ports that people know."""
    entry = workload("w", "web").replace("ports: {http: 15001}", f"ports: {ports}")
    return entry.replace("metadata: {", f"metadata: {{annotations: {{mesh.weft.dev/ports: '{numbers}'}}, ")


def test_a_target_port_is_one_that_the_workload_declares() -> None:
    """The sidecar that listens for the declared port answers, whatever the service's port is called; policies know it by the
    declared number and by the application's."""
    entry = _registered("{http: 15001, admin: 15002}", '{"http": [9080, 20001], "admin": [9081, 20002]}')
    for port in ("web 80 9081", "http 80 9081", "x 80 admin", "admin 80", "x 9081"):
        found = _only(core("web", port), entry)
        assert (found.port, found.numbers) == (15002, (9081, 20002)), port
    assert (_only(core("web", "http 80"), entry).port, _only(core("web", "http 80"), entry).numbers) == (15001, (9080, 20001))


def test_an_annotation_of_another_form_says_nothing() -> None:
    """Operators can write it too."""
    for text in ("x", "[]", '{"http": 1}', '{"http": ["x"]}', '{"http": []}'):
        found = _only(core("web", "http 80"), _registered("{http: 15001}", text))
        assert (found.port, found.numbers) == (15001, ())


def test_every_port_of_the_service_is_an_endpoint() -> None:
    """A workload has one endpoint for each port of the service."""
    found = translated(core("web", "http 80", "tcp 90"), workload("w", "web")).mesh.endpoints[HOST]
    assert {(one.port_name, one.port) for one in found} == {("http", 15001), ("tcp", 90)}


def test_the_label_says_whether_mtls_is_spoken() -> None:
    """security.istio.io/tlsMode istio is mTLS, another value is not; without it a service account stands for a sidecar."""
    entry = workload("w", "web")
    assert _only(core("web"), entry).mtls
    assert not _only(core("web"), entry.replace("tlsMode: istio", "tlsMode: disabled")).mtls
    bare = entry.replace(", security.istio.io/tlsMode: istio", "")
    assert not _only(core("web"), bare).mtls
    assert _only(core("web"), bare.replace("spec: {", "spec: {serviceAccount: a, ")).mtls


def test_the_conditions_say_the_health() -> None:
    """Healthy False is unhealthy, Draining True is draining, and nothing said is healthy."""
    healthy, draining = "{type: Healthy, status: 'False'}", "{type: Draining, status: 'True'}"
    assert _only(core("web"), workload("w", "web")).health is Health.HEALTHY
    assert _only(core("web"), workload("w", "web", status=f"{{conditions: [{healthy}]}}")).health is Health.UNHEALTHY
    assert _only(core("web"), workload("w", "web", status=f"{{conditions: [{healthy}, {draining}]}}")).health is Health.DRAINING


def test_place_network_and_weight_are_kept() -> None:
    """Locality, network and weight of a WorkloadEntry become the endpoint's; the weight is 1 when not said."""
    found = _only(core("web"), workload("w", "web", more=", locality: eu/eu-1/a, network: n, weight: 3"))
    assert (found.locality, found.network, found.weight) == (Locality("eu", "eu-1", "a"), "n", 3)
    assert _only(core("web"), workload("w", "web")).weight == 1


def test_a_service_without_a_selector_has_no_endpoints() -> None:
    """An empty selector selects nothing, as in Kubernetes."""
    bare = core("web").replace("selector: {app: web}, ", "")
    assert translated(bare, workload("w", "web")).mesh.endpoints == {}


def test_endpoints_written_in_a_service_entry() -> None:
    """STATIC endpoints of a ServiceEntry are endpoints of each of its hosts, their ports found by name."""
    spec = """{hosts: [a.example], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP, targetPort: 81}],
      endpoints: [{address: 10.0.0.1, ports: {http: 8080}}, {address: 10.0.0.2}]}"""
    found = translated(istio("ServiceEntry", "a", spec)).mesh.endpoints["a.example"]
    assert [(one.address, one.port, one.workload) for one in found] == [("10.0.0.1", 8080, ""), ("10.0.0.2", 81, "")]


def test_a_service_entry_selects_workloads() -> None:
    """workloadSelector selects the WorkloadEntries of the ServiceEntry's namespace."""
    spec = """{hosts: [a.example], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}],
      workloadSelector: {labels: {app: web}}}"""
    found = _only(istio("ServiceEntry", "a", spec), workload("w", "web"), host="a.example")
    assert (found.workload, found.port) == ("default/w", 15001)


def test_a_name_to_resolve_is_its_own_endpoint() -> None:
    """A DNS ServiceEntry without endpoints has its host as address; with endpoints, their names."""
    spec = "{hosts: [a.example], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]%s}"
    assert _only(istio("ServiceEntry", "a", spec % ""), host="a.example").address == "a.example"
    named = istio("ServiceEntry", "a", spec % ", endpoints: [{address: b.example}]")
    assert _only(named, host="a.example").address == "b.example"


def test_resolution_none_has_no_endpoints() -> None:
    """With resolution NONE the caller's own destination is used: there are no endpoints, and a wildcard is allowed."""
    spec = "{hosts: ['*.example'], resolution: NONE, ports: [{number: 443, name: tls, protocol: TLS}]}"
    assert translated(istio("ServiceEntry", "a", spec)).mesh.endpoints == {}


def test_two_namespaces_do_not_share_the_endpoints_of_one_host() -> None:
    """The endpoints of a host that a second namespace declares stand under `namespace/host`."""
    spec = """{hosts: [a.example], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}],
      endpoints: [{address: %s}]}"""
    mesh = translated(
        istio("ServiceEntry", "a", spec % "10.0.0.1", namespace="one"),
        istio("ServiceEntry", "a", spec % "10.0.0.2", namespace="two"),
    ).mesh
    assert {key: [one.address for one in found] for key, found in mesh.endpoints.items()} == {
        "a.example": ["10.0.0.1"],
        "two/a.example": ["10.0.0.2"],
    }


def test_two_service_entries_of_one_namespace_share_their_endpoints() -> None:
    """ServiceEntries for one host in one namespace add up."""
    spec = """{hosts: [a.example], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}],
      endpoints: [{address: %s}]}"""
    mesh = translated(istio("ServiceEntry", "a", spec % "10.0.0.1"), istio("ServiceEntry", "b", spec % "10.0.0.2")).mesh
    assert [one.address for one in mesh.endpoints["a.example"]] == ["10.0.0.1", "10.0.0.2"]
