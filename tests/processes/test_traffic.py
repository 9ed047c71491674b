"""Traffic of each kind from an application through its sidecar, mutual TLS and the sidecar of another, and through a gateway."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from itertools import repeat

import grpc
import pytest
import websocket

from processes.calls import PROGRAMS, PYTHON, needs, run, to_proxy
from processes.mesh import RunningMesh, running_mesh

MESH = f"""
services:
  client:
    command: sleep 100000
    x-weft: {{upstreams: [{{host: kinds, port: 80}}, {{host: words, port: 50051}}, {{host: mail, port: 2525}}]}}
  kinds: {{command: {PYTHON} {PROGRAMS}/serve_kinds.py, x-weft: {{ports: [{{name: http, port: 80}}]}}}}
  words: {{command: {PYTHON} {PROGRAMS}/serve_grpc.py, x-weft: {{ports: [{{name: grpc, port: 50051}}]}}}}
  browsed: {{command: {PYTHON} {PROGRAMS}/serve_grpc.py, x-weft: {{ports: [{{name: grpc-web, port: 50052}}]}}}}
  chat: {{command: weft echo, x-weft: {{ports: [{{name: ws, port: 80, appProtocol: kubernetes.io/ws}}]}}}}
  mail: {{command: {PYTHON} {PROGRAMS}/greet.py, x-weft: {{ports: [{{name: smtp, port: 2525}}]}}}}
  edge: {{x-weft: {{gateway: true, namespace: istio-system, labels: {{istio: ingressgateway}}}}}}
"""
RULES = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 18881, name: http, protocol: HTTP}, hosts: ["*"]}
  - {port: {number: 18882, name: tcp, protocol: TCP}, hosts: ["*"]}
  - {port: {number: 18883, name: grpc, protocol: GRPC}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
  - {match: [{port: 18883}], route: [{destination: {host: words, port: {number: 50051}}}]}
  - {match: [{uri: {prefix: /chat}}], route: [{destination: {host: chat, port: {number: 80}}}]}
  - {route: [{destination: {host: kinds, port: {number: 80}}}]}
  tcp: [{match: [{port: 18882}], route: [{destination: {host: mail, port: {number: 2525}}}]}]
"""
EXTRA = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %s}
spec: {hosts: [%s], http: [{name: %s, route: [{destination: {host: %s}}]}]}
"""
MB = 1_000_000


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file, in which only mutual TLS is taken."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        running.apply(RULES)
        yield running


def call(mesh: RunningMesh, method: str, path: str, **words: object) -> tuple[HTTPResponse, bytes]:
    """A request to `kinds` through the client's sidecar, and its answer."""
    connection = HTTPConnection(mesh.proxy(), timeout=30)
    with closing(connection):
        connection.request(method, f"http://kinds{path}", **words)  # type: ignore[arg-type]
        response = connection.getresponse()
        return response, response.read()


def address(mesh: RunningMesh, variable: str) -> str:
    """Where an upstream of the client is."""
    return run(mesh, "sh", "-c", f"echo ${variable}").out.strip()


# HTTP


def test_answers_without_a_body(mesh: RunningMesh) -> None:
    """HEAD keeps the length of what it does not send; 204 and 304 end with their headers."""
    assert call(mesh, "GET", "/")[0].status == 200
    head, body = call(mesh, "HEAD", "/")
    assert (head.status, head.headers["content-length"], body) == (200, "12", b"")
    assert [call(mesh, "GET", f"/status/{status}")[1] for status in (204, 304)] == [b"", b""]
    assert call(mesh, "GET", "/status/304")[0].headers["etag"] == '"a"'


