"""What travels through a mesh beside plain requests: upgrades, streams, large bodies, TCP, calls outside; names of services."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes.calls import PROGRAMS, PYTHON, folder_of_nobody, needs, outside, reached, run, self_signed, to_proxy
from processes.mesh import RunningMesh, running_mesh

MESH = f"""
services:
  client:
    command: sleep 100000
    x-weft:
      upstreams: [{{host: lines.data, port: 6000}}, {{host: redis.data, port: 6379}}, {{host: postgres, port: 5432}}]
  reviews: {{command: weft echo, x-weft: {{ports: [{{name: http, port: 9080}}, {{name: http-admin, port: 80}}]}}}}
  other: {{command: weft echo, x-weft: {{namespace: prod, ports: [{{name: http, port: 9080}}]}}}}
  big: {{command: weft echo, x-weft: {{ports: [{{name: http, port: 80}}]}}}}
  bigger: {{command: weft echo, x-weft: {{ports: [{{name: http, port: 80}}]}}}}
  stream: {{command: {PYTHON} {PROGRAMS}/serve_stream.py, x-weft: {{ports: [{{name: http, port: 80}}]}}}}
  lines: {{command: weft echo, x-weft: {{namespace: data, ports: [{{name: tcp, port: 6000}}]}}}}
"""
REDIS = """
  redis: {command: redis-server --bind $HOST --port $PORT --save '', x-weft: {namespace: data, ports: [{name: tcp, port: 6379}]}}
