"""Sessions on real gRPC streams: who is let in, who is told of what, and what a burst costs."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from weft.ca.authority import Authority, new_intermediate, new_root
from weft.ca.certificate import Issuer
from weft.ca.csr import key_pem, new_key, request
from weft.envoy.types import EnvoyResource
from weft.identity import spiffe_id
from weft.model.mesh import Change
from weft.testing.ads_client import AdsClient
from weft.testing.envoy_session import EnvoySession
from weft.testing.tiny_snapshot import TinyService, TinySnapshot
from weft.xds.server import SERVER_OPTIONS, AdsServer
from weft.xds.status import Sync

REVIEWS = TinyService("reviews", {"": (1,)})
RATINGS = TinyService("ratings", {"": (2,)})


def marker(envoy: EnvoySession) -> str:
    """The marker of the service `reviews` as a proxy holds it."""
    host = envoy.serves("reviews")
    return "" if host is None else "".join(each.header.value for each in host.response_headers_to_add)


class Mesh:
    """A control plane of a tiny mesh, and simulated Envoys on real streams."""

    def __init__(self, *services: TinyService) -> None:
        self.snapshot = TinySnapshot(services, port=1)
        self.known = {"default/a", "default/b"}
        self.denied: set[str] = set()
        self.peers: list[str] = []
        self.ads = AdsServer(self.snapshot_of, self.authorize, self.current)
        self.group = asyncio.TaskGroup()
        self.port = 0

    async def snapshot_of(self, proxy: str) -> TinySnapshot | None:
        return self.current(proxy)

    def current(self, proxy: str) -> TinySnapshot | None:
        return self.snapshot if proxy in self.known else None

    def authorize(self, proxy: str, peer: str) -> bool:
        self.peers.append(peer)
        return proxy not in self.denied

    def change(self, service: TinyService) -> None:
        """Publishes a service that is new or changed."""
        self.snapshot = self.snapshot.with_service(service)
        self.ads.publish(Change(hosts=frozenset({service.host})))

    async def client(self, proxy: str, *hosts: str) -> tuple[AdsClient, asyncio.Task[None]]:
        """A connected proxy that holds `hosts`."""
        client = AdsClient(EnvoySession(proxy), grpc.aio.insecure_channel(f"127.0.0.1:{self.port}"), time.monotonic)
        task = asyncio.create_task(client.run())
        await client.until(lambda envoy: bool(envoy.hosts))
        client.send(client.session.ask(*(f"http_proxy/{host}" for host in hosts)))
        await client.until(lambda envoy: not envoy.waiting)
        return client, task


@asynccontextmanager
async def serving(mesh: Mesh, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[Mesh]:
    """Serves on a port of loopback."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    mesh.ads.add_to(server)
    if credentials is None:
        mesh.port = server.add_insecure_port("127.0.0.1:0")
    else:
        mesh.port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    ticking = asyncio.create_task(mesh.ads.run())
    try:
        yield mesh
    finally:
        ticking.cancel()
        await server.stop(0)


async def test_a_change_is_told_to_whom_it_concerns_and_to_nobody_else() -> None:
    """Of two proxies only the one that holds the service hears of it."""
    async with serving(Mesh(REVIEWS, RATINGS)) as mesh:
        one, _ = await mesh.client("default/a", "reviews")
        other, _ = await mesh.client("default/b", "ratings")
        before = other.session.responses
        mesh.change(TinyService("reviews", {"": (1,)}, marker="new"))
        await one.until(lambda envoy: marker(envoy) == "new")
        await asyncio.sleep(0.1)
        assert other.session.responses == before
        other.send(other.session.ask("http_proxy/reviews"))
        await other.until(lambda envoy: bool(envoy.serves("reviews")))
        assert other.session.serves("reviews") == one.session.serves("reviews")


async def test_a_burst_of_changes_is_told_in_few_responses_and_ends_right() -> None:
    """A hundred changes at once do not make a hundred responses, and the last one counts."""
    async with serving(Mesh(REVIEWS)) as mesh:
        client, _ = await mesh.client("default/a", "reviews")
        before = client.session.responses
        for number in range(100):
            mesh.change(TinyService("reviews", {"": (1,)}, marker=str(number)))
            if number % 10 == 0:
                await asyncio.sleep(0)
        await client.until(lambda envoy: marker(envoy) == "99")
        assert client.session.responses - before < 20
        status = mesh.ads.status("default/a")
        assert status is not None and status.session.sync in (Sync.SYNCED, Sync.STALE)


