"""The manifests the mesh is measured by, exactly as they stand, by `weft apply` and by kubectl, and what they do."""

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from http.client import HTTPConnection
from itertools import accumulate
from math import comb
from pathlib import Path

import pytest
import yaml

from processes.calls import CALLER, kubectl, needs
from processes.mesh import Done, RunningMesh, running_mesh

MANIFESTS = Path(__file__).parent.parent / "manifests"
MESH = """
services:
  client: {command: sleep 100000}
  reviews-v1: {command: weft echo, x-weft: {service: reviews, version: v1, ports: [{name: http, port: 9080}]}}
  reviews-v2: {command: weft echo, x-weft: {service: reviews, version: v2, ports: [{name: http, port: 9080}]}}
  checkout-service: {command: weft echo, x-weft: {ports: [{name: http, port: 80}]}}
  stg-content-service-api: {command: weft echo, x-weft: {namespace: all-staging, ports: [{name: http, port: 8085}]}}
  stg-go-mobile-api: {command: weft echo, x-weft: {namespace: all-staging, ports: [{name: http, port: 3333}]}}
  ingress: {x-weft: {gateway: true, namespace: edge, labels: {istio: ingressgateway}}}
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
"""
REQUESTS = 2000


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


class Applier:
    """`weft` or `kubectl` with a mesh, and the end of whatever was applied with it."""

    def __init__(self, program: str, mesh: RunningMesh) -> None:
        self.program = program
        self.mesh = mesh
        self._applied: list[Path] = []

    def run(self, *arguments: str, code: int | None = 0) -> Done:
        """A command of the program, with `code`."""
        if self.program == "weft":
            return self.mesh.weft(*arguments, code=code)
        return kubectl(self.mesh, *arguments, code=code)

    def __call__(self, file: Path, *options: str, code: int | None = 0) -> Done:
        """Applies a file."""
        self._applied.append(file)
        return self.run("apply", *options, "-f", str(file), code=code)

    def text(self, text: str) -> Done:
        """Applies YAML."""
        file = self.mesh.folder / f"{len(self._applied)}.yaml"
        file.write_text(text)
        return self(file)

    def end(self) -> None:
        """Deletes it all."""
        for file in self._applied:
            self.mesh.weft("delete", "-f", str(file), code=None)


@pytest.fixture(params=["weft", pytest.param("kubectl", marks=needs("kubectl"))])
def apply(request: pytest.FixtureRequest, mesh: RunningMesh) -> Iterator[Applier]:
    """Applies files with weft and with kubectl; afterwards they are deleted."""
    applier = Applier(request.param, mesh)
    yield applier
    applier.end()


def plain_call(mesh: RunningMesh, instance: str) -> int:
    """The status of a plaintext request straight to an instance's inbound port; 0: it was refused."""
    port = mesh.instances()[instance]["ports"][0]["sidecar"]
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    with suppress(OSError):
        connection.request("GET", "/")
        with suppress(Exception):
            return connection.getresponse().status
    return 0


def test_strict(mesh: RunningMesh, apply: Applier) -> None:
    """STRICT refuses plaintext at a workload's inbound port; a call through the mesh shows who called."""
    assert plain_call(mesh, "reviews-v1-0") == 200
    apply(MANIFESTS / "peer-authentication-strict.yaml")
    mesh.until(lambda: plain_call(mesh, "reviews-v1-0") == 0, 5)
    assert mesh.call("http://reviews:9080/").echo["peer"] == CALLER
    assert mesh.call("http://stg-content-service-api.all-staging:8085/").echo["peer"] == CALLER


