"""A story on real Envoys: each caller's own, told exactly what its golden says, but for the addresses.

Endpoints and listeners of a story have addresses that nobody serves; here they are moved to free ports of loopback.
"""

import contextlib
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from ads import Ads, Stream
from authority import Authority, authority
from backends import Backends
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from stage import free_port
from story import Story

from weft.compile.snapshot import ProxySnapshot
from weft.envoy.binary import binary, command
from weft.envoy.bootstrap import bootstrap
from weft.envoy.names import HTTP_PROXY_ROUTES
from weft.envoy.types import EnvoyResource
from weft.model.endpoint import Endpoint
from weft.model.mesh import Mesh
from weft.model.mtls import mtls_mode
from weft.model.security import MtlsMode
from weft.model.workload import Proxy
from weft.simulate.call import HttpCall, TcpCall


@dataclass(frozen=True)
class Got:
    """What came back: `endpoint` is who answered, empty for Envoy. Status 0: the connection was closed."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    seconds: float = 0.0

    @property
    def endpoint(self) -> str:
        """The endpoint that answered; empty when none did."""
        with contextlib.suppress(ValueError, AttributeError):
            said = json.loads(self.text)
            return str(said["instance"]) if said.get("service") == "story" else ""
        return ""


_IN_BOOTSTRAP = len(bootstrap(node_id="", cluster="", admin_socket="", xds_socket="")["static_resources"]["clusters"])


def is_warm(stream: Stream, admin: str) -> bool:
    """Whether all clusters that the Envoy with this admin socket is told unasked are active."""
    with stream.lock:
        wanted = len(stream._clusters()) + _IN_BOOTSTRAP
    with contextlib.closing(_Admin(admin)) as asked:
        asked.request("GET", "/stats?filter=^cluster_manager.active_clusters$")
        return int(asked.getresponse().read().decode().strip().rpartition(" ")[2] or 0) >= wanted


@dataclass
class _Moved:
    """A snapshot whose addresses are those of this machine."""

    held: ProxySnapshot
    listen: dict[int, int]
    ports: dict[str, int]
    folder: Path

    def __getattr__(self, name: str) -> Any:
        return getattr(self.held, name)

    def listeners(self) -> tuple[EnvoyResource, ...]:
        return tuple(self._listener(one) for one in self.held.listeners())

    def _listener(self, of: EnvoyResource) -> EnvoyResource:
        message = Listener.FromString(of.body)
        if not message.HasField("address"):
            return of
        at = message.address.socket_address
        at.address, at.port_value = "127.0.0.1", self.listen[0 if of.name == HTTP_PROXY_ROUTES else at.port_value]
        return _with_body(of, message.SerializeToString(deterministic=True))

    def endpoints(self, name: str) -> EnvoyResource | None:
        found = self.held.endpoints(name)
        if found is None:
            return None
        message = ClusterLoadAssignment.FromString(found.body)
        for locality in message.endpoints:
            for one in locality.lb_endpoints:
                if path := one.endpoint.address.pipe.path:
                    one.endpoint.address.pipe.path = str(self.folder / path.rpartition("/")[2])
                    continue
                at = one.endpoint.address.socket_address
                host = f"[{at.address}]" if ":" in at.address else at.address
                if port := self.ports.get(f"{host}:{at.port_value}"):
                    at.address, at.port_value = "127.0.0.1", port
        return _with_body(found, message.SerializeToString(deterministic=True))


def _with_body(of: EnvoyResource, body: bytes) -> EnvoyResource:
    return replace(of, body=body, version=blake2b(body, digest_size=8).hexdigest())


class _Admin(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


@dataclass
class Replay:
    """One story being played."""

    story: Story
    folder: Path
    authority: Authority
    backends: Backends
    listen: dict[str, dict[int, int]] = field(default_factory=dict)
    ads: Ads | None = None
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self) -> None:
        """Servers and Envoys; returns when all listen."""
        story = self.story
        self.folder.mkdir(parents=True, exist_ok=True)
        mesh = story.mesh
        endpoints = [
            replace(one, mtls=one.mtls and _mode(mesh, one) is not MtlsMode.DISABLE)
            for found in mesh.endpoints.values()
            for one in found
        ]
        said = story.said
        odd = {name: kind for kind in ("proxy protocol", "tunnel") for name in said.get(f"{kind} endpoints", ())}
        ports = self.backends.start(
            endpoints,
            said.get("tls endpoints", ()),
            said.get("outside", ()),
            mesh.settings.trust_domain,
            self.folder,
            odd,
        )
        self.closing.callback(self.backends.stop)
        for name in story.proxies:
            found = [Listener.FromString(one.body) for one in story.snapshot(name).listeners()]
            numbers = {0 if one.name == HTTP_PROXY_ROUTES else one.address.socket_address.port_value for one in found}
            self.listen[name] = {number: free_port() for number in numbers}
        self.ads = Ads(
            story.mesh,
            story.proxies,
            self._secrets,
            shown=lambda held, node: _Moved(held, self.listen[node], ports, self.folder),
        )
        server = self.ads.serve(str(self.folder / "xds.sock"))
        self.closing.callback(server.stop, None)
        self._write_certificates()
        processes = [self._run(name, n) for n, name in enumerate(story.proxies)]
        for n, (name, process) in enumerate(zip(story.proxies, processes, strict=True)):
            self._await(name, n, process)

    def _secrets(self, of: Proxy) -> dict[str, bytes]:
        work = of.workload
        domain = self.story.mesh.settings.trust_domain
        return self.authority.secrets(f"spiffe://{domain}/ns/{work.namespace}/sa/{work.service_account}")

    def _write_certificates(self) -> None:
        """The files that a story names: `certificates/NAME.pem` and `.key`, and `certificates/ca.pem`."""
        (self.folder / "certificates").mkdir()
        for name, host in {"caller": "caller.example.com", **self.story.said.get("certificates", {})}.items():
            chain, key = self.authority.leaf(host)
            (self.folder / "certificates" / f"{name}.pem").write_bytes(chain)
            (self.folder / "certificates" / f"{name}.key").write_bytes(key)
        (self.folder / "certificates" / "ca.pem").write_bytes(self.authority.pem)
        (self.folder / "certificates" / "ca.crl").write_bytes(self.authority.revocations())

    def _run(self, name: str, n: int) -> "subprocess.Popen[bytes]":
        file = self.folder / f"{n}.json"
        made = bootstrap(node_id=name, cluster=name, admin_socket=f"{self.folder}/{n}.sock", xds_socket=f"{self.folder}/xds.sock")
        file.write_text(json.dumps(made))
        log = file.with_suffix(".log").open("wb")
        process = subprocess.Popen(command(binary(), str(file)), stderr=log, stdout=log, cwd=self.folder)
        log.close()
        self.closing.callback(process.wait)
        self.closing.callback(process.kill)
        return process

    def _await(self, name: str, n: int, process: "subprocess.Popen[bytes]") -> None:
        assert self.ads
        deadline = time.monotonic() + 20
        waiting = list(self.listen[name].values())
        while waiting:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", waiting[-1])).close()
                waiting.pop()
                continue
            rejected = self.ads.streams[name].rejected if name in self.ads.streams else []
            assert process.poll() is None and not rejected and time.monotonic() < deadline, (name, rejected, self.log())
            time.sleep(0.01)
        while not self._warm(name, n):
            assert time.monotonic() < deadline, (name, "its clusters do not come", self.log())
            time.sleep(0.01)

    def _warm(self, name: str, n: int) -> bool:
        assert self.ads
        stream = self.ads.streams.get(name)
        return stream is not None and is_warm(stream, f"{self.folder}/{n}.sock")

    def log(self) -> str:
        """What the Envoys said."""
        return "\n".join(file.read_text()[-2000:] for file in sorted(self.folder.glob("*.log")))

    def rejections(self) -> list[str]:
        """Everything that any Envoy refused."""
        assert self.ads
        return [said for stream in self.ads.streams.values() for said in stream.rejected]

    def requests(self, caller: str, call: HttpCall, times: int) -> Iterator[Got]:
        """The answers to a request that is sent so many times."""
        try:
            connection = self._connection(caller, call)
        except OSError as problem:
            yield Got(0, text=str(problem))
            return
        try:
            for _ in range(times):
                yield _exchange(connection, call)
        finally:
            connection.close()

    def _connection(self, caller: str, call: HttpCall) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self.listen[caller].get(call.port, 1), timeout=15)
        if call.sni:
            connection.connect()
            connection.sock = self._wrapped(connection.sock, call)
        return connection

    def connection(self, caller: str, call: TcpCall) -> Got:
        """What a connection is answered after one line."""
        try:
            with socket.create_connection(("127.0.0.1", self.listen[caller].get(call.port, 1)), timeout=10) as one:
                return _tunnelled(one, call) if call.port == 0 else _line(self._wrapped(one, call))
        except OSError as problem:
            return Got(0, text=str(problem))

    def _wrapped(self, one: socket.socket, call: HttpCall | TcpCall) -> socket.socket:
        if not call.sni:
            return one
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if call.certificate:
            context.load_cert_chain(self.folder / "certificates/caller.pem", self.folder / "certificates/caller.key")
        return context.wrap_socket(one, server_hostname=call.sni)


def _exchange(connection: HTTPConnection, call: HttpCall) -> Got:
    begun = time.monotonic()
    target = call.path if call.port else f"http://{call.authority}{call.path}"
    try:
        connection.putrequest(call.method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("host", call.authority)
        for name, value in call.headers:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    except (OSError, HTTPException) as problem:
        return Got(0, text=str(problem))
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        name = name.lower()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return Got(response.status, headers, text, time.monotonic() - begun)


def _tunnelled(one: socket.socket, call: TcpCall) -> Got:
    one.sendall(f"CONNECT {call.authority} HTTP/1.1\r\nhost: {call.authority}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = one.recv(1)
        if not data:
            return Got(0)
        head += data
    status = int(head.split()[1])
    if status != 200:
        return Got(status, text=one.recv(65536).decode(errors="replace"))
    return _line(one)


def _line(one: socket.socket) -> Got:
    one.sendall(b"hello\n")
    said = one.recv(65536)
    return Got(200, text=said.decode(errors="replace")) if said else Got(0, text="closed")


def _mode(mesh: Mesh, of: Endpoint) -> MtlsMode:
    return mtls_mode(mesh, of.namespace, of.labels, *(of.numbers or (of.port,)))


@contextlib.contextmanager
def replayed(story: Story, folder: Path, root: Authority, backends: Backends) -> Iterator[Replay]:
    """The story, playing."""
    made = Replay(story, folder, root, backends)
    try:
        made.start()
        yield made
    finally:
        made.closing.close()


__all__ = ["Got", "Replay", "authority", "replayed"]