"""
POSTGRES = "  postgres: {{command: {user} sh {folder}/start.sh, x-weft: {{ports: [{{name: tcp, port: 5432}}]}}}}\n"
START_POSTGRES = """
cd {folder} && chmod 700 . && PATH=$PATH:$(echo /usr/lib/postgresql/*/bin | tr " " :)
initdb -D data -A trust -U app --no-sync >/dev/null
exec postgres -D data -h $HOST -p $PORT -k '' -c fsync=off
"""
STRICT = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
"""
HAS_POSTGRES = bool(shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb")))
"""Debian's is not on the PATH."""
URLLIB = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file, in which only mutual TLS is taken."""
    text = MESH + (REDIS if shutil.which("redis-server") else "")
    with folder_of_nobody() as (folder, user):
        if HAS_POSTGRES:
            (folder / "start.sh").write_text(START_POSTGRES.format(folder=folder))
            text += POSTGRES.format(user=user, folder=folder)
        with running_mesh(tmp_path_factory.mktemp("mesh"), text) as running:
            running.apply(STRICT)
            yield running


# Protocols


def test_websocket(mesh: RunningMesh) -> None:
    """A WebSocket is opened by an upgrade and carries messages both ways."""
    pytest.importorskip("websocket")
    code = "import websocket as w; s = w.create_connection('ws://reviews:9080/chat', timeout=5); print(s.recv()); s.send('hi'); "
    first, second = run(mesh, PYTHON, "-c", code + "print(s.recv())").out.splitlines()
    assert json.loads(first)["path"] == "/chat"
    assert second == "hi"


def test_http_1_0(mesh: RunningMesh) -> None:
    """A client of HTTP/1.0 is served, with and without a Host, and the connection ends after the answer."""
    for head in (
        "GET http://reviews:9080/old HTTP/1.0\r\n\r\n",
        "GET http://reviews:9080/old HTTP/1.0\r\nHost: reviews:9080\r\n\r\n",
    ):
        with to_proxy(mesh) as connection:
            connection.sendall(head.encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        assert answer.split(maxsplit=2)[1] == "200"
        assert json.loads(answer.partition("\r\n\r\n")[2])["path"] == "/old"


@needs("curl")
@pytest.mark.parametrize(("host", "option"), [("big", "expect: 100-continue"), ("bigger", "transfer-encoding: chunked")])
def test_the_first_request_may_have_a_large_body(mesh: RunningMesh, host: str, option: str) -> None:
    """10 MB arrive whole with the first request to a service, whose routes are looked up while they come."""
    (mesh.folder / "body").write_bytes(bytes(10_000_000))
    done = run(mesh, "curl", "-sS", "-H", option, "--data-binary", f"@{mesh.folder}/body", f"http://{host}/upload")
    reached(done, host)
    assert json.loads(done.out)["body_length"] == 10_000_000


def test_a_streamed_answer_is_passed_on_as_it_comes(mesh: RunningMesh) -> None:
    """The pieces of a chunked answer arrive when they are sent, not all at the end."""
    mesh.call("http://stream/", timeout=10)
    began, times, received = time.monotonic(), [], b""
    with to_proxy(mesh) as connection:
        connection.sendall(b"GET http://stream/ HTTP/1.1\r\nHost: stream\r\nConnection: close\r\n\r\n")
        while piece := connection.recv(65536):
            received += piece
            times += [time.monotonic() - began] * (b"\none\n" in piece) + [time.monotonic() - began] * (b"\ntwo\n" in piece)
    assert b"chunked" in received.lower()
    assert len(times) == 2
    assert times[0] < 0.25 < times[1]


# TCP


def test_tcp_by_an_upstream_and_by_connect(mesh: RunningMesh) -> None:
    """A TCP service is reached at the address of an upstream, and through CONNECT."""
    code = "import os, socket; h, p = os.environ['LINES_ADDR'].split(':'); s = socket.create_connection((h, int(p))); "
    code += "s.sendall(b'hello\\n'); print(s.makefile().readline())"
    assert json.loads(run(mesh, PYTHON, "-c", code).out)["received"] == "hello"
    with to_proxy(mesh) as connection:
        connection.sendall(b"CONNECT lines.data:6000 HTTP/1.1\r\nHost: lines.data:6000\r\n\r\n")
        assert connection.recv(65536).split()[1] == b"200"
        connection.sendall(b"through a tunnel\n")
        assert json.loads(connection.recv(65536))["received"] == "through a tunnel"


@needs("redis-server", "redis-cli")
def test_redis(mesh: RunningMesh) -> None:
    """A real Redis behind one sidecar is used by a real client behind another."""
    run(mesh, "sh", "-c", "redis-cli -u redis://$REDIS_ADDR set greeting hello")
    assert run(mesh, "sh", "-c", "redis-cli -u redis://$REDIS_ADDR get greeting").out.strip() == "hello"


@pytest.mark.skipif(not HAS_POSTGRES, reason="PostgreSQL is not installed")
@needs("psql")
def test_postgresql(mesh: RunningMesh) -> None:
    """A real PostgreSQL is used by a real client."""
    out = run(mesh, "sh", "-c", "psql -At postgres://app@$POSTGRES_ADDR/postgres -c 'select 6 * 7'").out
    assert out.strip() == "42"


# Outside


def test_an_outside_host_is_reached(mesh: RunningMesh, tmp_path: Path) -> None:
    """Hosts that are not of the mesh are passed on, by address and by name."""
    with outside(tmp_path) as port:
        answers = [run(mesh, PYTHON, "-c", URLLIB, f"http://127.0.0.2:{port}/").out.rstrip()]
        answers.append(mesh.call(f"http://outside.localhost:{port}/").body)
    for answer, host in zip(answers, ("127.0.0.2", "outside.localhost"), strict=True):
        headers = json.loads(answer.splitlines()[-1])
        assert headers["host"] == f"{host}:{port}"
        assert "x-request-id" in headers


@needs("curl")
def test_no_proxy_names_this_machine(mesh: RunningMesh, tmp_path: Path) -> None:
    """What listens on this machine's loopback is called past the sidecar, as the variable no_proxy says."""
    with outside(tmp_path) as port:
        assert "x-request-id" not in run(mesh, "curl", "-s", f"http://127.0.0.1:{port}/").out


@needs("curl")
def test_tls_to_an_outside_host(mesh: RunningMesh, tmp_path: Path) -> None:
    """The TLS of a client to a server outside passes untouched: the client sees the server's own certificate."""
    certificate, key = self_signed("outside.localhost", tmp_path)
    with outside(tmp_path, certificate, key) as port:
        address = f"outside.localhost:{port}"
        options = ("-s", "--noproxy", "", "--cacert", str(certificate))
        assert run(mesh, "curl", *options, f"https://{address}/").out.startswith("one\ntwo\n")


# Names


@pytest.mark.parametrize(
    "name",
    [
        "reviews:9080",
        "reviews",
        "REVIEWS:9080",
        "reviews.default",
        "reviews.default:9080",
        "reviews.default.svc",
        "reviews.default.svc:9080",
        "reviews.default.svc.cluster.local",
        "reviews.default.svc.cluster.local:9080",
        "reviews.default.svc.cluster.local.:9080",
    ],
)
def test_spellings_of_a_service(mesh: RunningMesh, name: str) -> None:
    """A service is reached under each of its names, with its port and without."""
    answer = mesh.call(f"http://{name}/")
    assert answer.status == 200
    assert answer.echo["service"] == "reviews"


@pytest.mark.parametrize("name", ["other.prod", "other.prod:9080", "other.prod.svc", "other.prod.svc.cluster.local:9080"])
def test_spellings_of_a_service_of_another_namespace(mesh: RunningMesh, name: str) -> None:
    """A service of another namespace is reached by names that hold the namespace."""
    assert mesh.call(f"http://{name}/").echo["namespace"] == "prod"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("revews:9080", ["reviews.default.svc.cluster.local"]),
        ("other:9080", ["other.prod.svc.cluster.local"]),
        ("reviews.prod.svc.cluster.local:9080", ["reviews.default.svc.cluster.local"]),
        ("reviews:1234", ["no port 1234", "9080 (http)", "80 (http-admin)"]),
    ],
)
def test_what_is_unknown_is_answered_with_what_is_close(mesh: RunningMesh, name: str, words: list[str]) -> None:
    """A single label or a name of the cluster domain that nobody has is a 404 at once, which says what was meant."""
    answer = mesh.call(f"http://{name}/")
    assert answer.status == 404
    assert all(word in answer.body for word in words), answer.body
    assert answer.seconds < 1


def test_an_unknown_host_in_a_tunnel_is_a_404(mesh: RunningMesh) -> None:
    """CONNECT to an unknown host is refused with the same words."""
    with to_proxy(mesh) as connection:
        connection.sendall(b"CONNECT revews:9080 HTTP/1.1\r\nHost: revews:9080\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert answer.split()[1] == "404"
    assert "reviews.default.svc.cluster.local" in answer
