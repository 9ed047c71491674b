"""What a proxy would get, from files alone."""

from weft.controlplane.offline import as_json, envoy_resources
from weft.model.mesh import Settings
from weft.resource.decode import decode
from weft.resource.resource import Resource
from weft.resource.yaml_document import documents

MESH = """
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-0, labels: {app: reviews, security.istio.io/tlsMode: istio}}
spec: {address: 127.0.0.1, ports: {http: 20001}, serviceAccount: reviews}
"""


def _resources() -> list[Resource]:
    found, findings = documents(MESH, "mesh.yaml")
    assert not findings
    return [resource for document in found if (resource := decode(document.raw).resource) is not None]


def test_a_caller_gets_the_services_it_may_call() -> None:
    """A proxy that serves nothing gets the cluster, its endpoint and the virtual host of the service."""
    names = {each.name for each in envoy_resources(_resources(), "web", Settings())}
    assert "outbound|9080||reviews.default.svc.cluster.local" in names
    assert "http_proxy" in names


def test_a_workload_gets_its_inbound_listener() -> None:
    """A WorkloadEntry's proxy listens where the entry says, for the port of the service that selects it."""
    found = {each.name: as_json(each) for each in envoy_resources(_resources(), "default/reviews-0", Settings())}
    assert found["inbound|9080"]["address"]["socket_address"]["port_value"] == 20001
    assert "inbound|9080||" in found


def test_the_same_files_give_the_same_bytes() -> None:
    """Order of resources changes nothing."""
    resources = _resources()
    one = [each.version for each in envoy_resources(resources, "web", Settings())]
    assert one == [each.version for each in envoy_resources(resources[::-1], "web", Settings())]
