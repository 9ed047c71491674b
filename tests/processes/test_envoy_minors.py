"""The mesh runs on the newest Envoy and on the two minors before it.

`WEFT_TEST_ENVOYS` names binaries, separated by colons; without it only the installed one is tried.
"""

import os
import subprocess
from pathlib import Path

import pytest

from processes.load import steady
from processes.mesh import RunningMesh, running_mesh
from weft.envoy.binary import binary

ENVOYS = tuple(filter(None, os.environ.get("WEFT_TEST_ENVOYS", "").split(":"))) or (str(binary().path),)

MESH = """
services:
  client: {command: sleep 100000, x-weft: {upstreams: ["db:5432"]}}
  reviews-v1: {command: weft echo, x-weft: {service: reviews, version: v1, ports: [{name: http, port: 9080}]}}
  reviews-v2: {command: weft echo, x-weft: {service: reviews, version: v2, ports: [{name: http, port: 9080}]}}
  db: {command: weft echo, x-weft: {ports: [{name: tcp, port: 5432}]}}
  ingress: {x-weft: {gateway: true, labels: {istio: ingressgateway}}}
"""

RULES = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route: [{destination: {host: reviews, subset: v1}}]
    retries: {attempts: 2, perTryTimeout: 2s, retryOn: "connect-failure,5xx"}
    timeout: 5s
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec:
  selector: {istio: ingressgateway}
  servers: [{hosts: ["*"], port: {name: http, number: 18080, protocol: HTTP}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front}
spec: {hosts: ["*"], gateways: [front], http: [{route: [{destination: {host: reviews}}]}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
"""


def _minor(path: str) -> str:
    """The folder that is called after a version, for the test's name."""
    return next((part for part in Path(path).parts if part[:1].isdigit()), "installed")


@pytest.mark.parametrize("envoy", ENVOYS, ids=_minor)
def test_the_mesh_runs_on_this_envoy(envoy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Routing, mTLS, TCP, a gateway and a flip under load work, and nothing is refused."""
    monkeypatch.setenv("WEFT_ENVOY", envoy)
    said = subprocess.run([envoy, "--version"], capture_output=True, text=True, check=True).stdout
    with running_mesh(tmp_path, MESH) as mesh:
        mesh.apply(RULES)
        mesh.until(lambda: mesh.call("http://reviews:9080/").echo["version"] == "v1")
        answer = mesh.call("http://reviews:9080/", headers={"end-user": "jason"}).echo
        assert (answer["version"], answer["peer"]) == ("v2", "spiffe://cluster.local/ns/default/sa/client")
        gateway = mesh.until(lambda: mesh.instances()["ingress-0"]["gatewayPorts"])
        mesh.until(lambda: mesh.call("http://any/", proxy=f"127.0.0.1:{gateway['18080']}").status == 200)
        assert _through_upstream(mesh) == "db"
        with steady(mesh.proxy(), "reviews:9080") as load:
            mesh.apply(RULES.replace("subset: v1}}]", "subset: v2}}]", 1))
            mesh.until(lambda: mesh.call("http://reviews:9080/").echo["version"] == "v2")
        load.assert_whole()
        proxies = mesh.weft("proxies", "-o", "json").out
        assert '"rejections": []' in proxies
        assert mesh.weft("version", "-o", "json").out.count(said.split("/")[2]) >= 1


def _through_upstream(mesh: RunningMesh) -> str:
    """The service that answers at the local port of the TCP upstream."""
    done = mesh.weft("exec", "client", "--", "sh", "-c", "curl -s http://$DB_ADDR/ || python3 -c 'print(1)'")
    return "db" if '"service":"db"' in done.out else done.out
