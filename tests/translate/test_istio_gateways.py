"""Gateways into servers."""

from weft.model.gateway import Gateway, Server, ServerTls

from .written import istio, said


def _gateway(spec: str) -> Gateway:
    found = said(istio("Gateway", "gw", spec, namespace="istio-system")).gateway
    assert found
    return found


def _server(server: str) -> Server:
    (found,) = _gateway(f"{{selector: {{istio: ingressgateway}}, servers: [{{{server}}}]}}").servers
    return found


def test_a_gateway_has_servers_and_a_selector() -> None:
    """The selector chooses workloads; each server has its port, hosts and field."""
    found = _gateway("{selector: {istio: ingress}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}")
    assert (found.key, found.selector) == ("istio-system/gw", (("istio", "ingress"),))
    assert found.servers == (Server(80, "http", "HTTP", (("*", "*"),), found.origin.at("spec.servers[0]")),)


def test_a_host_may_name_the_namespace_of_its_routes() -> None:
    """`ns/host` admits VirtualServices of one namespace, `./host` those of the Gateway's own."""
    found = _server("port: {number: 80, name: http, protocol: http}, hosts: [a.example, n/b.example, ./c.example, '*/d.example']")
    assert found.hosts == (("*", "a.example"), ("n", "b.example"), ("istio-system", "c.example"), ("*", "d.example"))
    assert found.protocol == "HTTP"


def test_the_case_of_a_host_means_nothing() -> None:
    """Two spellings of one host are one: Envoy refuses two chains, or virtual hosts, with the same name."""
    found = _server("port: {number: 80, name: http, protocol: HTTP}, hosts: [a.example, A.Example, '*/a.example.', n/A.example]")
    assert found.hosts == (("*", "a.example"), ("n", "a.example"))


def test_tls_of_a_server() -> None:
    """Mode and files; on a plain port only the redirect counts."""
    found = _server(
        "port: {number: 443, name: https, protocol: HTTPS}, hosts: [a], "
        "tls: {mode: SIMPLE, serverCertificate: /c.pem, privateKey: /k.pem}"
    )
    assert (found.tls, found.files) == (ServerTls.SIMPLE, (("/c.pem", "/k.pem"),))
    plain = _server("port: {number: 80, name: http, protocol: HTTP}, hosts: [a], tls: {httpsRedirect: true}")
    assert (plain.tls, plain.https_redirect) == (ServerTls.NONE, True)


def test_what_is_not_said_of_tls_passes_through() -> None:
    """PASSTHROUGH is the mode of a TLS server that names none, as in Istio."""
    found = _server("port: {number: 443, name: tls, protocol: TLS}, hosts: [a], tls: {}")
    assert found.tls is ServerTls.PASSTHROUGH
