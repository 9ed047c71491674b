"""Services and ServiceEntries into services."""

import pytest

from weft.hostname import full_name
from weft.model.service import Location, Protocol, Resolution, ServicePort

from .written import core, istio, said, service


@pytest.mark.parametrize(
    ("name", "app_protocol", "transport", "expected"),
    [
        ("http", "", "TCP", Protocol.HTTP),
        ("http-web", "", "TCP", Protocol.HTTP),
        ("http2-web", "", "TCP", Protocol.HTTP2),
        ("grpc-api", "", "TCP", Protocol.GRPC),
        ("grpc-web", "", "TCP", Protocol.GRPC_WEB),
        ("grpc-web-shop", "", "TCP", Protocol.GRPC_WEB),
        ("http-web", "tcp", "TCP", Protocol.TCP),
        ("http", "postgres", "TCP", Protocol.TCP),
        ("https-x", "", "TCP", Protocol.HTTPS),
        ("x", "HTTPS", "TCP", Protocol.HTTPS),
        ("tls", "", "TCP", Protocol.TLS),
        ("mongo-db", "", "TCP", Protocol.TCP),
        ("redis", "", "TCP", Protocol.TCP),
        ("mysql", "", "TCP", Protocol.TCP),
        ("web", "", "TCP", Protocol.TCP),
        ("httpx", "", "TCP", Protocol.TCP),
        ("", "", "TCP", Protocol.TCP),
        ("tcp-a", "http", "TCP", Protocol.HTTP),
        ("x", "kubernetes.io/h2c", "TCP", Protocol.HTTP2),
        ("x", "kubernetes.io/ws", "TCP", Protocol.HTTP),
        ("x", "kubernetes.io/wss", "TCP", Protocol.HTTPS),
        ("http", "", "UDP", Protocol.UDP),
    ],
)
def test_the_protocol_of_a_port(name: str, app_protocol: str, transport: str, expected: Protocol) -> None:
    """A port's protocol is its appProtocol, else its name's part before the dash, else TCP; UDP is UDP."""
    port = f"{{name: {name!r}, port: 1, protocol: {transport}" + (f", appProtocol: {app_protocol}}}" if app_protocol else "}")
    found = service(f"{{apiVersion: v1, kind: Service, metadata: {{name: a}}, spec: {{ports: [{port}]}}}}")
    assert found.ports[0].protocol is expected


def test_the_case_of_a_host_and_a_dot_at_its_end_mean_nothing() -> None:
    """Names are compared as DNS compares them."""
    assert full_name("Reviews.", "ns") == "reviews.ns.svc.cluster.local"
    assert full_name("EXT.example.com.", "ns") == "ext.example.com"
    assert full_name("*.Example.com", "ns") == "*.example.com"


def test_a_core_service_has_its_full_name() -> None:
    """A Service is known by name, namespace and the cluster's domain, inside the mesh and to everyone."""
    found = service(core("reviews", "http 9080", namespace="books"))
    assert (found.hostname, found.namespace, found.name) == ("reviews.books.svc.cluster.local", "books", "reviews")
    assert found.ports == (ServicePort(9080, "http", Protocol.HTTP),)
    assert (found.location, found.resolution, found.export_to) == (Location.INTERNAL, Resolution.STATIC, ("*",))


def test_a_target_port_is_kept_where_it_is_another_number() -> None:
    """By number; one named, or the same, is nothing that the endpoints do not say."""
    ports = service(core("reviews", "http 80 9080", "grpc 81 main", "tcp 82", "tls 83 83")).ports
    assert [port.target_port for port in ports] == [9080, 0, 0, 0]


def test_a_core_service_is_exported_by_its_annotation() -> None:
    """The annotation networking.istio.io/exportTo says which namespaces see a Service; a dot is its own."""
    found = service(
        """
        apiVersion: v1
        kind: Service
        metadata: {name: db, namespace: data, annotations: {networking.istio.io/exportTo: "., web"}}
        spec: {ports: [{port: 1}]}
        """
    )
    assert found.export_to == ("data", "web")


def test_a_service_entry_is_one_service_for_each_host() -> None:
    """Each host of a ServiceEntry is a service with the same ports; a short host is completed."""
    spec = "{hosts: [api.example.com, db], ports: [{number: 443, name: tls, protocol: TLS, targetPort: 8443}], resolution: DNS}"
    services = said(istio("ServiceEntry", "api", spec)).services
    assert [one.hostname for one in services] == ["api.example.com", "db.default.svc.cluster.local"]
    assert services[0].ports == (ServicePort(443, "tls", Protocol.TLS, 8443),)
    assert (services[0].location, services[0].resolution) == (Location.EXTERNAL, Resolution.DNS)


def test_a_service_entry_of_the_mesh_keeps_its_names() -> None:
    """Location, exportTo and subjectAltNames of a ServiceEntry are kept."""
    spec = """{hosts: [a.example], location: MESH_INTERNAL, resolution: STATIC, exportTo: ["."], subjectAltNames: [x],
      ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.0.0.1}]}"""
    found = service(istio("ServiceEntry", "a", spec, namespace="n"))
    assert (found.location, found.export_to, found.subject_alt_names) == (Location.INTERNAL, ("n",), ("x",))


def test_a_protocol_of_a_service_entry_wins_over_the_name() -> None:
    """The protocol field of a ServiceEntry's port decides, and its name only without one."""
    spec = "{hosts: [a.example], ports: [{number: 1, name: http, protocol: TCP}, {number: 2, name: http-b}]}"
    assert [port.protocol for port in service(istio("ServiceEntry", "a", spec)).ports] == [Protocol.TCP, Protocol.HTTP]
