"""A stage for replays: applications, real Envoys beside them, and the mesh between, all on loopback."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ads import Ads
from authority import Authority, authority

from weft.envoy.binary import binary, command
from weft.envoy.bootstrap import bootstrap
from weft.model.endpoint import Endpoint
from weft.model.labels import labels
from weft.model.mesh import Mesh
from weft.model.service import Protocol, Service, ServicePort
from weft.model.workload import Address, InboundPort, Proxy, Upstream, Workload
from weft.ref import Ref


def free_port() -> int:
    """A port nobody has at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        server: Any = self.server
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        server.requests.append(self.path)
        if self.headers.get("upgrade") == "websocket":
            self.send_response(101)
            self.send_header("upgrade", "websocket")
            self.send_header("connection", "Upgrade")
            self.end_headers()
            self.wfile.write(server.instance.encode() + b":" + self.rfile.read(4))
            self.close_connection = True
            return
        status = server.statuses.pop(0) if server.statuses else 200
        if self.path.startswith("/sleep/"):
            time.sleep(float(self.path.split("/")[2]))
        said = {
            "instance": server.instance,
            "path": self.path,
            "method": self.command,
            "host": self.headers.get("host"),
            "headers": {name.lower(): ",".join(self.headers.get_all(name, [])) for name in self.headers},
            "body": body.decode(),
        }
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _answer

    def log_message(self, *args: object) -> None:
        """Says nothing."""


class Application(ThreadingHTTPServer):
    """An HTTP/1.1 application that says what it was asked. `statuses` are answered first, one a request."""

    daemon_threads = True

    def __init__(self, instance: str) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.instance = instance
        self.requests: list[str] = []
        self.statuses: list[int] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


@dataclass
class TcpEcho:
    """Sends back every line, with the instance's name before it; `greeting` is said first, unasked."""

    instance: str
    greeting: bytes = b""
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def __post_init__(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listening.getsockname()[1])

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listening.accept()
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            if self.greeting:
                peer.sendall(self.greeting)
            while data := peer.recv(4096):
                peer.sendall(self.instance.encode() + b":" + data)


