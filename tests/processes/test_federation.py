"""Two meshes of different trust domains that are federated: each knows the other's workloads by certificates of the other's
authority."""

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import HTTPSHandler, build_opener

import pytest

from processes.mesh import RunningMesh, running_mesh
from weft.spiffe_bundle import spiffe_bundle
from weft.supervisor.home import read

CALLERS = """
x-weft: {trustDomain: old.example, trustDomainAliases: [callers.example]}
services:
  client: {command: sleep 100000}
  other: {command: sleep 100000}
"""
SERVERS = """
x-weft: {trustDomain: servers.example}
services:
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
"""
STRICT = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: reviews}
spec:
  rules:
  - from: [{source: {principals: [old.example/ns/default/sa/client]}}]
  - from: [{source: {namespaces: [default]}}]
    to: [{operation: {paths: [/of-the-namespace]}}]
"""
ELSEWHERE = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.servers.example]
  ports: [{name: http, number: 9080, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, ports: {http: %d}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews.servers.example
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL, subjectAltNames: ["spiffe://%s/ns/default/sa/reviews"]}}
"""
DOMAIN = """
apiVersion: mesh.weft.dev/v1alpha1
kind: TrustDomain
metadata: {name: %s}
spec:
  bundleEndpoint: {url: "https://%s/", spiffeId: spiffe://%s/ns/weft-system/sa/weft-control-plane}
  bundle: %s
"""


class Two:
    """The mesh that calls and the mesh that is called."""

    def __init__(self, callers: RunningMesh, servers: RunningMesh) -> None:
        self.callers, self.servers = callers, servers

    def call(self, instance: str, path: str = "/") -> int:
        """What a caller gets."""
        return self.callers.call(f"http://reviews.servers.example:9080{path}", proxy=self.callers.proxy(instance)).status


def endpoint(mesh: RunningMesh) -> str:
    """Where a mesh shows its bundle."""
    return str(read(mesh.home.serve_file)["bundle"])


def shown(mesh: RunningMesh) -> bytes:
    """The bundle that a mesh shows to whoever asks, as its operator hands it over."""
    opener = build_opener(HTTPSHandler(context=ssl._create_unverified_context()))
    content = opener.open(f"https://{endpoint(mesh)}/", timeout=5).read()
    assert isinstance(content, bytes)
    return content


def knows(mesh: RunningMesh, other: RunningMesh, domain: str) -> None:
    """Tells a mesh of another one."""
    mesh.apply(DOMAIN % (domain, endpoint(other), domain, json.dumps(shown(other).decode())))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Two meshes, not federated yet."""
    with ExitStack() as stack:
        folders: list[Path] = [tmp_path_factory.mktemp(name) for name in ("callers", "servers")]
        callers = stack.enter_context(running_mesh(folders[0], CALLERS))
        servers = stack.enter_context(running_mesh(folders[1], SERVERS))
        servers.apply(STRICT)
        port = next(iter(servers.instances()["reviews-0"]["ports"]))["sidecar"]
        callers.apply(ELSEWHERE % (port, "servers.example"))
        yield Two(callers, servers)


def test_the_bundle_endpoint_shows_roots_and_token_keys(two: Two) -> None:
    """As the standard says: each key has its use, there is a sequence and a hint when to look again, and both reads are one
    version."""
    content = shown(two.servers)
    said = json.loads(content)
    assert [key["use"] for key in said["keys"]] == ["x509-svid", "jwt-svid"]
    assert said["spiffe_sequence"] > 0 and said["spiffe_refresh_hint"] == 300
    found = spiffe_bundle("servers.example", content)
    assert found.roots.pem == (two.servers.home.path / "ca" / "root.crt").read_bytes()
    assert json.loads(shown(two.servers)) == said


def test_workloads_of_a_federated_mesh_are_known_and_judged_by_their_own_domain(two: Two) -> None:
    """Nobody gets through before both meshes know each other. Then the account that a policy names does; another one does not,
    and a namespace of the same name is not the mesh's own. An end of the federation is the end of the calls."""
    assert two.call("client-0") == 503
    knows(two.servers, two.callers, "old.example")
    assert two.call("client-0") == 503
    knows(two.callers, two.servers, "servers.example")
    two.callers.until(lambda: two.call("client-0") == 200)
    assert two.call("other-0") == 403
    assert two.call("other-0", "/of-the-namespace") == 403
    for mesh, domain in ((two.callers, "servers.example"), (two.servers, "old.example")):
        mesh.until(lambda mesh=mesh, domain=domain: _condition(mesh, domain) == ("True", "Held"))  # type: ignore[misc]
    two.servers.killed("agent")
    two.servers.until(lambda: two.call("client-0") == 200)
    two.servers.weft("delete", "trustdomain", "old.example")
    two.servers.until(lambda: two.call("client-0") == 503)
    knows(two.servers, two.callers, "old.example")
    two.servers.until(lambda: two.call("client-0") == 200)


def _condition(mesh: RunningMesh, domain: str) -> tuple[str, str]:
    found = json.loads(mesh.weft("get", "trustdomain", domain, "-o", "json").out)
    said = {one["type"]: one for one in found.get("status", {}).get("conditions", ())}.get("BundleHeld", {})
    return said.get("status", ""), said.get("reason", "")
