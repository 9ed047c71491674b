"""The session and a real Envoy: hosts on demand, reconnects, changes under load, strange and bad input."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from session_rig import Rig, rig

from weft.envoy.types import CLUSTER, VIRTUAL_HOST, EnvoyResource, envoy_resource
from weft.testing.tiny_snapshot import TinyService, TinySnapshot
from weft.xds.admission import Caps
from weft.xds.session import SessionSettings
from weft.xds.status import Sync


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Rig]:
    """An Envoy that holds nothing yet."""
    async with rig(tmp_path) as made:
        yield made


async def test_a_first_call_waits_for_nothing_but_its_own_configuration(stage: Rig) -> None:
    """The first call to a host takes milliseconds, known or unknown, and an unknown one says what is unknown."""
    stage.apply(stage.service("reviews"))
    status, body, seconds = await stage.get("reviews")
    assert (status, body) == (200, "v1") and seconds < 0.5
    status, body, seconds = await stage.get("nobody")
    assert (status, body) == (404, "unknown host nobody") and seconds < 0.5


async def test_an_unknown_host_works_as_soon_as_its_service_exists(stage: Rig) -> None:
    """Both spellings that were asked in vain are served by the one virtual host that replaces their answers, and back."""
    assert (await stage.get("reviews"))[0] == (await stage.get("reviews:80"))[0] == 404
    stage.apply(stage.service("reviews"))
    await stage.until("reviews", "v1")
    assert (await stage.get("reviews:80"))[1] == (await stage.get("reviews.default"))[1] == "v1"
    stage.mesh = stage.mesh.without("reviews")
    stage.apply()
    stage.ads.refresh(["default/web-0"])
    await stage.until("reviews", "unknown host reviews")
    assert (await stage.get("reviews:80"))[1] == "unknown host reviews:80"
    assert not stage.rejections


async def test_thirty_concurrent_first_calls_are_all_answered(stage: Rig) -> None:
    """Thirty first calls at once make one question, and none fails."""
    stage.apply(stage.service("reviews"))
    pushes = stage.ads.pushes
    answers = await asyncio.gather(*(stage.get("reviews") for _ in range(30)))
    assert {answer[:2] for answer in answers} == {(200, "v1")}
    assert stage.ads.pushes - pushes <= 3  # cluster, endpoints, virtual host


async def test_a_restarted_control_plane_sends_nothing_that_is_held(stage: Rig) -> None:
    """After a reconnect nothing is sent, calls go on, and new hosts, changes and waiting questions are answered."""
    stage.apply(stage.service("reviews"), stage.service("ratings"))
    await stage.get("reviews")
    await stage.get("ratings.default")
    await stage.get("nobody")
    await stage.down()
    assert (await stage.get("reviews"))[1] == "v1"
    waiting = asyncio.create_task(stage.get("details", timeout=30))
    await asyncio.sleep(0.1)
    stage.mesh = stage.mesh.with_service(stage.service("details"))
    await stage.serve()
    assert (await waiting)[1] == "v1"
    await asyncio.sleep(0.3)
    assert stage.ads.pushes == 3  # what details needed, and nothing else
    stage.apply(stage.service("nobody"))
    await stage.until("nobody", "v1")
    stage.apply(stage.service("ratings", weights={"v2": 1}))
    await stage.until("ratings", "v2")


async def test_a_changed_cluster_is_in_use_at_once(stage: Rig) -> None:
    """A changed cluster does not wait for the fetch timeout of its endpoints (a second): they are sent along with it."""
    stage.apply(stage.service("reviews"))
    await stage.get("reviews")
    updates = await stage.counter("cluster_manager.cluster_updated_via_merge")
    warming = await stage.counter("cluster_manager.cluster_modified")
    stage.apply(stage.service("reviews", connect_timeout=3))
    await asyncio.sleep(0.5)
    assert await stage.counter("cluster_manager.cluster_modified") == warming + 1
    assert await stage.counter("cluster_manager.warming_clusters") == 0
    assert updates == 0
    assert stage.ads.proxies()[0].session.sync is Sync.SYNCED


async def test_flips_of_routes_and_clusters_under_load_lose_no_request(tmp_path: Path) -> None:
    """Weights move between clusters that come and go, thirty times under load, and none of the requests fails, though a
    filter holds each for 100 ms between the choice of its cluster and its use."""
    async with rig(tmp_path, SessionSettings(linger=0.5)) as stage:
        stage.apply(stage.service("reviews", weights={"v1": 1}))
        await stage.until("reviews", "v1")
        held = ["-H", "Host: reviews", "-H", "x-envoy-fault-delay-request: 100", f"http://127.0.0.1:{stage.mesh.port}/"]
        wrk = ("wrk", "-t", "1", "-c", "64", "-d", "6")
        load = await asyncio.create_subprocess_exec(*wrk, *held, stdout=asyncio.subprocess.PIPE)
        for flip in range(30):
            weights = ({"v1": 1}, {"v1": 1, "v2": 1}, {"v2": 1})[flip % 3]
            stage.apply(stage.service("reviews", weights=weights, connect_timeout=1 + flip % 2, marker=str(flip)))
            await asyncio.sleep(0.15)
        report = (await load.communicate())[0].decode()
        assert "Non-2xx" not in report and "Socket errors" not in report, report
        assert int(re.search(r"(\d+) requests in", report).group(1)) > 500, report  # type: ignore[union-attr]
        assert await stage.counter("cluster_manager.cluster_removed") > 0
        assert not stage.rejections


async def test_two_thousand_unknown_hosts_leave_the_proxy_in_service(tmp_path: Path) -> None:
    """Random hosts are answered, bounded in what they make Envoy hold, and each still works once its service exists."""
    caps = Caps(unknown=100, interval=0.5, unknown_domains=200)
    async with rig(tmp_path, SessionSettings(caps=caps)) as stage:
        stage.apply(stage.service("reviews"))
        await stage.until("reviews", "v1")
        slow = asyncio.create_task(_slowest(stage, "reviews", 3.0))
        limit = asyncio.Semaphore(200)

        async def unknown(number: int) -> int:
            async with limit:
                return (await stage.get(f"random-{number}", timeout=20))[0]

        statuses = await asyncio.gather(*(unknown(number) for number in range(2000)))
        assert set(statuses) == {404}
        assert await slow < 0.5
        status = stage.ads.proxies()[0].session
        assert status.unknown_names == 100 and status.shared_names == 1900
        assert status.types[VIRTUAL_HOST].held < 110
        stage.apply(stage.service("random-1500"), stage.service("random-3"))
        await stage.until("random-1500", "v1")
        await stage.until("random-3", "v1")
        assert not stage.rejections


async def _slowest(stage: Rig, host: str, seconds: float) -> float:
    """The slowest of calls made one after the other."""
    end = asyncio.get_running_loop().time() + seconds
    slowest = 0.0
    while asyncio.get_running_loop().time() < end:
        slowest = max(slowest, (await stage.get(host))[2])
        await asyncio.sleep(0.02)
    return slowest


@dataclass(frozen=True)
class _Broken(TinySnapshot):
    """A mesh in which the service `broken` has a virtual host, and `sick` a cluster, that Envoy refuses."""

    def virtual_host(self, route_config: str, host: str) -> EnvoyResource:
        made = super().virtual_host(route_config, host)
        if host != "broken":
            return made
        from envoy.config.route.v3.route_components_pb2 import VirtualHost

        message = VirtualHost.FromString(made.body)
        message.routes[0].match.safe_regex.regex = "(unclosed"
        return replace(made, body=message.SerializeToString(), version="broken")

    def cluster(self, name: str) -> EnvoyResource | None:
        made = super().cluster(name)
        if made is None or "sick" not in name:
            return made
        from envoy.config.cluster.v3.cluster_pb2 import Cluster

        message = Cluster.FromString(made.body)
        message.connect_timeout.seconds = -1
        return envoy_resource(CLUSTER, name, message, hosts=made.hosts, origins=made.origins, eds=True)

    def with_service(self, service: TinyService) -> "_Broken":
        return _Broken(super().with_service(service).services, self.port)


async def test_a_refused_virtual_host_or_cluster_says_so_and_the_rest_goes_on(stage: Rig) -> None:
    """Who waits for what Envoy refused gets a 503 that names it; good ones asked in the same instant are served."""
    stage.mesh = _Broken((), stage.mesh.port)
    stage.apply(*(stage.service(name) for name in ("broken", "sick", "reviews", "ratings")))
    names = ("broken", "reviews", "sick", "ratings")
    answers = dict(zip(names, await asyncio.gather(*(stage.get(name) for name in names)), strict=True))
    assert answers["reviews"][1] == answers["ratings"][1] == "v1"
    assert answers["broken"][0] == answers["sick"][0] == 503
    assert "VirtualHost http_proxy/broken" in answers["broken"][1]
    assert "Cluster outbound|80||sick" in answers["sick"][1]
    assert {rejection.name.split(".")[0] for rejection in stage.rejections} == {"http_proxy/broken", "outbound|80||sick"}
    assert {str(ref) for rejection in stage.rejections for ref in rejection.origins} == {
        "Service default/broken",
        "Service default/sick",
    }
    assert stage.ads.proxies()[0].session.sync is Sync.NACKED
