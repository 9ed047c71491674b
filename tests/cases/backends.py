"""The endpoints of stories: real servers that say who they are and remember what they were asked."""

import asyncio
import contextlib
import ssl
import tempfile
import threading
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from authority import Authority

from weft.model.endpoint import Endpoint
from weft.testing.echo import Echo
from weft.testing.speaker import Speaker

_ENVOYS_OWN = ("host", "x-request-id", "x-forwarded-proto", "x-forwarded-for", "x-forwarded-client-cert", "content-length", "te")


@dataclass(frozen=True)
class Seen:
    """A request as an endpoint got it. `headers` are without what every Envoy adds; `expected` is Envoy's word of how long the
    answer may take, in milliseconds."""

    endpoint: str
    method: str
    authority: str
    path: str
    headers: Mapping[str, str]
    expected: str


@dataclass(frozen=True)
class _Recorder(Speaker):
    log: list[Seen] = field(default_factory=list)

    def answer(self, method: str, target: str, headers: Mapping[str, str], body_length: int, protocol: str) -> bytes:
        kept = {
            name: ",".join(part.strip() for part in value.split(","))
            for name, value in headers.items()
            if name not in _ENVOYS_OWN and not name.startswith((":", "x-envoy-"))
        }
        authority = headers.get(":authority") or headers.get("host", "")
        self.log.append(Seen(self.instance, method, authority, target, kept, headers.get("x-envoy-expected-rq-timeout-ms", "")))
        return super().answer(method, target, headers, body_length, protocol)


class _AfterProxy(asyncio.Protocol):
    """An endpoint that is told first, in the PROXY protocol, who called; without that it answers nothing."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._first = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Leaves out the header, and hands on the rest."""
        self._first += data
        length = self._header()
        if length is None:
            return
        if not length:
            self._transport.close()
            return
        echo = Echo(self._speaker)
        self._transport.set_protocol(echo)
        echo.connection_made(self._transport)
        if rest := self._first[length:]:
            echo.data_received(rest)

    def _header(self) -> int | None:
        """The header's length; None: it is not whole yet, 0: there is none."""
        said = self._first
        if said[:12] == _SIGNATURE[: len(said)][:12]:
            return 16 + int.from_bytes(said[14:16], "big") if len(said) >= 16 else None
        if said[:6] == b"PROXY "[: len(said)][:6]:
            return said.index(b"\r\n") + 2 if b"\r\n" in said else None
        return 0


class _NextProxy(_AfterProxy):
    """An endpoint that is a proxy: it takes CONNECT, and answers what comes after it itself."""

    def _header(self) -> int | None:
        if b"\r\n\r\n" not in self._first:
            return None
        head = self._first.partition(b"\r\n\r\n")[0]
        if not head.startswith(b"CONNECT "):
            return 0
        self._transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
        return len(head) + 4


_KINDS: dict[str, type[asyncio.Protocol]] = {"": Echo, "proxy protocol": _AfterProxy, "tunnel": _NextProxy}
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


@dataclass
class Backends:
    """All servers, in one thread. `seen` is every request since it was last cleared."""

    authority: Authority
    seen: list[Seen] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    def __post_init__(self) -> None:
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def start(
        self,
        endpoints: Iterable[Endpoint],
        tls: Iterable[str],
        outside: Iterable[str],
        domain: str,
        folder: Path,
        odd: Mapping[str, str],
    ) -> dict[str, int]:
        """Servers for these endpoints: the real port of each `address:port`. `tls` are endpoints that speak TLS of their own,
        `odd` those that want the PROXY protocol (`proxy protocol`) or are proxies (`tunnel`), `outside` addresses at which
        somebody answers whom the mesh knows nothing of. Unix sockets are made in `folder`."""
        own = set(tls)
        ports: dict[str, int] = {}
        for one in endpoints:
            if one.address.startswith("unix://"):
                path = one.address.removeprefix("unix://")
                self._run(self._serve_socket(path, str(folder / path.rpartition("/")[2])))
                continue
            name = f"[{one.address}]:{one.port}" if ":" in one.address else f"{one.address}:{one.port}"
            if name not in ports and not one.address.startswith("127.") and one.address != "localhost":
                identity = f"spiffe://{domain}/ns/{one.namespace}/sa/{one.service_account}" if one.mtls else ""
                context = self._context(identity) if identity else self._context("") if name in own else None
                ports[name] = self._run(self._serve(name, context, "127.0.0.1", 0, odd.get(name, "")))
        for name in outside:
            host, _, port = name.rpartition(":")
            context = self._context("") if name in own else None
            self._run(self._serve(name, context, host if host.startswith("127.") else "127.0.0.1", int(port)))
        return ports

    def serve_at(self, name: str, port: int) -> None:
        """A server that is called `name`, at a port of loopback."""
        self._run(self._serve(name, None, "127.0.0.1", port))

    def stop(self) -> None:
        """Ends all servers, and forgets."""
        self._run(self._stop())
        self.seen.clear()

    def _run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)

    async def _serve(self, name: str, context: ssl.SSLContext | None, host: str, port: int, kind: str = "") -> int:
        speaker = _Recorder(service="story", instance=name, log=self.seen)
        server = await self._loop.create_server(lambda: _KINDS[kind](speaker), host, port, ssl=context, reuse_port=bool(port))
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _serve_socket(self, name: str, path: str) -> None:
        speaker = _Recorder(service="story", instance=name, log=self.seen)
        self._servers.append(await self._loop.create_unix_server(lambda: Echo(speaker), path))

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _context(self, identity: str) -> ssl.SSLContext:
        """TLS with a SPIFFE ID, which asks for the caller's certificate; without one, TLS that asks for nothing."""
        if identity in self._contexts:
            return self._contexts[identity]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        chain, key = self.authority.leaf(identity or "outside.example.com")
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("chain", chain), ("key", key)):
                (Path(folder) / name).write_bytes(text)
            context.load_cert_chain(Path(folder) / "chain", Path(folder) / "key")
        if identity:
            context.load_verify_locations(cadata=self.authority.pem.decode())
            context.verify_mode = ssl.CERT_REQUIRED
            context.set_alpn_protocols(["h2", "istio"])
        else:
            context.set_alpn_protocols(["http/1.1"])
            context.load_verify_locations(cadata=self.authority.pem.decode())
            context.verify_mode = ssl.CERT_OPTIONAL
        self._contexts[identity] = context
        return context

    def close(self) -> None:
        """Ends the thread."""
        with contextlib.suppress(Exception):
            self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
