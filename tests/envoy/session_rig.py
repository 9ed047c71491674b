"""A real Envoy whose control plane is the session of a tiny mesh, both in this process's reach, on a Unix socket.

The upstreams are listeners of the same Envoy, fixed in its bootstrap, that answer with their name.
"""

import asyncio
import json
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from weft.envoy.binary import binary, command
from weft.envoy.bootstrap import bootstrap
from weft.model.mesh import Change
from weft.testing.tiny_snapshot import TinyService, TinySnapshot
from weft.xds.rejection import Rejection
from weft.xds.server import PROXY_METADATA, SERVER_OPTIONS, AdsServer
from weft.xds.session import DEFAULT_SETTINGS, SessionSettings

PROXY = "default/web-0"


def free_port() -> int:
    """A port nobody has at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Rig:
    """One Envoy, one control plane. `v1` and `v2` are ports that answer with that name."""

    folder: Path
    settings: SessionSettings = DEFAULT_SETTINGS
    mesh: Any = field(default_factory=lambda: TinySnapshot(port=free_port()))
    v1: int = field(default_factory=free_port)
    v2: int = field(default_factory=free_port)
    rejections: list[Rejection] = field(default_factory=list)
    ads: AdsServer = field(init=False)
    _server: grpc.aio.Server | None = None
    _ticking: asyncio.Task[None] | None = None

    def service(self, name: str, **more: Any) -> TinyService:
        """A service with two versions."""
        return TinyService(name, {"": (self.v1,), "v1": (self.v1,), "v2": (self.v2,)}, **more)

    async def serve(self) -> None:
        """Starts the control plane, as one that knows nothing of an earlier one."""

        async def snapshot_of(proxy: str) -> TinySnapshot:
            return self.mesh

        self.ads = AdsServer(
            snapshot_of,
            lambda proxy, peer: proxy == PROXY,
            lambda proxy: self.mesh,
            settings=self.settings,
            on_rejection=self.rejections.append,
        )
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        self.ads.add_to(self._server)
        self._server.add_insecure_port(f"unix:{self.folder}/xds.sock")
        await self._server.start()
        self._ticking = asyncio.create_task(self.ads.run())

    async def down(self) -> None:
        """Takes the control plane away."""
        assert self._server and self._ticking
        self._ticking.cancel()
        await self._server.stop(0)
        with suppress(FileNotFoundError):
            (self.folder / "xds.sock").unlink()

    def apply(self, *services: TinyService) -> None:
        """These services are new or changed."""
        for service in services:
            self.mesh = self.mesh.with_service(service)
        self.ads.publish(Change(hosts=frozenset(service.host for service in services)))

    def configuration(self) -> dict[str, Any]:
        """The bootstrap."""
        made = bootstrap(
            node_id=PROXY, cluster="web", admin_socket=f"{self.folder}/admin.sock", xds_socket=f"{self.folder}/xds.sock"
        )
        service = made["dynamic_resources"]["ads_config"]["grpc_services"][0]
        service["initial_metadata"] = [{"key": PROXY_METADATA, "value": PROXY}]
        made["static_resources"]["listeners"] = [_upstream("v1", self.v1), _upstream("v2", self.v2)]
        return made

    async def get(self, host: str, *, timeout: float = 5.0) -> tuple[int, str, float]:
        """Status, body and seconds of one call through the sidecar."""
        start = time.perf_counter()
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.mesh.port)
            writer.write(f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next((line for line in head.lower().splitlines() if line.startswith("content-length:")), "content-length: 0")
            body = (await reader.readexactly(int(length.partition(":")[2]))).decode()
            writer.close()
        return int(head.split()[1]), body, time.perf_counter() - start

    async def admin(self, path: str) -> str:
        """What Envoy's admin interface says."""
        reader, writer = await asyncio.open_unix_connection(f"{self.folder}/admin.sock")
        writer.write(f"GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer.decode().partition("\r\n\r\n")[2]

    async def counter(self, name: str) -> int:
        """One of Envoy's statistics; 0 while it does not exist."""
        lines = (await self.admin(f"/stats?filter=^{name}$")).splitlines()
        found = [line for line in lines if line.startswith(f"{name}: ")]
        return int(found[0].rpartition(" ")[2]) if found else 0

    async def until(self, host: str, body: str, timeout: float = 10.0) -> None:
        """Returns when calls to `host` are answered with `body`."""
        async with asyncio.timeout(timeout):
            while (await self.get(host))[1] != body:
                await asyncio.sleep(0.02)


def _upstream(name: str, port: int) -> dict[str, Any]:
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": name}}}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [answer]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


@asynccontextmanager
async def rig(folder: Path, settings: SessionSettings = DEFAULT_SETTINGS) -> AsyncIterator[Rig]:
    """A rig whose Envoy listens."""
    made = Rig(folder, settings)
    await made.serve()
    (folder / "bootstrap.json").write_text(json.dumps(made.configuration()))
    with (folder / "envoy.log").open("wb") as log:
        line = command(binary(), f"{folder}/bootstrap.json")
        envoy = subprocess.Popen(line, stdout=log, stderr=log)
        try:
            await _listening(made, envoy)
            yield made
        finally:
            envoy.terminate()
            envoy.wait(10)
            await made.down()


async def _listening(made: Rig, envoy: "subprocess.Popen[bytes]") -> None:
    async with asyncio.timeout(30):
        while envoy.poll() is None:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", made.mesh.port)
                writer.close()
                return
            await asyncio.sleep(0.05)
    raise AssertionError((made.folder / "envoy.log").read_text()[-2000:])
