"""An instance's life with a real agent process and a real Envoy: kill -9, restart, drain, gateways."""

import asyncio
import signal
from pathlib import Path

from agent.node import WEB, eventually, free_port, node

from weft.model.endpoint import Health


async def test_an_agent_that_is_killed_is_not_missed(tmp_path: Path) -> None:
    """With the agent killed (-9) calls succeed, a call to a new host waits for the next agent, and no endpoint is lost."""
    async with node(tmp_path) as n:
        await n.service("reviews")
        await n.service("ratings")
        await n.spawn_agent()
        n.sidecar()
        await n.supervisor.hears("health", instance=WEB, health="healthy")
        assert await n.answers("reviews", "reviews")
        envoy = n.envoy_pid()
        n.supervisor.processes.signal("agent", signal.SIGKILL)
        await eventually(lambda: n.supervisor.processes.running("agent") is None)
        assert await n.answers("reviews", "reviews")
        waiting = asyncio.create_task(n.call("ratings"))
        await n.spawn_agent()
        assert await waiting == (200, "ratings")
        assert n.envoy_pid() == envoy
        for _ in range(20):
            assert n.control_plane.health(WEB) is Health.HEALTHY
            await asyncio.sleep(0.1)


async def test_an_application_gets_traffic_while_it_is_healthy_and_none_before_or_after(tmp_path: Path) -> None:
    """Registered unhealthy before it runs, healthy when its port answers, unhealthy at once when it exited, then drained."""
    async with node(tmp_path) as n:
        n.start_agent()
        port = await n.application("web")
        inbound = [{"name": "http", "number": 80, "protocol": "http", "listen": {"host": "127.0.0.1", "port": free_port()},
                    "application": {"host": "127.0.0.1", "port": port}}]  # fmt: skip
        n.serve_mtls(inbound[0]["listen"]["port"])
        n.sidecar(inbound=inbound, health=None, pid=0)
        await n.supervisor.hears("ready", instance=WEB)
        assert n.control_plane.health(WEB) is Health.UNHEALTHY
        n.sidecar(inbound=inbound, health=None, pid=1)
        await n.supervisor.hears("health", instance=WEB, health="healthy")
        assert n.control_plane.health(WEB) is Health.HEALTHY
        n.supervisor.tell_exited(f"app/{WEB}", 1)
        assert await eventually(lambda: n.control_plane.health(WEB) is Health.UNHEALTHY) < 0.5
        n.sidecar(inbound=inbound, health=None, pid=2)
        await eventually(lambda: n.control_plane.health(WEB) is Health.HEALTHY)
        n.sidecar(inbound=inbound, health=None, pid=2, state="drain")
        await eventually(lambda: n.control_plane.health(WEB) is Health.DRAINING)
        await n.supervisor.hears("drained", instance=WEB)
        assert n.control_plane.health(WEB) is None
        assert n.envoy_pid()
        n.supervisor.remove(WEB)
        await eventually(lambda: not n.envoy_pid())
        assert not list((n.home / "agent" / "keys").glob("default*"))


async def test_an_envoy_that_exits_is_started_again_at_once(tmp_path: Path) -> None:
    """A killed Envoy answers again within two seconds, and its workload takes no traffic in between."""
    async with node(tmp_path) as n:
        await n.service("reviews")
        n.start_agent()
        n.sidecar()
        await n.supervisor.hears("health", instance=WEB, health="healthy")
        n.kill_envoy()
        await n.supervisor.hears("health", instance=WEB, health="unhealthy")
        assert await eventually(lambda: n.answers("reviews", "reviews")) < 2.0
        await eventually(lambda: n.control_plane.health(WEB) is Health.HEALTHY)


async def test_a_gateways_busy_port_is_replaced_and_its_owner_named(tmp_path: Path) -> None:
    """A gateway listener whose port is taken opens the next free one, tells which, and keeps it over restarts of the agent."""
    async with node(tmp_path) as n:
        await n.service("reviews")
        busy = await n.application("somebody else")
        n.proxy_port = busy
        n.start_agent()
        n.sidecar(gateway=True, http_proxy=None, pid=0)
        bound = await n.supervisor.hears("bound", instance=WEB)
        assert "(pid " in bound["owner"][str(busy)]
        n.proxy_port = bound["ports"][str(busy)]
        assert n.proxy_port != busy
        await n.supervisor.hears("health", instance=WEB, health="healthy")
        await eventually(lambda: n.answers("reviews", "reviews"))
        await n.stop_agent()
        n.start_agent()
        await asyncio.sleep(1)
        assert await n.answers("reviews", "reviews")
        n.kill_envoy()
        await asyncio.sleep(0.2)
        await eventually(lambda: n.answers("reviews", "reviews"))


async def test_an_instance_that_comes_back_at_once_gets_an_envoy_of_its_own(tmp_path: Path) -> None:
    """The old Envoy and its key are gone before the new one starts, however often the list is told meanwhile."""
    async with node(tmp_path) as n:
        await n.service("reviews")
        n.start_agent()
        n.sidecar()
        await n.supervisor.hears("health", instance=WEB, health="healthy")
        first = n.envoy_pid()
        n.supervisor.remove(WEB)
        n.supervisor.tell()
        n.supervisor.said.clear()
        n.sidecar()
        await n.supervisor.hears("health", instance=WEB, health="healthy")
        assert n.envoy_pid() not in (0, first)
        assert await n.answers("reviews", "reviews")
        assert n.agent and not n.agent.done()
