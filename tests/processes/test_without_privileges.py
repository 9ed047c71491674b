"""A mesh needs no root: no capability, no privileged port, no folder that only root could enter."""

import os
import shutil
from pathlib import Path

import pytest

from processes.mesh import RunningMesh, running_mesh
from weft.supervisor.config import WEFT

MESH = """
services:
  client: {command: sleep 100000}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  ingress: {x-weft: {gateway: true, labels: {istio: ingressgateway}}}
"""
GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec:
  selector: {istio: ingressgateway}
  servers: [{hosts: ["*"], port: {name: http, number: 80, protocol: HTTP}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front}
spec: {hosts: ["*"], gateways: [front], http: [{route: [{destination: {host: reviews}}]}]}
"""
DROPPED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
"""Root without a capability has the permissions of an ordinary user, but for the files that are root's own."""


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is not installed")
def test_a_mesh_runs_without_privileges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls pass, certificates are made, and a gateway that may not bind port 80 takes another, and says which."""
    if os.geteuid() == 0:
        monkeypatch.setattr("processes.mesh.WEFT", (*DROPPED, *WEFT))
    with running_mesh(tmp_path, MESH) as mesh:
        assert mesh.call("http://reviews:9080/").echo["peer"] == "spiffe://cluster.local/ns/default/sa/client"
        mesh.apply(GATEWAY)
        bound = mesh.until(lambda: mesh.instances()["ingress-0"]["gatewayPorts"].get("80"))
        assert int(bound) != 80 or _may_bind_80()
        mesh.until(lambda: mesh.call("http://any/", proxy=f"127.0.0.1:{bound}").status == 200)
        _is_private(mesh)


def _may_bind_80() -> bool:
    return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80


def _is_private(mesh: RunningMesh) -> None:
    """Keys are readable by their owner alone."""
    keys = list((mesh.folder / ".weft").rglob("*.key"))
    assert keys
    assert [path for path in keys if path.stat().st_mode & 0o077] == []