def split(mesh: RunningMesh) -> dict[str, int]:
    """How many of the requests each version answered, over a few connections."""
    host, _, port = mesh.proxy().partition(":")

    def some(number: int) -> list[str]:
        connection = HTTPConnection(host, int(port), timeout=10)
        versions = []
        for _ in range(number):
            connection.request("GET", "http://reviews:9080/", headers={"Host": "reviews:9080"})
            versions.append(json.loads(connection.getresponse().read())["version"])
        connection.close()
        return versions

    with ThreadPoolExecutor(4) as pool:
        found = [version for part in pool.map(some, [REQUESTS // 4] * 4) for version in part]
    return {version: found.count(version) for version in ("v1", "v2")}


def bounds(share: Fraction) -> tuple[int, int]:
    """Between which counts 99.9% of all outcomes lie."""
    chances = [float(comb(REQUESTS, n) * share**n * (1 - share) ** (REQUESTS - n)) for n in range(REQUESTS + 1)]
    sums = list(accumulate(chances))
    return next(n for n, total in enumerate(sums) if total > 0.0005), next(n for n, total in enumerate(sums) if total > 0.9995)


def split_80_20(mesh: RunningMesh) -> None:
    """The versions answer four to one, once the rule is at the proxy."""
    assert mesh.call("http://reviews:9080/").status == 200
    mesh.until(lambda: "|v2|reviews" in mesh.weft("proxy", "config", "client", "routes", "-o", "json").out, 5)
    found, (low, high) = split(mesh), bounds(Fraction(1, 5))
    assert found["v1"] + found["v2"] == REQUESTS
    assert low <= found["v2"] <= high, (found, low, high)


def test_80_20_with_its_subsets(mesh: RunningMesh, apply: Applier) -> None:
    """Over 2,000 requests the split is within the bound of 99.9%."""
    apply.text(RULE)
    assert "warning" not in apply(MANIFESTS / "virtual-service-80-20.yaml").err.lower()
    split_80_20(mesh)


def test_80_20_without_subsets_offers_them_ready_to_paste(mesh: RunningMesh, apply: Applier) -> None:
    """The answer has a DestinationRule that works as it stands. `weft apply` refuses until it is there, unless it is told not to;
    kubectl, which applies one thing after another, is warned."""
    file = MANIFESTS / "virtual-service-80-20.yaml"
    if apply.program == "weft":
        told = apply(file, code=1).err
        assert "unknown-subset" in told
        assert "--allow-unresolved" in told
        assert mesh.weft("get", "virtualservices").out.count("reviews") == 0
        told = apply(file, "--allow-unresolved").err
        pasted = "\n".join(re.findall(r"^    (.*)$", told, re.MULTILINE))
    else:
        pasted = re.findall(r"apply this DestinationRule: ({.*})$", apply(file).err, re.MULTILINE)[0]
    mesh.until(lambda: mesh.call("http://reviews:9080/").status in (500, 503), 5)
    apply.text(pasted)
    mesh.until(lambda: mesh.call("http://reviews:9080/").status == 200, 5)
    split_80_20(mesh)


def test_least_conn(mesh: RunningMesh, apply: Applier) -> None:
    """LEAST_CONN becomes least-request balancing, and the finding says that the name is the deprecated one."""
    told = apply(MANIFESTS / "destination-rule-least-conn.yaml").err
    assert "LEAST_CONN is the deprecated name of LEAST_REQUEST" in told
    assert mesh.call("http://checkout-service/").status == 200
    assert mesh.until(lambda: _policy(mesh) == "LEAST_REQUEST", 5)


def _policy(mesh: RunningMesh) -> str:
    clusters = json.loads(mesh.weft("proxy", "config", "client", "clusters", "-o", "json").out)
    [cluster] = [each for each in clusters if each["name"] == "outbound|80||checkout-service.default.svc.cluster.local"]
    return str(cluster.get("lb_policy") or cluster.get("lbPolicy"))


def gateway(mesh: RunningMesh, asked: int, path: str) -> str:
    """The service that answers at a port of the gateway, wherever it listens; empty when none does."""
    port = mesh.instances()["ingress-0"]["gatewayPorts"].get(str(asked))
    answer = mesh.call(f"http://127.0.0.1:{port}{path}", proxy=f"127.0.0.1:{port}") if port else None
    return str(answer.echo["service"]) if answer and answer.status == 200 else ""


def test_gateway_by_path(mesh: RunningMesh, apply: Applier) -> None:
    """`/cg` reaches one service and `/` the other, of another namespace, through a gateway of a third."""
    apply(MANIFESTS / "gateway-by-path.yaml")
    mesh.until(lambda: gateway(mesh, 80, "/cg/x") == "stg-content-service-api", 10)
    assert gateway(mesh, 80, "/cg") == "stg-content-service-api"
    assert gateway(mesh, 80, "/other") == "stg-go-mobile-api"


def test_a_port_that_cannot_be_had_is_moved(mesh: RunningMesh, apply: Applier) -> None:
    """Where port 80 is busy or may not be bound, the gateway takes one above 1024, and `weft ps` and the progress say which."""
    mesh.until(lambda: not mesh.instances()["ingress-0"]["gatewayPorts"], 5)
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(PermissionError):
            held.bind(("127.0.0.1", 80))
            held.listen()
        apply(MANIFESTS / "gateway-by-path.yaml")
        mesh.until(lambda: gateway(mesh, 80, "/cg") == "stg-content-service-api", 10)
    moved = mesh.instances()["ingress-0"]["gatewayPorts"]["80"]
    assert moved > 1024
    assert f"80->{moved}" in mesh.weft("ps").out
    assert f"ingress-0: warning: listens on 127.0.0.1:{moved}: port 80" in mesh.log("supervisor")


def test_gateway_by_port(mesh: RunningMesh, apply: Applier) -> None:
    """30012 and 30013 each reach theirs."""
    apply(MANIFESTS / "gateway-by-port.yaml")
    mesh.until(lambda: gateway(mesh, 30012, "/cg") == "stg-content-service-api", 10)
    assert gateway(mesh, 30013, "/cg") == "stg-go-mobile-api"


def test_they_are_the_files_that_were_given() -> None:
    """All of them are tested here, and each is YAML of networking or security."""
    files = sorted(MANIFESTS.glob("*.yaml"))
    assert len(files) == 5
    for file in files:
        assert file.name in Path(__file__).read_text()
        assert all("istio.io" in each["apiVersion"] for each in yaml.safe_load_all(file.read_text()))
