"""The control plane of the push benchmark: store, reconciler, API and ADS server as in `weft serve`, in a process of its own.

Only the proxies are not registered by agents: their values stand in place of the registry's. Streams are not encrypted,
neither here nor at the peer.
"""

import argparse
import asyncio
import cProfile
import io
import logging
import pstats
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc

from benchmarks import push_mesh
from benchmarks.child import serve
from weft import __version__
from weft.ca.api_authority import api_identity
from weft.controlplane import collector
from weft.controlplane.admission import Judge
from weft.controlplane.api import kubeconfig
from weft.controlplane.api.application import application, version
from weft.controlplane.api.serve import ApiServer, Tls
from weft.controlplane.main import timestamp
from weft.controlplane.reconcile import Reconciler
from weft.controlplane.status import StatusWriter
from weft.model.mesh import Change, Settings
from weft.store.sqlite import SqliteStore
from weft.store.store import Put
from weft.xds.server import SERVER_OPTIONS, AdsServer
from weft.xds.snapshots import Snapshot
from weft.xds.status import Sync


class PushControlPlane:
    """All of it. Times are of CLOCK_MONOTONIC, which processes share; CPU in seconds."""

    def __init__(self, home: Path, services: int, clients: int) -> None:
        self._home = home
        self._services = services
        self._proxies = push_mesh.proxies(clients)
        self._store = SqliteStore(home / "mesh.db")
        self._reconciler = Reconciler(self._store, Settings(), self._proxies.get, self._publish)
        self._ads = AdsServer(self._snapshot_of, lambda proxy, peer: True, self._reconciler.snapshot)
        self._profile: cProfile.Profile | None = None
        self._started: dict[str, Any] = {}

    async def run(self) -> None:
        """Until standard input ends."""
        await self._store.open()
        bodies = [push_mesh.namespace(), *push_mesh.resources(self._services)]
        await self._store.write([Put(push_mesh.key(body), body) for body in bodies])
        before = time.process_time()
        await self._reconciler.load()
        collector.settle()
        load = time.process_time() - before
        server = grpc.aio.server(options=SERVER_OPTIONS)
        self._ads.add_to(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        api = self._api()
        self._started = {"address": f"127.0.0.1:{port}", "load": load, "kubeconfig": str(self._home / "kubeconfig")}
        parts = (self._reconciler.run(), self._ads.run(), api.run(), StatusWriter(self._store, self._reconciler, timestamp).run())
        tasks = [asyncio.create_task(part) for part in parts]
        operations = (self.started, self.write, self.usage, self.last_ack, self.synced, self.profile, self.profiled)
        await serve({operation.__name__: operation for operation in operations})
        for task in tasks:
            task.cancel()

    def _api(self) -> ApiServer:
        identity = api_identity(self._home / "api", datetime.now(UTC))
        app = application(self._store, admit=Judge(self._reconciler).admit, version=version(__version__))
        server = ApiServer(app, "127.0.0.1", 0, Tls(identity.server.path, identity.server.path, identity.authority_path))
        host, port = server.listen()
        document = kubeconfig.kubeconfig(
            name="benchmark",
            server=f"https://{host}:{port}",
            authority=identity.authority,
            certificate=identity.admin.chain,
            key=identity.admin.key,
        )
        kubeconfig.write(self._home / "kubeconfig", document)
        return server

    def _publish(self, change: Change) -> None:
        self._ads.publish(change)

    async def _snapshot_of(self, proxy: str) -> Snapshot | None:
        return self._reconciler.snapshot(proxy)

    # Operations

    async def started(self) -> dict[str, Any]:
        """Where it listens, and the CPU that reading the whole mesh took."""
        return self._started

    async def write(self, objects: list[dict[str, Any]]) -> float:
        """Writes, and says when the store's write returned. What stands there keeps nothing of its own."""
        await self._store.write([Put(push_mesh.key(body), body) for body in objects])
        return time.monotonic()

    async def usage(self) -> dict[str, float]:
        """CPU so far, and responses sent so far."""
        return {"cpu": time.process_time(), "pushes": self._ads.pushes}

    async def last_ack(self) -> float:
        """When the last acknowledgement of any proxy came."""
        found = (each.last_ack for proxy in self._ads.proxies() for each in proxy.session.types.values())
        return max((at for at in found if at is not None), default=0.0)

    async def synced(self, clients: int, types: int) -> float:
        """When `clients` proxies had asked `types` types and held all they should. Looks every 20 ms, at those missing."""
        missing = [push_mesh.proxy_name(client) for client in range(clients)]
        while True:
            missing = [name for name in missing if not self._is_synced(name, types)]
            if not missing:
                return time.monotonic()
            await asyncio.sleep(0.02)

    def _is_synced(self, proxy: str, types: int) -> bool:
        status = self._ads.status(proxy)
        return status is not None and len(status.session.types) == types and status.session.sync is Sync.SYNCED

    async def profile(self) -> None:
        """Begins to profile."""
        self._profile = cProfile.Profile()
        self._profile.enable()

    async def profiled(self, path: str, count: int) -> None:
        """Ends profiling and writes what took longest."""
        assert self._profile
        self._profile.disable()
        text = io.StringIO()
        statistics = pstats.Stats(self._profile, stream=text)
        statistics.sort_stats("tottime").print_stats(count)
        statistics.sort_stats("cumulative").print_stats(count)
        Path(path).write_text(text.getvalue())


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--services", type=int, required=True)
    parser.add_argument("--clients", type=int, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="weft-push-") as folder:
        asyncio.run(PushControlPlane(Path(folder), options.services, options.clients).run())


if __name__ == "__main__":
    main()