async def test_what_is_judged_bad_is_never_told() -> None:
    """The proxy keeps what it had, and is told what is published instead, in the order of all it is told."""
    mesh, seen = Mesh(REVIEWS, RATINGS), list[str]()

    async def judged(names: list[str]) -> dict[str, str]:
        mesh.change(replace(REVIEWS, marker="instead"))
        return dict.fromkeys(names, "bad")

    def judge(proxy: str, resources: Sequence[EnvoyResource]) -> Awaitable[dict[str, str]] | None:
        bad = [each.name for each in resources if b"bad" in each.body]
        seen.extend(bad)
        return judged(bad) if bad else None

    mesh.ads = AdsServer(mesh.snapshot_of, mesh.authorize, mesh.current, judge=judge)
    async with serving(mesh):
        client, _ = await mesh.client("default/a", "reviews")
        told: list[str] = []
        client.session.refuse = lambda type_url, names: told.append(marker(client.session)) or ""  # type: ignore[func-returns-value]
        mesh.change(replace(REVIEWS, marker="bad"))
        await client.until(lambda envoy: marker(envoy) == "instead")
        assert seen
        assert "bad" not in told
        assert mesh.ads.proxies()[0].session.sync is not Sync.NACKED
        assert not mesh.ads.refusals


async def test_an_unknown_proxy_is_asked_to_come_again() -> None:
    """A proxy nobody registered gets UNAVAILABLE, which clients retry."""
    async with serving(Mesh()) as mesh:
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await AdsClient(
                EnvoySession("default/nobody"), grpc.aio.insecure_channel(f"127.0.0.1:{mesh.port}"), time.monotonic
            ).run()
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_peer_may_not_speak_for_a_foreign_proxy() -> None:
    """Such a stream ends with PERMISSION_DENIED, and so does one whose right is taken away."""
    async with serving(Mesh(REVIEWS)) as mesh:
        client, task = await mesh.client("default/a", "reviews")
        mesh.denied.add("default/a")
        mesh.ads.refresh(["default/a"])
        async with asyncio.timeout(5):
            await asyncio.wait([task])
        assert mesh.ads.proxies() == ()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await AdsClient(client.session, grpc.aio.insecure_channel(f"127.0.0.1:{mesh.port}"), time.monotonic).run()
        assert ended.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_the_newest_stream_of_a_proxy_wins() -> None:
    """A proxy that reconnects before its old connection is found broken is served; the old stream ends."""
    async with serving(Mesh(REVIEWS)) as mesh:
        _, old = await mesh.client("default/a", "reviews")
        new, _ = await mesh.client("default/a", "reviews")
        async with asyncio.timeout(5):
            await asyncio.wait([old])
        mesh.change(TinyService("reviews", {"": (1,)}, marker="new"))
        await new.until(lambda envoy: marker(envoy) == "new")
        assert len(mesh.ads.proxies()) == 1


async def test_a_proxy_that_left_leaves_nothing_behind() -> None:
    """The index of who depends on what forgets a stream that ended."""
    async with serving(Mesh(REVIEWS)) as mesh:
        _, task = await mesh.client("default/a", "reviews")
        assert [status.proxy for status in mesh.ads.proxies()] == ["default/a"]
        task.cancel()
        async with asyncio.timeout(5):
            while mesh.ads.proxies():
                await asyncio.sleep(0.01)
        assert not mesh.ads._by_host


async def test_too_large_a_request_ends_the_stream_and_nothing_else() -> None:
    """A message beyond the limit is refused by gRPC; other proxies go on."""
    async with serving(Mesh(REVIEWS)) as mesh:
        one, _ = await mesh.client("default/a", "reviews")
        other, task = await mesh.client("default/b")
        other.send(other.session.ask(*(f"http_proxy/{'x' * 250}{number}" for number in range(20_000))))
        async with asyncio.timeout(10):
            await asyncio.wait([task])
        assert isinstance(task.exception(), grpc.aio.AioRpcError)
        mesh.change(TinyService("reviews", {"": (1,)}, marker="new"))
        await one.until(lambda envoy: marker(envoy) == "new")


async def test_the_peer_is_known_by_the_identity_in_its_certificate() -> None:
    """With mTLS `authorize` is asked with the SPIFFE ID of the client's certificate."""
    now = datetime.now(UTC)
    key = new_key()
    root = new_root("cluster.local", key, now)
    authority = Authority("cluster.local", new_intermediate("cluster.local", Issuer(key, root), now), (root,))
    name = "spiffe://cluster.local/ns/weft-system/sa/node.n1"
    node = new_key()
    issued = authority.issue(request(node, name), spiffe_id(name), timedelta(hours=1), now, hosts=("127.0.0.1",))
    pair = (key_pem(node), issued.chain)
    credentials = grpc.ssl_server_credentials([pair], authority.bundle, require_client_auth=True)
    async with serving(Mesh(REVIEWS), credentials) as mesh:
        channel = grpc.aio.secure_channel(
            f"127.0.0.1:{mesh.port}", grpc.ssl_channel_credentials(authority.bundle, key_pem(node), issued.chain)
        )
        client = AdsClient(EnvoySession("default/a"), channel, time.monotonic)
        running = asyncio.create_task(client.run())
        async with asyncio.timeout(10):
            await client.until(lambda envoy: bool(envoy.hosts))
        running.cancel()
        assert mesh.peers == [name]
