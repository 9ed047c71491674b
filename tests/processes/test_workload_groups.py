"""Workloads that join a WorkloadGroup: its labels are theirs, its probe decides whether they get requests. How Envoys start."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from processes.calls import PYTHON
from processes.mesh import RunningMesh, running_mesh

APP = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        ready = self.headers.get("x-probe") == "vm" and not Path("sick").exists()
        self.send_response(200 if ready or self.path != "/ready" else 503)
        self.send_header("content-length", "0")
        self.end_headers()

ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Answer).serve_forever()
"""

MESH = f"""
x-weft: {{resources: [mesh.yaml]}}
services:
  client: {{command: sleep 100000}}
  vm:
    command: {PYTHON} app.py
    x-weft: {{workloadGroup: vms, ports: [{{name: http, port: 8080, protocol: http}}]}}
"""

GROUP = """
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {{name: vms, namespace: default}}
spec:
  metadata: {{labels: {{tier: back}}}}
  template: {{locality: eu/eu-1, weight: 7, labels: {{color: blue}}}}
  probe: {{{probe}, periodSeconds: 1, failureThreshold: 2}}
"""
READY = "httpGet: {port: 8080, path: /ready, httpHeaders: [{name: x-probe, value: vm}]}"

REST = """
---
apiVersion: v1
kind: Service
metadata: {name: backs, namespace: default}
spec: {selector: {tier: back, color: blue}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    folder = tmp_path_factory.mktemp("mesh")
    (folder / "app.py").write_text(APP)
    (folder / "mesh.yaml").write_text(GROUP.format(probe=READY) + REST)
    with running_mesh(folder, MESH) as running:
        yield running


def _entry(mesh: RunningMesh) -> dict[str, Any]:
    (entry,) = [
        one for one in json.loads(mesh.weft("get", "workloadentry", "-o", "json").out)["items"] if "vm" in one["metadata"]["name"]
    ]
    found: dict[str, Any] = entry
    return found


def _healthy(mesh: RunningMesh) -> str:
    return next((one["status"] for one in _entry(mesh)["status"]["conditions"] if one["type"] == "Healthy"), "")


def test_a_service_of_weft_yaml_joins_the_group_that_it_names(mesh: RunningMesh) -> None:
    """Its entry names the group; Services and policies select it by labels that only the group has."""
    mesh.until(lambda: mesh.call("http://backs/").status == 200)
    assert _entry(mesh)["metadata"]["annotations"]["istio.io/autoRegistrationGroup"] == "vms"
    assert _healthy(mesh) == "True"
    mesh.apply(
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: nobody, namespace: default}
        spec: {selector: {matchLabels: {tier: back}}, action: DENY, rules: [{to: [{operation: {paths: [/secret]}}]}]}
        """
    )
    mesh.until(lambda: mesh.call("http://vm:8080/secret").status == 403)
    mesh.apply(GROUP.format(probe=READY).replace("tier: back", "tier: front"))
    mesh.until(lambda: mesh.call("http://vm:8080/secret").status == 200)
    mesh.until(lambda: mesh.call("http://backs/").status == 503)
    mesh.apply(GROUP.format(probe=READY))
    mesh.until(lambda: mesh.call("http://backs/").status == 200)


def test_the_probe_of_the_group_decides_who_is_healthy(mesh: RunningMesh) -> None:
    """A workload that the probe finds ill gets no requests and says so in its entry, until it is well or is checked otherwise."""
    (mesh.folder / "sick").touch()
    mesh.until(lambda: mesh.call("http://vm:8080/").status == 503)
    assert _healthy(mesh) == "False"
    assert "status 503" in mesh.instances()["vm-0"]["reason"]
    (mesh.folder / "sick").unlink()
    mesh.until(lambda: mesh.call("http://vm:8080/").status == 200)
    (mesh.folder / "sick").touch()
    mesh.until(lambda: mesh.call("http://vm:8080/").status == 503)
    mesh.apply(GROUP.format(probe="exec: {command: [test, -e, app.py]}"))
    mesh.until(lambda: mesh.call("http://vm:8080/").status == 200)
    assert _healthy(mesh) == "True"


def test_an_envoy_is_started_as_its_proxy_config_says(mesh: RunningMesh) -> None:
    """One that runs goes on, with a finding, until it is restarted; then it has the threads and variables that were written."""
    mesh.apply(
        """
        apiVersion: networking.istio.io/v1beta1
        kind: ProxyConfig
        metadata: {name: vms, namespace: default}
        spec: {selector: {matchLabels: {tier: back}}, concurrency: 3, environmentVariables: {MALLOC_ARENA_MAX: "2"}}
        """
    )
    mesh.until(lambda: [one["code"] for one in mesh.instances()["vm-0"]["findings"]] == ["proxy-restart-needed"])
    assert not mesh.instances()["client-0"]["findings"]
    mesh.weft("restart", "vm")
    (name,) = [one for one in mesh.instances() if one.startswith("vm")]
    envoy = mesh.until(lambda: name in mesh.instances() and mesh.envoy(name))
    assert envoy.cmdline()[envoy.cmdline().index("--concurrency") + 1] == "3"
    assert envoy.environ() == {"MALLOC_ARENA_MAX": "2"}
    assert not mesh.instances()[name]["findings"]
