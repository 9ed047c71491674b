"""Registered workloads that join a WorkloadGroup."""

from weft.model.endpoint import locality
from weft.model.workload import Proxy, Workload

from .written import core, findings, translated

GROUP = """
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: vms, namespace: default}
spec:
  metadata: {labels: {tier: back}}
  template: {ports: {web: 8080, other: 7}, locality: eu/eu-1, network: far, weight: 7, serviceAccount: vm, labels: {color: blue}}
"""
ENTRY = """
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm-0
  namespace: default
  labels: {mesh.weft.dev/node: n}
  annotations: {istio.io/autoRegistrationGroup: vms, mesh.weft.dev/ports: '{"http": [8080, 30001]}'}
spec: {address: 127.0.0.1, ports: {http: 20001}, labels: {app: vm}, serviceAccount: mine}
"""


def test_a_port_of_the_group_is_where_the_sidecar_listens_for_it() -> None:
    """The group's name for a port that the sidecar serves leads to the sidecar; one that nobody serves leads nowhere."""
    found = translated(GROUP, ENTRY, core("web", "web 80 99").replace("app: web", "tier: back, color: blue"))
    (endpoint,) = found.mesh.endpoints["web.default.svc.cluster.local"]
    assert (endpoint.port, endpoint.weight, str(endpoint.locality), endpoint.network) == (20001, 7, "eu/eu-1", "far")
    (other,) = translated(GROUP, ENTRY, core("o", "other 80 99").replace("app: o", "tier: back")).mesh.endpoints[
        "o.default.svc.cluster.local"
    ]
    assert other.port == 99


def test_the_account_of_the_workload_holds_over_that_of_its_group() -> None:
    """Its certificate is for its own account: a group that says another one is told so."""
    found = translated(GROUP, ENTRY)
    assert [one.code for one in findings(found)] == ["conflict"]
    assert "that of its group vm" in findings(found)[0].message


def test_a_proxy_has_the_labels_and_the_place_of_its_group() -> None:
    """Where it says none itself; without its group it has its own alone."""
    own = Proxy(Workload("default", "vm-0", "mine", (("color", "red"),), group="vms"))
    work = translated(GROUP).joined(own).workload
    assert dict(work.labels) == {"color": "red", "tier": "back"} and str(work.locality) == "eu/eu-1" and work.network == "far"
    assert translated().joined(own) == own
    placed = Proxy(Workload("default", "vm-0", "mine", locality=locality("us/us-1"), group="vms"))
    assert str(translated(GROUP).joined(placed).workload.locality) == "us/us-1"
