"""One Envoy: its bootstrap on disk, its process under the supervisor, and whether it is live with its listeners.

The Envoy belongs to the supervisor and survives the agent; what is here only says how it is started and looks at it over
its admin interface, a Unix socket named after the proxy so that the next agent finds it again.
"""

import asyncio
import json
import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit
from typing import Any

import msgspec

from weft.agent import http1
from weft.agent.config import AgentConfig
from weft.agent.identity import write_private
from weft.agent.instance import Address, Instance
from weft.agent.proxy_settings import Settings
from weft.agent.supervisor_client import SupervisorClient
from weft.envoy.binary import Binary, command
from weft.envoy.bootstrap import bootstrap, most_connections
from weft.envoy.overload import default_heap

LOG = logging.getLogger(__name__)
_POLL = 0.03


def process_name(key: str) -> str:
    """The supervisor's name for the Envoy of a proxy."""
    return f"envoy/{key}"


def admin_socket(run: Path, key: str) -> Path:
    """Where the Envoy of `key` has its admin interface."""
    return run / f"e-{blake2b(key.encode(), digest_size=4).hexdigest()}.sock"


def identity_socket(run: Path, key: str) -> Path:
    """Where the Envoy of `key` shows its certificate."""
    return run / f"i-{blake2b(key.encode(), digest_size=4).hexdigest()}.sock"


class EnvoyProcess:
    """The Envoy of one instance."""

    def __init__(self, config: AgentConfig, binary: Binary, supervisor: SupervisorClient, instance: Instance) -> None:
        self._config = config
        self._binary = binary
        self._supervisor = supervisor
        self._instance = instance
        self._folder = config.directory / "envoy" / instance.key.replace("/", "_")
        self.name = process_name(instance.key)
        self.admin = admin_socket(Path(config.run), instance.key)
        self.identity = identity_socket(Path(config.run), instance.key)
        self.pid = 0
        self.settings: Settings | None = None  # that it was started with; None: it was not started yet

    async def start(self, settings: Settings = Settings()) -> None:
        """Starts it, or finds that it runs. Raises SupervisorError."""
        path = self._folder / "bootstrap.json"
        await asyncio.to_thread(write_private, path, json.dumps(self._bootstrap(), indent=1).encode())
        threads = self._config.concurrency if settings.concurrency is None else settings.concurrency
        argv = list(command(self._binary, str(path), concurrency=threads))
        log = str(Path(self._config.home) / "logs" / f"{self.name.replace('/', '.')}.log")
        self.pid = await self._supervisor.spawn(self.name, argv, env=settings.environment, cwd=str(self._folder), log=log)
        self.settings = settings

    def _bootstrap(self) -> dict[str, Any]:
        region, zone, sub_zone = (self._instance.locality.split("/") + ["", "", ""])[:3]
        return bootstrap(
            node_id=self._instance.key,
            cluster=self._instance.service or self._instance.name,
            admin_socket=str(self.admin),
            xds_socket=str(self._config.envoy_socket),
            metadata={"namespace": self._instance.namespace, "labels": self._instance.labels, "node": self._config.node},
            locality=(region, zone, sub_zone),
            connections=self._config.proxy_connections or most_connections(getrlimit(RLIMIT_NOFILE)[1]),
            heap=self._config.proxy_heap or default_heap(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
            edge=self._instance.gateway,
            identity_socket=str(self.identity),
        )

    async def stop(self, grace: float = 2.0) -> None:
        """Ends it."""
        await self._supervisor.kill(self.name, grace)

    async def forget(self) -> None:
        """Removes what was written for it."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        for socket in (self.admin, self.identity):
            await asyncio.to_thread(socket.unlink, missing_ok=True)

    async def live(self) -> None:
        """Waits until it is live and listens wherever its instance needs it to."""
        while not await self.is_live():  # noqa: ASYNC110 - another process, with nothing to wait on
            await asyncio.sleep(_POLL)

    async def is_live(self) -> bool:
        """Whether it is live, with its listeners."""
        try:
            ready = await http1.get(self.admin, "/ready", timeout=1.0)
            if ready.status != 200:
                return False
            answer = await http1.get(self.admin, "/listeners?format=json", timeout=1.0)
        except OSError:
            return False
        return wanted_listeners(self._instance) <= listening(answer.body)

    async def drain(self) -> None:
        """Tells its callers to come no more: GOAWAY, and «connection: close» with each answer. It goes on taking connections."""
        which = "graceful&skip_exit" if self._instance.gateway else "graceful&skip_exit&inboundonly"
        with suppress(OSError):
            await http1.get(self.admin, f"/drain_listeners?{which}", method="POST", timeout=1.0)

    async def active_requests(self) -> int:
        """How many requests and connections from outside are in flight (of a sidecar: to the application); 0 when it cannot be
        asked."""
        gateway = self._instance.gateway
        try:
            page = "/stats?format=json&filter=downstream_(rq|cx)_active" if gateway else "/clusters?format=json"
            answer = await http1.get(self.admin, page, timeout=1.0)
        except OSError:
            return 0
        return active_at_gateway(answer.body) if gateway else active(answer.body)


def wanted_listeners(instance: Instance) -> frozenset[Address]:
    """The addresses at which an instance's Envoy must listen before the application starts."""
    wanted = {port.listen for port in instance.inbound} | {upstream.listen for upstream in instance.upstreams}
    if instance.http_proxy:
        wanted.add(instance.http_proxy)
    return frozenset() if instance.gateway else frozenset(wanted)


def listening(body: bytes) -> frozenset[Address]:
    """The addresses in Envoy's answer to `/listeners?format=json`."""
    found: set[Address] = set()
    for status in msgspec.json.decode(body).get("listener_statuses", []):
        for address in (status.get("local_address", {}), *_additional(status)):
            if socket := address.get("socket_address"):
                found.add(Address(socket["address"], socket["port_value"]))
    return frozenset(found)


def _additional(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(status.get("additional_local_addresses", []))


def active_at_gateway(body: bytes) -> int:
    """Requests, and connections of TCP, in flight through a gateway, in Envoy's answer to `/stats?format=json`."""
    told = (each for each in msgspec.json.decode(body).get("stats", []) if "name" in each)
    counted = [(str(each["name"]), int(each["value"])) for each in told]
    requests = sum(n for name, n in counted if name.startswith("http.outbound_") and name.endswith(".downstream_rq_active"))
    return requests + sum(n for name, n in counted if name.startswith("tcp.") and name.endswith(".downstream_cx_active"))


def active(body: bytes) -> int:
    """Requests (for TCP: connections) in flight on the inbound clusters of Envoy's answer to `/clusters?format=json`."""
    total = 0
    for cluster in msgspec.json.decode(body).get("cluster_statuses", []):
        if not cluster["name"].startswith("inbound|"):
            continue
        for host in cluster.get("host_statuses", []):
            counts = {stat["name"]: int(stat.get("value", 0)) for stat in host.get("stats", [])}
            total += counts.get("rq_active", 0)
    return total
