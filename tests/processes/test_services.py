"""Which endpoints a service has, and how they are spoken to: ports by other numbers, outside services, places, none at all."""

import json
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from processes.calls import CALLER, PYTHON, run, self_signed, to_proxy
from processes.mesh import RunningMesh, running_mesh
from processes.outside import named_server

MESH = """
services:
  client: {command: sleep 100000, x-weft: {upstreams: [{host: api.localhost, port: 7000}, {host: fixed.example, port: 7001}]}}
  web:
    command: weft echo
    x-weft: {ports: [{name: http, port: 9080}, {name: http-admin, port: 9081}]}
  v1: {command: weft echo, x-weft: &shop {namespace: shop, service: cart, version: v1, ports: [{name: http, port: 80}]}}
  v2: {command: weft echo, x-weft: {<<: *shop, version: v2, locality: eu/eu-1/a, weight: 3, network: far}}
  none: {command: weft echo, deploy: {replicas: 0}, x-weft: {ports: [{name: http, port: 80}]}}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


def _named(mesh: RunningMesh, url: str) -> str:
    answer = mesh.call(url)
    return str(json.loads(answer.body)["name"]) if answer.status == 200 else ""


def _peer(mesh: RunningMesh, url: str) -> str | None:
    answer = mesh.call(url)
    return str(answer.echo["peer"]) if answer.status == 200 else None


def _has_peer(mesh: RunningMesh, url: str, peer: str) -> bool:
    return _peer(mesh, url) == peer


# Ports


def test_a_port_without_mtls_is_called_without(mesh: RunningMesh) -> None:
    """A port-level DISABLE names the declared port; callers follow it under whatever number a Service offers the port."""
    mesh.apply(
        """
        apiVersion: v1
        kind: Service
        metadata: {name: front}
        spec:
          selector: {app: web}
          ports: [{name: http-front, port: 80, targetPort: 9081}, {name: http-other, port: 81, targetPort: http}]
        """
    )
    for url in ("http://web:9081/", "http://front/", "http://front:81/"):
        mesh.until(partial(_has_peer, mesh, url, CALLER))
    mesh.apply(
        """
        apiVersion: security.istio.io/v1
        kind: PeerAuthentication
        metadata: {name: web}
        spec:
          selector: {matchLabels: {app: web}}
          mtls: {mode: STRICT}
          portLevelMtls: {9081: {mode: DISABLE}}
        """
    )
    expected = {"http://web:9081/": "", "http://front/": "", "http://front:81/": CALLER}
    mesh.until(lambda: {url: _peer(mesh, url) for url in expected} == expected)
    admin = next(each for each in mesh.instances()["web-0"]["ports"] if each["port"] == 9081)
    assert mesh.call("http://web:9081/", proxy=f"127.0.0.1:{admin['sidecar']}").echo["peer"] == ""


# Outside


def test_an_outside_service_that_is_resolved(mesh: RunningMesh, tmp_path: Path) -> None:
    """HTTP, TCP by an upstream and TLS by CONNECT reach a ServiceEntry with resolution DNS, each at its target port."""
    certificate, key = self_signed("api.localhost", tmp_path)
    with (
        named_server("http", "127.0.0.1") as http,
        named_server("tcp", "127.0.0.1") as tcp,
        named_server("https", "127.0.0.1", certificate, key) as https,
    ):
        mesh.apply(
            f"""
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {{name: api}}
            spec:
              hosts: [api.localhost]
              location: MESH_EXTERNAL
              resolution: DNS
              ports:
              - {{number: 80, name: http, protocol: HTTP, targetPort: {http}}}
              - {{number: 7000, name: tcp, protocol: TCP, targetPort: {tcp}}}
              - {{number: 443, name: https, protocol: HTTPS, targetPort: {https}}}
            """
        )
        mesh.until(lambda: _named(mesh, "http://api.localhost/") == "http")
        mesh.until(lambda: '"tcp"' in _over_upstream(mesh, "API_ADDR"))
        mesh.until(lambda: '"https"' in _over_tunnel(mesh, "api.localhost:443", certificate))


def test_an_outside_service_at_another_name(mesh: RunningMesh) -> None:
    """The name of an endpoint is resolved, and the host of the request stays."""
    with named_server("named", "127.0.0.1") as port:
        mesh.apply(
            f"""
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {{name: named}}
            spec:
              hosts: [named.example]
              resolution: DNS
              ports: [{{number: 80, name: http, protocol: HTTP}}]
              endpoints: [{{address: localhost, ports: {{http: {port}}}}}]
            """
        )
        mesh.until(lambda: _named(mesh, "http://named.example/") == "named")
        assert json.loads(mesh.call("http://named.example/").body)["host"] == "named.example"


def test_an_outside_service_with_addresses(mesh: RunningMesh) -> None:
    """The endpoints of a ServiceEntry with resolution STATIC are called in turn, for HTTP and for TCP."""
    with named_server("one", "127.0.0.1") as one, named_server("two", "127.0.0.2") as two:
        mesh.apply(
            f"""
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {{name: fixed}}
            spec:
              hosts: [fixed.example]
              location: MESH_EXTERNAL
              resolution: STATIC
              ports: [{{number: 80, name: http, protocol: HTTP}}, {{number: 7001, name: tcp, protocol: TCP}}]
              endpoints:
              - {{address: 127.0.0.1, ports: {{http: {one}, tcp: {one}}}}}
              - {{address: 127.0.0.2, ports: {{http: {two}, tcp: {two}}}}}
            """
        )
        mesh.until(lambda: _named(mesh, "http://fixed.example/") != "")
        assert {_named(mesh, "http://fixed.example/") for _ in range(40)} == {"one", "two"}
        mesh.until(lambda: '"one"' in (said := _over_upstream(mesh, "FIXED_ADDR")) or '"two"' in said)


def test_a_machine_without_a_sidecar_beside_instances_with_one(mesh: RunningMesh) -> None:
    """An operator's WorkloadEntry without a service account is an endpoint in the clear beside those with mutual TLS."""
    with named_server("machine", "127.0.0.1") as port:
        mesh.apply(
            f"""
            apiVersion: networking.istio.io/v1
            kind: WorkloadEntry
            metadata: {{name: machine, namespace: shop}}
            spec: {{address: 127.0.0.1, labels: {{app: cart, version: v3}}, ports: {{http: {port}}}}}
            """
        )
        mesh.until(lambda: {"v1", "v2", "machine"} <= {_answered(mesh, "http://cart.shop/") for _ in range(20)})
        mesh.weft("delete", "workloadentry", "machine", "-n", "shop")
        mesh.until(lambda: {_answered(mesh, "http://cart.shop/") for _ in range(20)} == {"v1", "v2"})


