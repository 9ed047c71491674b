"""Unchanged clients in many languages call a service by its name, with nothing but the environment that weft gives a workload."""

import subprocess
import time
from collections.abc import Iterator

import pytest

from processes.calls import PROGRAMS, PYTHON, needs, reached, run
from processes.mesh import RunningMesh, running_mesh

MESH = f"""
services:
  client: {{command: sleep 100000, x-weft: {{upstreams: [{{host: reviews, port: 9080}}]}}}}
  reviews: {{command: weft echo, x-weft: {{ports: [{{name: http, port: 9080}}]}}}}
  words: {{command: {PYTHON} {PROGRAMS}/serve_grpc.py, x-weft: {{ports: [{{name: grpc, port: 50051}}]}}}}
"""
REVIEWS = "http://reviews:9080/"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


@needs("curl")
def test_curl(mesh: RunningMesh) -> None:
    """curl calls a service by its name, over HTTP/1.1, over a tunnel, and with HTTP/2 in the tunnel."""
    for options in ((), ("-p",), ("-p", "--http2-prior-knowledge")):
        reached(run(mesh, "curl", "-s", *options, REVIEWS))


PYTHON_CLIENTS = {
    "urllib": "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())",
    "httpx": "import sys, httpx; print(httpx.get(sys.argv[1]).text)",
    "requests": "import sys, requests; print(requests.get(sys.argv[1]).text)",
    "aiohttp": """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session, session.get(sys.argv[1]) as response:
        print(await response.text())
asyncio.run(main())""",
}


@pytest.mark.parametrize("library", PYTHON_CLIENTS)
def test_python(mesh: RunningMesh, library: str) -> None:
    """Python's clients call a service by its name."""
    pytest.importorskip(library)
    reached(run(mesh, PYTHON, "-c", PYTHON_CLIENTS[library], REVIEWS))


@needs("go")
def test_go(mesh: RunningMesh) -> None:
    """Go's net/http calls a service by its name."""
    program = str(mesh.folder / "call")
    subprocess.run(["go", "build", "-o", program, str(PROGRAMS / "call.go")], check=True, timeout=110, cwd=PROGRAMS)
    reached(run(mesh, program, REVIEWS))


@needs("ruby")
def test_ruby(mesh: RunningMesh) -> None:
    """Ruby's net/http calls a service by its name."""
    reached(run(mesh, "ruby", str(PROGRAMS / "call.rb"), REVIEWS))


@needs("java", "javac")
def test_java(mesh: RunningMesh) -> None:
    """Both clients of Java's own library call a service by its name."""
    subprocess.run(["javac", "-d", str(mesh.folder), str(PROGRAMS / "Call.java")], check=True, timeout=60)
    for client in ("HttpURLConnection", "HttpClient"):
        reached(run(mesh, "java", "-cp", str(mesh.folder), "Call", client, REVIEWS))


@needs("node")
def test_node(mesh: RunningMesh) -> None:
    """A Node that reads the proxy variables (24.5, or a 22 from 22.21 on) calls by name; every other one the address of an
    upstream."""
    call, program = str(PROGRAMS / "call.js"), "node"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip().lstrip("v")
    major, minor, *_ = (int(part) for part in version.split("."))
    for client in ("fetch", "http"):
        reached(run(mesh, "sh", "-c", f"{program} {call} {client} http://$REVIEWS_ADDR/"))
        if (major, minor) >= (24, 5) or (major == 22 and minor >= 21):
            reached(run(mesh, program, call, client, REVIEWS))


@needs("perl")
def test_perl(mesh: RunningMesh) -> None:
    """Perl's HTTP::Tiny calls a service by its name."""
    reached(run(mesh, "perl", "-MHTTP::Tiny", "-e", "print HTTP::Tiny->new->get($ARGV[0])->{content}", REVIEWS))


def test_grpc_in_all_four_forms(mesh: RunningMesh) -> None:
    """grpcio calls a server through the mesh with one message and with streams, in both directions."""
    for target in ("words:50051", "dns:///words.default.svc.cluster.local:50051"):
        out = run(mesh, PYTHON, str(PROGRAMS / "call_grpc.py"), target).out
        assert out.splitlines() == ["ONE", "a b c", "a+b", "X Y"]
    listener = mesh.weft("proxy", "config", "words", "clusters", "-o", "json").out
    assert "http2_protocol_options" in listener or "http2ProtocolOptions" in listener


def test_grpc_to_an_unknown_host_fails_at_once(mesh: RunningMesh) -> None:
    """A gRPC client is told that the host is unknown, and does not wait."""
    began = time.monotonic()
    told = run(mesh, PYTHON, str(PROGRAMS / "call_grpc.py"), "wrods:50051", code=1).err
    assert "UNAVAILABLE" in told
    assert "404" in told
    assert time.monotonic() - began < 5
