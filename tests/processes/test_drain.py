"""Instances that are replaced or stopped while requests and streams are open: none is cut before the time to drain."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection

import grpc
import h2.config
import h2.connection
import pytest
import websocket

from processes.calls import PROGRAMS, PYTHON, run
from processes.mesh import RunningMesh, running_mesh
from processes.test_traffic import bound, chat

TIME_TO_DRAIN = 9
GOAWAY = 7
MESH = f"""
services:
  client: {{command: sleep 100000, x-weft: {{upstreams: [{{host: words, port: 50051}}]}}}}
  kinds:
    command: {PYTHON} {PROGRAMS}/serve_kinds.py
    stop_grace_period: {TIME_TO_DRAIN}s
    x-weft: {{ports: [{{name: http, port: 80}}]}}
  chat: {{command: weft echo, stop_grace_period: {TIME_TO_DRAIN}s, x-weft: {{ports: [{{name: http, port: 80}}]}}}}
  words:
    command: {PYTHON} {PROGRAMS}/serve_grpc.py
    stop_grace_period: {TIME_TO_DRAIN}s
    x-weft: {{ports: [{{name: grpc, port: 50051}}]}}
  edge:
    stop_grace_period: {TIME_TO_DRAIN}s
    x-weft: {{gateway: true, namespace: istio-system, labels: {{istio: ingressgateway}}}}
"""
RULES = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 18891, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec: {hosts: ["*"], gateways: [edge], http: [{route: [{destination: {host: kinds}}]}]}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        running.apply(RULES)
        yield running


class Background:
    """Something that runs while a test goes on, and its result."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._result: list[object] = []
        self._thread = threading.Thread(target=lambda: self._result.append(self._tried(work)))
        self._thread.start()

    @staticmethod
    def _tried(work: Callable[[], object]) -> object:
        try:
            return work()
        except Exception as error:
            return error

    def result(self) -> object:
        """What came of it."""
        self._thread.join(40)
        return self._result[0]


def slow(at: str, url: str) -> object:
    """A request that takes most of the time to drain."""
    with closing(HTTPConnection(at, timeout=30)) as connection:
        connection.request("GET", url, headers={"host": "kinds"})
        response = connection.getresponse()
        return response.status, response.read()


def test_a_rolling_restart_cuts_nothing_that_is_in_flight(mesh: RunningMesh) -> None:
    """A request of seven seconds is answered, a WebSocket and a gRPC stream go on, and steady load sees no failure."""
    proxy = mesh.proxy()
    opened = chat(proxy)
    words = run(mesh, "sh", "-c", "echo $WORDS_ADDR").out.strip()
    spoken: list[bytes] = []

    def one_by_one() -> Iterator[bytes]:
        for number in range(28):
            yield b"w%d" % number
            time.sleep(0.25)

    with grpc.insecure_channel(words, options=[("grpc.enable_http_proxy", 0)]) as channel, mesh.steady("kinds") as load:
        stream = Background(lambda: spoken.extend(channel.stream_stream("/test.Words/Each")(one_by_one(), timeout=60)))
        request = Background(lambda: slow(proxy, "http://kinds/slow?seconds=7"))
        time.sleep(0.7)
        restarts = [Background(lambda name=name: mesh.weft("restart", name)) for name in ("kinds", "chat", "words")]  # type: ignore[misc]
        for _ in range(5):
            time.sleep(1)
            opened.send("here")
            assert opened.recv() == "here"
        assert request.result() == (200, b"kinds-0")
        assert stream.result() is None, stream.result()
        opened.close()
        for each in restarts:
            each.result()
    assert len(spoken) == 28
    assert {name for name in mesh.instances() if name[:-2] in ("kinds", "chat", "words")} == {"kinds-1", "chat-1", "words-1"}
    load.assert_whole()


def test_a_stream_ends_with_the_time_to_drain(mesh: RunningMesh) -> None:
    """Who keeps a WebSocket open is waited for no longer than that."""
    opened = chat(mesh.proxy())
    began = time.monotonic()
    mesh.weft("restart", "chat")
    assert TIME_TO_DRAIN <= time.monotonic() - began < TIME_TO_DRAIN + 8
    with pytest.raises((OSError, websocket.WebSocketException)):
        for _ in range(2):
            opened.send("here")
            opened.recv()


def test_callers_are_told_to_come_no_more(mesh: RunningMesh) -> None:
    """While it drains a sidecar says «connection: close» in HTTP/1.1 and GOAWAY in HTTP/2, to callers whom nobody else tells."""
    instance = next(each for each in mesh.instances().values() if each["service"] == "kinds")
    at = f"127.0.0.1:{instance['ports'][0]['sidecar']}"
    held = Background(lambda: slow(at, "/slow?seconds=5"))
    with closing(HTTPConnection(at, timeout=10)) as old, closing(Http2(at)) as new:
        old.request("GET", "/")
        old.getresponse().read()
        assert GOAWAY not in new.get()[1]
        restart = Background(lambda: mesh.weft("restart", "kinds"))
        mesh.until(lambda: mesh.instances().get(instance["name"], {}).get("state") == "draining")
        time.sleep(1)
        old.request("GET", "/")
        response = old.getresponse()
        assert (response.status, response.headers["connection"]) == (200, "close")
        assert GOAWAY in new.get()[1]
    assert held.result() == (200, instance["name"].encode())
    restart.result()


class Http2:
    """A client of HTTP/2 with prior knowledge that keeps count of frames: h2 itself takes none after a GOAWAY."""

    def __init__(self, at: str) -> None:
        host, _, port = at.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=8)
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._connection.initiate_connection()
        self._rest = b""

    def get(self) -> tuple[int, set[int]]:
        """The stream of a GET, and the types of the frames that came until it ended."""
        number = self._connection.get_next_available_stream_id()
        fields = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "kinds")]
        self._connection.send_headers(number, fields, end_stream=True)
        self._socket.sendall(self._connection.data_to_send())
        types: set[int] = set()
        while True:
            kind, flags, stream = self._frame()
            types.add(kind)
            if stream == number and flags & 1:
                return number, types

    def close(self) -> None:
        """Ends it."""
        self._socket.close()

    def _frame(self) -> tuple[int, int, int]:
        head = self._read(9)
        self._read(int.from_bytes(head[:3]))
        return head[3], head[4], int.from_bytes(head[5:])

    def _read(self, length: int) -> bytes:
        while len(self._rest) < length:
            piece = self._socket.recv(65536)
            assert piece, "the connection was closed"
            self._rest += piece
        found, self._rest = self._rest[:length], self._rest[length:]
        return found


def test_a_gateway_finishes_what_it_has_begun(mesh: RunningMesh) -> None:
    """A request through a gateway that is restarted is answered, and the next one goes to its successor."""
    at = bound(mesh, 18891)
    request = Background(lambda: slow(at, "/slow?seconds=5"))
    time.sleep(0.5)
    mesh.weft("restart", "edge")
    status, _ = request.result()  # type: ignore[misc]
    assert status == 200
    assert slow(bound(mesh, 18891), "/slow?seconds=0")[0] == 200  # type: ignore[index]
