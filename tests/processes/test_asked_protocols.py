"""Ports that do not declare what they speak: the application is asked once; the answer is kept, shown and overruled."""

import json
from collections.abc import Iterator

import pytest

from processes.calls import CALLER, PROGRAMS, PYTHON, needs, run
from processes.mesh import AGENT, RunningMesh, running_mesh

MESH = f"""
services:
  client: {{command: sleep 100000, x-weft: {{upstreams: [{{host: mail, port: 2525}}]}}}}
  web: {{command: weft echo, x-weft: {{ports: [{{port: 9080}}, {{name: admin, port: 9081}}]}}}}
  words: {{command: {PYTHON} {PROGRAMS}/serve_grpc.py, x-weft: {{ports: [{{port: 50051}}]}}}}
  mail: {{command: {PYTHON} {PROGRAMS}/greet.py, x-weft: {{ports: [{{name: mail, port: 2525}}]}}}}
  cache: {{command: redis-server --bind $HOST --port $PORT --save '', x-weft: {{ports: [{{port: 6000}}]}}}}
"""
STRICT = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {app: web}, ports: [{name: front, port: 80, targetPort: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http: [{headers: {request: {set: {x-rule: held}}}, route: [{destination: {host: web, port: {number: 9080}}}]}]
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file, in which only mutual TLS is taken."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        running.apply(STRICT)
        yield running


def annotated(mesh: RunningMesh, service: str) -> dict[str, str]:
    """What is pinned to a Service."""
    meta = json.loads(mesh.weft("get", "service", service, "-o", "json").out)["metadata"]
    found = json.loads(meta.get("annotations", {}).get("mesh.weft.dev/asked-protocols", "{}"))
    assert isinstance(found, dict)
    return found


@needs("redis-server")
def test_what_is_not_declared_is_asked_and_shown(mesh: RunningMesh) -> None:
    """HTTP, gRPC, a server that speaks first and Redis are known, in the Services, in `weft ps` and in `weft proxies`."""
    expected = {"web": {"9080": "http", "9081": "http"}, "words": {"50051": "http2"}}
    expected |= {"mail": {"2525": "tcp"}, "cache": {"6000": "tcp"}}
    mesh.until(lambda: {name: annotated(mesh, name) for name in expected} == expected)
    assert mesh.until(lambda: annotated(mesh, "front")) == {"80": "http"}
    said = {name: {str(port["port"]): port["protocol"] for port in each["ports"]} for name, each in mesh.instances().items()}
    assert all(said[f"{name}-0"] == ports for name, ports in expected.items())
    assert "(http2, asked)" in mesh.weft("ps").out
    assert "50051 http2?" in mesh.weft("proxies").out
    assert "too early" not in mesh.log("app/default/mail-0")


def test_rules_about_requests_hold_at_a_port_that_was_asked(mesh: RunningMesh) -> None:
    """A header rule has its effect on the port, which only a proxy can do that reads requests, over mutual TLS."""
    answer = mesh.until(lambda: (found := mesh.call("http://web:9080/")).status == 200 and "x-rule" in found.body and found)
    assert answer.echo["peer"] == CALLER
    assert mesh.call("http://front/").echo["peer"] == CALLER


def test_a_server_that_speaks_first_is_reached(mesh: RunningMesh) -> None:
    """Its greeting arrives before the client says anything."""
    code = "import os, socket; h, p = os.environ['MAIL_ADDR'].split(':'); s = socket.create_connection((h, int(p)), 5); "
    code += "f = s.makefile('rw'); print(f.readline()); f.write('HELO a\\n'); f.flush(); print(f.readline())"
    assert run(mesh, PYTHON, "-c", code).out.split() == ["220", "mail.example.com", "ESMTP", "250", "HELO", "a"]


def test_nobody_is_asked_twice(mesh: RunningMesh) -> None:
    """A replica, a successor and another agent take the answer that is there; a declaration overrules it."""
    asked = mesh.log(AGENT).count("asked application")
    assert asked == 5
    mesh.weft("scale", "web=2")
    mesh.weft("restart", "words")
    mesh.kill(AGENT)
    mesh.until(lambda: mesh.log(AGENT).count("registered workloads") == 2)
    assert mesh.log(AGENT).count("asked application") == asked
    assert ports(mesh, "words") == {("http2", True)}
    mesh.up(MESH.replace("[{port: 9080}", "[{port: 9080, protocol: tcp}"))
    mesh.until(lambda: annotated(mesh, "web") == {"9081": "http"})
    assert ports(mesh, "web") == {("tcp", False), ("http", True)}


def ports(mesh: RunningMesh, service: str) -> set[tuple[str, bool]]:
    """What the instances of a service speak, and whether they were asked."""
    found = (each["ports"] for each in mesh.instances().values() if each["service"] == service)
    return {(port["protocol"], port["asked"]) for ports in found for port in ports}
