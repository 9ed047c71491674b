"""One node in a test: a control plane, a supervisor and the agent, with a real Envoy beside a small application."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509

from weft.agent import http1
from weft.agent.config import AgentConfig
from weft.agent.config import ControlPlane as Addresses
from weft.agent.main import run
from weft.testing.tiny_snapshot import TinyService

from .control_plane import NODE, ControlPlane, now
from .supervisor import Supervisor

WEB = "default/web-0"


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def eventually(check: Callable[[], Awaitable[Any] | Any], timeout: float = 10.0, every: float = 0.05) -> float:
    """Seconds until `check` is true. Raises AssertionError when it is not in time."""
    began = time.monotonic()
    while time.monotonic() - began < timeout:
        found = check()
        if found if not isinstance(found, Awaitable) else await found:
            return time.monotonic() - began
        await asyncio.sleep(every)
    raise AssertionError(f"not true within {timeout} s")


class Node:
    """The parts. `call` asks through the sidecar, as its application would."""

    def __init__(self, root: Path, life: timedelta) -> None:
        self.root = root
        self.home = root / "home"
        self.run_folder = Path(tempfile.mkdtemp(prefix="weft-t-"))
        self.control_plane = ControlPlane(root / "ca", life)
        self.supervisor = Supervisor(self.run_folder, self.home / "logs")
        self.agent: asyncio.Task[None] | None = None
        self.answering: dict[int, asyncio.Server] = {}
        self.proxy_port = 0
        self.inbound_port = 0

    def config(self) -> AgentConfig:
        """The agent's settings."""
        trust, token = self.root / "root.pem", self.root / "token"
        trust.write_bytes(self.control_plane.authority().bundle)
        if not token.exists():
            token.write_text(self.control_plane.tokens.create(NODE, now()))
        xds, enroll = self.control_plane.ports
        return AgentConfig(
            node=NODE,
            home=str(self.home),
            run=str(self.run_folder),
            supervisor=str(self.supervisor.path),
            control_plane=Addresses(xds=f"127.0.0.1:{xds}", enroll=f"127.0.0.1:{enroll}"),
            trust=str(trust),
            token_file=str(token),
        )

    def start_agent(self) -> None:
        """The agent begins."""
        self.agent = asyncio.create_task(run(self.config()))

    async def spawn_agent(self) -> None:
        """The agent begins, as a process of its own."""
        path = self.root / "agent.json"
        path.write_bytes(msgspec.json.encode(self.config()))
        code = f"import asyncio, logging; from pathlib import Path; from weft.agent import config, main; \
logging.basicConfig(level='INFO'); asyncio.run(main.run(config.read(Path({str(path)!r}))))"
        log = self.home / "logs" / "agent.log"
        await self.supervisor.processes.spawn("agent", [sys.executable, "-c", code], env=os.environ, cwd=self.root, log=log)

    def signal_all(self, number: signal.Signals) -> None:
        """Sends a signal to the agent's process and all Envoys."""
        for process in self.supervisor.processes.all():
            self.supervisor.processes.signal(process.name, number)

    async def stop_agent(self) -> None:
        """The agent is gone; its Envoys stay."""
        if self.agent:
            self.agent.cancel()
            with suppress(asyncio.CancelledError):
                await self.agent
            self.agent = None

    async def application(self, text: str) -> int:
        """A server that answers everything with `text`; its port."""

        async def page(_: str) -> http1.Answer:
            return http1.Answer(200, text.encode(), "text/plain")

        server = await asyncio.start_server(lambda r, w: http1.serve(r, w, page), "127.0.0.1", 0)
        port = int(server.sockets[0].getsockname()[1])
        self.answering[port] = server
        return port

    async def service(self, name: str) -> None:
        """A service of the mesh with one endpoint that answers with its name."""
        self.control_plane.publish(TinyService(name, {"": (await self.application(name),)}))

    def sidecar(self, **more: Any) -> None:
        """The instance `web-0`, whose application is this test."""
        self.proxy_port = self.proxy_port or free_port()
        self.control_plane.listen[WEB] = self.proxy_port
        proxy = {"host": "127.0.0.1", "port": self.proxy_port}
        self.supervisor.put({
            "name": "web-0", "namespace": "default", "service": "web", "service_account": "web", "labels": {"app": "web"},
            "http_proxy": proxy, "inbound": [], "upstreams": [], "health": {"type": "none"}, "state": "run", "pid": 1, **more,
        })  # fmt: skip

    def envoy_pid(self) -> int:
        """The pid of the sidecar's Envoy."""
        process = self.supervisor.processes.running(f"envoy/{WEB}")
        return process.pid if process else 0

    def kill_envoy(self) -> None:
        """kill -9."""
        os.kill(self.envoy_pid(), signal.SIGKILL)

    def serve_mtls(self, port: int = 0) -> None:
        """The sidecar of the instance also listens for the mesh."""
        self.inbound_port = port or free_port()
        self.control_plane.inbound[WEB] = self.inbound_port

    async def shown(self) -> x509.Certificate:
        """The certificate the sidecar shows now. (The handshake fails afterwards, since we show none.)"""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["istio"])
        _, writer = await asyncio.open_connection("127.0.0.1", self.inbound_port, ssl=context)
        found = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
        return x509.load_der_x509_certificate(found)

    async def call(self, host: str, timeout: float = 5.0) -> tuple[int, str]:
        """Status and body of a GET to `host` through the sidecar."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy_port)
        writer.write(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        try:
            answer = (await asyncio.wait_for(reader.read(), timeout)).decode()
        finally:
            writer.close()
        head, _, body = answer.partition("\r\n\r\n")
        return int(head.split()[1]), body.strip()

    async def answers(self, host: str, text: str) -> bool:
        """Whether `host` is answered with 200 and `text`."""
        try:
            status, body = await self.call(host)
        except (OSError, IndexError, ValueError):
            return False
        return status == 200 and text in body


@asynccontextmanager
async def node(root: Path, life: timedelta = timedelta(hours=1)) -> AsyncIterator[Node]:
    """A node with everything running, and a sidecar that is ready."""
    made = Node(root, life)
    await made.control_plane.start()
    holding = asyncio.create_task(made.supervisor.run())
    try:
        yield made
    finally:
        await made.stop_agent()
        holding.cancel()
        with suppress(asyncio.CancelledError):
            await holding
        await made.control_plane.stop()
        for server in made.answering.values():
            server.close()
        shutil.rmtree(made.run_folder, ignore_errors=True)
