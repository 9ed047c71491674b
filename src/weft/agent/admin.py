"""What the agent shows: its proxies and what each Envoy really holds, on a Unix socket; Prometheus' page on loopback.

    /healthz                               ok
    /proxies                               all proxies, with connection, certificate and health
    /proxies/<namespace>/<name>/<page>     that Envoy's own config_dump, clusters, stats, listeners or certs
    /metrics                               the numbers of the agent and its Envoys

Nothing here changes anything: Envoy's admin interface can stop it, and is not passed on but for these pages.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from weft.agent import http1, metrics
from weft.agent.http1 import Answer

PAGES: Mapping[str, str] = {
    "config_dump": "/config_dump?include_eds",
    "clusters": "/clusters?format=json",
    "stats": "/stats?format=json",
    "listeners": "/listeners?format=json",
    "certs": "/certs",
    "server_info": "/server_info",
}
"""What is passed on, and as which of Envoy's pages."""

_PROMETHEUS = "/stats/prometheus?usedonly"


class ProxyStatus(msgspec.Struct, frozen=True):
    """One proxy as the agent sees it. Times are Unix seconds; `listeners` maps a gateway's asked ports to those taken."""

    proxy: str
    service: str
    gateway: bool
    status: str
    connected: bool
    synced: bool
    certificate_not_after: float
    envoy_pid: int
    application_pid: int
    rejection: str
    listeners: dict[str, int]
    resources: dict[str, int]


class Admin:
    """Answers the pages. `proxies` lists them; `admin_socket` tells where a proxy's Envoy has its admin interface, None
    for a proxy that is not known; `own` the agent's own numbers."""

    def __init__(
        self,
        proxies: Callable[[], list[ProxyStatus]],
        admin_socket: Callable[[str], Path | None],
        own: Callable[[], list[tuple[str, str, str, float]]],
    ) -> None:
        self._proxies = proxies
        self._admin_socket = admin_socket
        self._own = own

    async def run(self, socket: Path, prometheus: str) -> None:
        """Serves until cancelled. `prometheus` is an address `host:port` for the metrics alone; empty: none."""
        await asyncio.to_thread(socket.unlink, missing_ok=True)
        servers = [await asyncio.start_unix_server(lambda r, w: http1.serve(r, w, self.page), str(socket))]
        if prometheus:
            host, _, port = prometheus.rpartition(":")
            servers.append(await asyncio.start_server(lambda r, w: http1.serve(r, w, self._public), host.strip("[]"), int(port)))
        try:
            await asyncio.gather(*(server.serve_forever() for server in servers))
        finally:
            for server in servers:
                server.close()

    async def _public(self, path: str) -> Answer:
        if urlsplit(path).path != "/metrics":
            return Answer(404, b"only /metrics is here\n", "text/plain")
        return await self._metrics()

    async def page(self, target: str) -> Answer:
        """The answer to a path of the Unix socket."""
        asked = urlsplit(target)
        match asked.path.strip("/").split("/"):
            case ["healthz"]:
                return Answer(200, b"ok\n", "text/plain")
            case ["metrics"]:
                return await self._metrics()
            case ["proxies"]:
                return Answer(200, msgspec.json.encode(self._proxies()))
            case ["proxies", namespace, name, page] if page in PAGES:
                return await self._envoy(f"{namespace}/{name}", page, parse_qs(asked.query))
        pages = ", ".join(PAGES)
        return Answer(404, f"there is no page {asked.path}; there are /proxies, and of each {pages}\n".encode(), "text/plain")

    async def _envoy(self, proxy: str, page: str, query: Mapping[str, list[str]]) -> Answer:
        socket = self._admin_socket(proxy)
        if socket is None:
            return Answer(404, f"no proxy {proxy} on this node\n".encode(), "text/plain")
        path = PAGES[page]
        if page == "stats" and query.get("format") == ["prometheus"]:
            path = _PROMETHEUS
        try:
            return await http1.get(socket, path)
        except OSError as error:
            return Answer(502, f"the Envoy of {proxy} does not answer: {error}\n".encode(), "text/plain")

    async def _metrics(self) -> Answer:
        names = [status.proxy for status in self._proxies()]
        pages = await asyncio.gather(*(self._prometheus(name) for name in names))
        found = {name: page for name, page in zip(names, pages, strict=True) if page}
        return Answer(200, (metrics.own(self._own()) + metrics.merged(found)).encode(), metrics.CONTENT_TYPE)

    async def _prometheus(self, proxy: str) -> str:
        socket = self._admin_socket(proxy)
        if socket is None:
            return ""
        try:
            answer = await http1.get(socket, _PROMETHEUS, timeout=2.0)
        except OSError:
            return ""
        return answer.body.decode() if answer.status == 200 else ""
