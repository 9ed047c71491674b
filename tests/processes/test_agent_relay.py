"""The relay on a real Envoy: configuration, secrets, and the control plane's absence."""

import asyncio
import time
from pathlib import Path

from agent.node import WEB, eventually, node

from weft.model.endpoint import Health
from weft.testing.tiny_snapshot import TinyService


async def test_a_sidecar_becomes_ready_and_serves_what_is_asked_for(tmp_path: Path) -> None:
    """An instance gets an Envoy that is live, a registration, and its first call to a service succeeds."""
    async with node(tmp_path) as n:
        await n.service("reviews")
        n.start_agent()
        n.sidecar()
        await n.supervisor.hears("ready", instance=WEB)
        await n.supervisor.hears("health", instance=WEB, health="healthy")
        assert await n.call("reviews") == (200, "reviews")
        assert (await n.call("nobody"))[0] == 404


async def test_without_a_control_plane_hosts_in_use_go_on_and_a_new_one_is_a_503_in_under_a_second(tmp_path: Path) -> None:
    """While the control plane is away held hosts answer, a new one says why it does not, and all is well when it is back."""
    async with node(tmp_path) as n:
        await n.service("reviews")
        await n.service("ratings")
        n.start_agent()
        n.sidecar()
        await n.supervisor.hears("ready", instance=WEB)
        assert await n.answers("reviews", "reviews")
        await n.control_plane.stop()
        assert await n.answers("reviews", "reviews")
        began = time.monotonic()
        status, body = await n.call("ratings")
        assert status == 503 and "control plane cannot be reached" in body
        assert time.monotonic() - began < 1.0
        assert (await n.call("ratings.default"))[0] == 503
        assert (await n.call("nobody"))[0] == 503
        await n.control_plane.start()
        assert await eventually(lambda: n.answers("ratings", "ratings"), 5.0) < 2.0
        assert await n.answers("ratings.default", "ratings")
        assert (await n.call("nobody"))[0] == 404
        assert await n.answers("reviews", "reviews")


async def test_an_envoy_that_restarts_without_a_control_plane_comes_up_with_what_it_held(tmp_path: Path) -> None:
    """A killed Envoy is started again at once and serves the hosts in use, though nobody can be asked; later it is in sync."""
    async with node(tmp_path) as n:
        await n.service("reviews")
        n.start_agent()
        n.sidecar()
        await n.supervisor.hears("ready", instance=WEB)
        assert await n.answers("reviews", "reviews")
        await eventually(lambda: any((n.home / "agent" / "held").glob("*.held")))
        await n.control_plane.stop()
        n.kill_envoy()
        assert await eventually(lambda: n.answers("reviews", "reviews")) < 5.0
        assert await n.answers("reviews.default", "reviews")
        assert (await n.call("ratings"))[0] == 503
        await n.service("ratings")
        await n.control_plane.start()
        assert await eventually(lambda: n.answers("ratings", "ratings"), 5.0) < 2.0
        n.control_plane.publish(TinyService("reviews", {"": (await n.application("reviews, moved"),)}))
        await eventually(lambda: n.answers("reviews", "reviews, moved"))


async def test_an_agent_that_is_killed_is_not_missed(tmp_path: Path) -> None:
    """Calls succeed while the agent is away and when it is back, and a call to a new host made meanwhile is answered then."""
    async with node(tmp_path) as n:
        await n.service("reviews")
        await n.service("ratings")
        n.start_agent()
        n.sidecar()
        await n.supervisor.hears("health", instance=WEB, health="healthy")
        assert await n.answers("reviews", "reviews")
        pid = n.envoy_pid()
        await n.stop_agent()
        assert await n.answers("reviews", "reviews")
        waiting = asyncio.create_task(n.call("ratings"))
        await asyncio.sleep(0.2)
        n.start_agent()
        assert await waiting == (200, "ratings")
        assert n.envoy_pid() == pid
        assert n.control_plane.health(WEB) is Health.HEALTHY
        assert await n.answers("reviews", "reviews")