@dataclass
class Stage:
    """Everything that runs. Names of workloads are `namespace/name`."""

    folder: Path
    mesh: Mesh = field(default_factory=Mesh)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    authority: Authority = field(default_factory=authority)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    ads: Ads | None = None
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def secrets(self, of: Proxy) -> dict[str, bytes]:
        """The secrets of a workload."""
        work = of.workload
        return self.authority.secrets(f"spiffe://{self.mesh.settings.trust_domain}/ns/{work.namespace}/sa/{work.service_account}")

    def workload(self, name: str, app: int = 0, *, number: int = 9080, protocol: str = "http", **said: Any) -> Proxy:
        """A workload with a sidecar; `app` is the port of its application."""
        namespace, _, short = name.partition("/")
        account = said.pop("service_account", short)
        marks = labels(said.pop("labels", {}))
        inbound = (
            (InboundPort(protocol, number, protocol, Address("127.0.0.1", free_port()), Address("127.0.0.1", app)),)
            if app
            else ()
        )
        proxy = Proxy(
            Workload(namespace, short, account, marks), http_proxy=Address("127.0.0.1", free_port()), inbound=inbound, **said
        )
        self.proxies[name] = proxy
        return proxy

    def service(
        self,
        host: str,
        *of: Proxy,
        number: int = 9080,
        protocol: Protocol = Protocol.HTTP,
        more: tuple[Endpoint, ...] = (),
        **said: Any,
    ) -> None:
        """A service of one port, with workloads and other endpoints behind it."""
        name, namespace = host.split(".")[:2]
        port = ServicePort(number, protocol.value, protocol)
        service = Service(host, namespace, name, (port,), Ref("", "Service", namespace, name), **said)
        meshed = tuple(
            Endpoint(
                one.inbound[0].listen.host,
                one.inbound[0].listen.port,
                protocol.value,
                one.workload.key,
                one.workload.namespace,
                one.workload.service_account,
                one.workload.labels,
                mtls=True,
            )
            for one in of
        )
        self.mesh = replace(
            self.mesh,
            services={**self.mesh.services, host: (service,)},
            endpoints={**self.mesh.endpoints, host: meshed + more},
        )

    def start(self, *names: str) -> None:
        """Runs the Envoys of the named workloads, and returns when all their listeners are there."""
        if self.ads is None:
            self.ads = Ads(self.mesh, self.proxies, self.secrets)
            server = self.ads.serve(str(self.folder / "xds.sock"))
            self.closing.callback(server.stop, None)
        for name in names:
            self._run(name)
        for name in names:
            self._await(name)

    def _run(self, name: str) -> None:
        file = self.folder / f"{len(self.processes)}.json"
        config = bootstrap(
            node_id=name, cluster=name, admin_socket=str(file.with_suffix(".sock")), xds_socket=str(self.folder / "xds.sock")
        )
        file.write_text(json.dumps(config))
        log = file.with_suffix(".log").open("wb")
        self.closing.callback(log.close)
        process = subprocess.Popen(command(binary(), str(file)), stderr=log, stdout=log)
        self.processes[name] = process
        self.closing.callback(_end, process)

    def _await(self, name: str) -> None:
        assert self.ads is not None
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            assert self.processes[name].poll() is None, self.log(name)
            with contextlib.suppress(OSError, ValueError, KeyError):
                gauges = {
                    one.get("name"): one.get("value")
                    for one in self.admin(name, "/stats?format=json&filter=listener_manager")["stats"]
                }
                wanted = len(self.ads.streams[name].snapshot.listeners()) if name in self.ads.streams else -1
                if gauges["listener_manager.workers_started"] and gauges["listener_manager.total_listeners_active"] == wanted:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{name} has not all its listeners: {self.rejections()}\n{self.log(name)}")

    def log(self, name: str) -> str:
        """What the Envoy of a workload said."""
        return (self.folder / f"{list(self.processes).index(name)}.log").read_text()[-4000:]

    def admin(self, name: str, path: str) -> Any:
        """An answer of the admin interface, as JSON when it is JSON."""
        connection = _UnixConnection(str(self.folder / f"{list(self.processes).index(name)}.sock"))
        try:
            connection.request("GET", path)
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return json.loads(text) if text.startswith(("{", "[")) else text

    def rejections(self) -> list[str]:
        """Everything that any Envoy refused."""
        assert self.ads is not None
        return [f"{node}: {said}" for node, stream in self.ads.streams.items() for said in stream.rejected]

    def publish(self, mesh: Mesh) -> None:
        """The next mesh."""
        assert self.ads is not None
        self.mesh = mesh
        self.ads.publish(mesh)

    def eventually(self, holds: Callable[[], bool], within: float = 5) -> bool:
        """Whether `holds` comes true in time."""
        deadline = time.monotonic() + within
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def call(self, caller: str, url: str, **said: Any) -> "Answer":
        """A request of a workload through its sidecar's HTTP proxy."""
        to = self.proxies[caller].http_proxy
        assert to is not None
        return request(to, url, **said)

    def close(self) -> None:
        """Ends everything."""
        self.closing.close()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def said(self) -> Any:
        """What the application said."""
        return json.loads(self.text)


def request(
    to: Address, url: str, *, method: str = "GET", headers: dict[str, str] | None = None, body: str | None = None
) -> Answer:
    """A request for the absolute or relative `url`, sent to `to`."""
    connection = HTTPConnection(to.host, to.port, timeout=15)
    try:
        host = url.split("/")[2] if "://" in url else f"{to.host}:{to.port}"
        connection.request(method, url, body, {"host": host, **(headers or {})})
        return answer(connection.getresponse())
    finally:
        connection.close()


def answer(of: HTTPResponse) -> Answer:
    """A response, read whole."""
    return Answer(of.status, {name.lower(): value for name, value in of.getheaders()}, of.read().decode())


def tunnel(to: Address, authority: str) -> socket.socket:
    """An open CONNECT tunnel; AssertionError with the answer when it was refused."""
    one = socket.create_connection((to.host, to.port), timeout=15)
    one.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = one.recv(1)
        assert data, f"closed after {head!r}"
        head += data
    assert b" 200 " in head.split(b"\r\n")[0], head + one.recv(4096)
    return one


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """A stage whose sockets are in `folder`."""
    os.makedirs(folder, exist_ok=True)
    made = Stage(folder)
    try:
        yield made
    finally:
        made.close()


__all__ = ["Answer", "Application", "Stage", "TcpEcho", "Upstream", "free_port", "request", "stage", "tunnel"]