def _answered(mesh: RunningMesh, url: str) -> str:
    said = json.loads(mesh.call(url).body)
    if "version" in said:
        assert said["peer"] == CALLER
    return str(said.get("version") or said.get("name"))


def _over_upstream(mesh: RunningMesh, variable: str) -> str:
    code = f"import os, urllib.request as r; print(r.urlopen('http://' + os.environ['{variable}'], timeout=2).read().decode())"
    return run(mesh, PYTHON, "-c", code, code=None).out


def _over_tunnel(mesh: RunningMesh, to: str, authority: Path) -> str:
    with to_proxy(mesh) as connection:
        connection.sendall(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
        if connection.recv(65536).split()[1] != b"200":
            return ""
        context = ssl.create_default_context(cafile=str(authority))
        with context.wrap_socket(connection, server_hostname=to.partition(":")[0]) as inside:
            inside.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return b"".join(iter(partial(inside.recv, 65536), b"")).decode()


# Places and numbers


def test_place_weight_and_network_reach_the_endpoints(mesh: RunningMesh) -> None:
    """What x-weft says of an instance stands in its WorkloadEntry, and locality and weight in the caller's endpoints."""
    entry = json.loads(mesh.weft("get", "workloadentry", "v2-0", "-n", "shop", "-o", "json").out)
    said = {name: entry["spec"][name] for name in ("locality", "weight", "network")}
    assert said == {"locality": "eu/eu-1/a", "weight": 3, "network": "far"}
    mesh.call("http://cart.shop/")
    assert _endpoints(mesh, "cart.shop") == {"v1-0": ("", 1), "v2-0": ("eu-1", 3)}


def _endpoints(mesh: RunningMesh, host: str) -> dict[str, tuple[str, int]]:
    """The zone and the weight of the endpoints that the client's Envoy holds, by instance."""
    found: dict[str, tuple[str, int]] = {}
    for each in json.loads(mesh.weft("proxy", "config", "client", "endpoints", "-o", "json").out):
        if not each.get("cluster_name", "").startswith(f"outbound|80||{host}"):
            continue
        for group in each["endpoints"]:
            for one in group["lb_endpoints"]:
                workload = one["metadata"]["filter_metadata"]["weft"]["workload"].partition("/")[2]
                found[workload] = (group.get("locality", {}).get("zone", ""), int(one["load_balancing_weight"]))
    return found


def test_versions_of_one_service_in_another_namespace(mesh: RunningMesh) -> None:
    """Two Compose services are one service, whose subsets a caller in another namespace is routed to."""
    rules = """
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: cart, namespace: shop}
        spec: {host: cart, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: cart, namespace: shop}
        spec: {hosts: [cart], http: [{route: [{destination: {host: cart, subset: v2}}]}]}
        """
    mesh.apply(rules)
    mesh.until(lambda: {_answered(mesh, "http://cart.shop/") for _ in range(10)} == {"v2"})
    mesh.weft("delete", "virtualservice", "cart", "-n", "shop")
    mesh.until(lambda: {_answered(mesh, "http://cart.shop/") for _ in range(20)} == {"v1", "v2"})


def test_a_service_without_instances_and_back(mesh: RunningMesh) -> None:
    """With no instance a service is known and answers 503; scaled up it serves, scaled to none it is known again."""
    assert mesh.call("http://none/").status == 503
    mesh.weft("scale", "none=1")
    assert mesh.call("http://none/").status == 200
    mesh.weft("scale", "none=0")
    assert mesh.call("http://none/").status == 503
    assert not [name for name in mesh.instances() if name.startswith("none-")]
    mesh.weft("scale", "none=2")
    assert mesh.call("http://none/").status == 200