def test_trailers(mesh: RunningMesh) -> None:
    """The trailers of a chunked request and of a chunked answer arrive, once the host is known."""
    assert call(mesh, "GET", "/")[0].status == 200
    with to_proxy(mesh) as connection:
        head = "POST http://kinds/trailers HTTP/1.1\r\nHost: kinds\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n"
        connection.sendall(f"{head}Trailer: x-mine\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\nx-mine: 7\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert '"x-mine": "7"' in answer
    assert answer.rstrip().endswith("x-sum: 42")


def test_100_continue_is_for_the_application_to_say(mesh: RunningMesh) -> None:
    """The one who is asked gives leave to send the body, or refuses before it came."""
    head = "POST http://kinds/{} HTTP/1.1\r\nHost: kinds\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with to_proxy(mesh) as connection:
        connection.sendall(head.format("upload").encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"hello")
        with closing(HTTPResponse(connection, method="POST")) as response:
            response.begin()
            assert b'"bytes": 5' in response.read()
    with to_proxy(mesh) as connection:
        connection.sendall(head.format("refuse").encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 417")


@needs("curl")
def test_http2_in_the_clear(mesh: RunningMesh) -> None:
    """HTTP/2 with prior knowledge is spoken with an upstream; an offer to upgrade to it is passed over, as it may be."""
    at = f"http://{address(mesh, 'KINDS_ADDR')}/"
    said = run(mesh, "curl", "-sS", "--http2-prior-knowledge", "-w", "\n%{http_version}", at).out.splitlines()
    assert (json.loads(said[0])["version"], said[1]) == ("1.1", "2")
    assert run(mesh, "curl", "-sS", "--http2", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", at).out == "200 1.1"


def test_events_come_as_they_are_sent(mesh: RunningMesh) -> None:
    """Each server-sent event arrives within 100 ms; a stream lives longer than any default timeout of a route (15 s)."""
    connection = HTTPConnection(mesh.proxy(), timeout=30)
    with closing(connection):
        connection.request("GET", "http://kinds/events?n=18&pause=1", headers={"accept": "text/event-stream"})
        response, late = connection.getresponse(), []
        while line := response.readline():
            if line.startswith(b"data: "):
                late.append(time.time() - float(line.removeprefix(b"data: ")))
    assert len(late) == 18
    assert max(late) < 0.1, late


def peak(mesh: RunningMesh) -> dict[str, int]:
    """The most memory that the Envoys on the way ever had, in bytes."""
    found = {}
    for name in ("client-0", "kinds-0"):
        with open(f"/proc/{mesh.envoy(name).pid}/status") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        found[name] = int(line.split()[1]) * 1024
    return found


def test_large_bodies_stream(mesh: RunningMesh) -> None:
    """100 MB pass each way, and no Envoy on the way ever holds more than a part of them."""
    call(mesh, "GET", "/")
    before = peak(mesh)
    piece = bytes(MB)
    _, said = call(mesh, "POST", "/upload", body=repeat(piece, 100), headers={"content-length": str(100 * MB)})
    assert json.loads(said)["bytes"] == 100 * MB
    assert sum(map(len, _slowly(mesh, 100 * MB))) == 100 * MB
    grown = {name: most - before[name] for name, most in peak(mesh).items()}
    print(f"grown by {grown}")
    assert max(grown.values()) < 25 * MB


def _slowly(mesh: RunningMesh, length: int) -> Iterator[bytes]:
    """A download whose client pauses, so that what was sent must wait somewhere."""
    connection = HTTPConnection(mesh.proxy(), timeout=30)
    with closing(connection):
        connection.request("GET", f"http://kinds/download?bytes={length}")
        response = connection.getresponse()
        time.sleep(3)
        while piece := response.read(4 * MB):
            yield piece


# WebSocket


def chat(at: str) -> websocket.WebSocket:
    """A WebSocket to `chat` by the proxy at host:port."""
    host, _, port = at.rpartition(":")
    opened = websocket.create_connection(
        "ws://chat/chat", timeout=10, sockopt=(), http_proxy_host=host, http_proxy_port=port, proxy_type="http"
    )
    opened.recv()
    return opened


def test_websocket(mesh: RunningMesh) -> None:
    """Text, large binary messages and pings pass both ways; nothing cuts a connection on which nobody speaks for a while."""
    with closing(chat(mesh.proxy())) as opened:
        opened.send("text")
        assert opened.recv() == "text"
        for size in (0, 1, 126, 70_000, 3 * MB):
            opened.send_binary(bytes(size))
            assert opened.recv() == bytes(size)
        opened.ping("are you there")
        assert opened.recv_data_frame(control_frame=True)[1].data == b"are you there"
        time.sleep(17)
        opened.send("still here")
        assert opened.recv() == "still here"


# gRPC


def test_grpc_in_all_four_forms(mesh: RunningMesh) -> None:
    """By its name through a tunnel, and at the address of an upstream."""
    for target in ("words:50051", address(mesh, "WORDS_ADDR")):
        out = run(mesh, PYTHON, str(PROGRAMS / "call_grpc.py"), target).out
        assert out.splitlines() == ["ONE", "a b c", "a+b", "X Y"]


def test_grpc_web(mesh: RunningMesh) -> None:
    """What a browser's client sends over HTTP/1.1 reaches a server of gRPC, whose trailers come back in the body."""
    headers = {"content-type": "application/grpc-web+proto", "host": "browsed:50052", "x-grpc-web": "1"}
    with closing(HTTPConnection(mesh.proxy(), timeout=10)) as connection:
        connection.request("POST", "http://browsed:50052/test.Words/Upper", b"\0" + (3).to_bytes(4) + b"one", headers)
        response = connection.getresponse()
        body = response.read()
    assert (response.status, body[:8]) == (200, b"\0" + (3).to_bytes(4) + b"ONE")
    assert body[8] == 0x80
    assert b"grpc-status:0" in body.replace(b" ", b"")


def test_a_long_grpc_stream_survives_what_others_change(mesh: RunningMesh) -> None:
    """Other services and their rules come and go; a stream that is open goes on, and so does one whose own rules change."""
    with grpc.insecure_channel(address(mesh, "WORDS_ADDR"), options=[("grpc.enable_http_proxy", 0)]) as channel:
        pending: list[bytes] = []

        def words() -> Iterator[bytes]:
            for number in range(40):
                pending.append(b"w%d" % number)
                yield pending[-1]
                time.sleep(0.1)

        heard = []
        for number, word in enumerate(channel.stream_stream("/test.Words/Each")(words(), timeout=60)):
            heard.append(word)
            if number in (5, 10, 15):
                name = "kinds" if number < 15 else "words"
                mesh.apply(EXTRA % (name, name, f"n{number}", name))
    assert heard == [word.upper() for word in pending]
    assert len(heard) == 40


# TCP


def talk(connection: socket.socket) -> list[bytes]:
    """A conversation in which the server speaks first."""
    with connection.makefile("rwb") as lines:
        greeting = lines.readline()
        lines.write(b"HELO me\r\n")
        lines.flush()
        return [greeting.strip(), lines.readline().strip()]


SPOKEN = [b"220 mail.example.com ESMTP", b"250 HELO me"]


def test_a_server_that_speaks_first(mesh: RunningMesh) -> None:
    """It is heard at once, at an upstream and through a tunnel, and no byte reaches it before it has spoken."""
    host, _, port = address(mesh, "MAIL_ADDR").rpartition(":")
    began = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        assert talk(connection) == SPOKEN
    assert time.monotonic() - began < 0.9, "somebody waited for the client to speak"
    with to_proxy(mesh) as connection:
        connection.sendall(b"CONNECT mail:2525 HTTP/1.1\r\nHost: mail:2525\r\n\r\n")
        assert connection.recv(len(b"HTTP/1.1 200 OK\r\n")).split()[1] == b"200"
        answer = b""
        while not answer.endswith(SPOKEN[0] + b"\r\n"):
            answer += connection.recv(1000)
        connection.sendall(b"HELO me\r\n")
        assert connection.recv(1000).strip() == SPOKEN[1]
    assert "too early" not in mesh.log("app/default/mail-0")


# A gateway


def bound(mesh: RunningMesh, port: int) -> str:
    """Where the gateway took a port, once it listens there."""

    def listens() -> str:
        edge = next(each for each in mesh.instances().values() if each["service"] == "edge")
        at = edge["gatewayPorts"].get(str(port), 0)
        with socket.create_connection(("127.0.0.1", at), timeout=1):
            return f"127.0.0.1:{at}"

    for _ in range(100):
        try:
            return listens()
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the gateway does not listen on {port}")


def test_through_a_gateway(mesh: RunningMesh) -> None:
    """HTTP, events, a WebSocket, gRPC in all four forms and TCP whose server speaks first."""
    http = bound(mesh, 18881)
    with closing(HTTPConnection(http, timeout=10)) as connection:
        connection.request("POST", "/upload", body=bytes(MB))
        assert json.loads(connection.getresponse().read())["bytes"] == MB
        connection.request("GET", "/events?n=2&pause=0.4")
        response = connection.getresponse()
        lines = [line for line in response if line.startswith(b"data: ")]
        assert len(lines) == 2
    opened = websocket.create_connection(f"ws://{http}/chat", timeout=10)
    with closing(opened):
        opened.recv()
        opened.send("hello")
        assert opened.recv() == "hello"
    no_proxy = ("env", "-u", "grpc_proxy", "-u", "http_proxy")
    said = run(mesh, *no_proxy, PYTHON, str(PROGRAMS / "call_grpc.py"), bound(mesh, 18883)).out
    assert said.splitlines() == ["ONE", "a b c", "a+b", "X Y"]
    host, _, port = bound(mesh, 18882).rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        assert talk(connection) == SPOKEN
