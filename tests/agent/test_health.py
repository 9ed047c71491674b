"""Health checks, each against something real."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import grpc
from msgspec.structs import replace

from weft.agent import health, http1
from weft.agent.instance import Address, HealthCheck, InboundPort, Instance
from weft.agent.probes import Probes
from weft.proto import node_pb2


async def _environment() -> tuple[Mapping[str, str], str | None]:
    return {"ANSWER": "3"}, None


def _instance(port: int, check: HealthCheck | None) -> Instance:
    inbound = InboundPort("http", 80, "http", Address("127.0.0.1", 1), Address("127.0.0.1", port))
    return Instance(name="web-0", namespace="default", inbound=(inbound,), health=check, pid=1)


async def _page(target: str) -> http1.Answer:
    return http1.Answer(200 if target == "/ok" else 500, b"", "text/plain")


async def test_http_tcp_and_silence() -> None:
    """A good status and an open port are healthy; a bad status, a closed port and silence say what they are."""
    server = await asyncio.start_server(lambda r, w: http1.serve(r, w, _page), "127.0.0.1", 0)
    silent = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port, mute = (each.sockets[0].getsockname()[1] for each in (server, silent))
    async with server, silent:
        assert await health.probe(_instance(port, HealthCheck("http", "/ok")), _environment) == ""
        assert "status 500" in await health.probe(_instance(port, HealthCheck("http", "/no")), _environment)
        assert await health.probe(_instance(port, None), _environment) == ""
        assert "within 0.1 s" in await health.probe(_instance(mute, HealthCheck("http", timeout=0.1)), _environment)
    assert "refused" in (await health.probe(_instance(port, None), _environment))


async def test_a_command_decides_by_its_exit_code_in_the_applications_environment() -> None:
    """Zero is healthy; the environment is the application's."""
    assert await health.probe(_instance(1, HealthCheck("exec", command=("true",))), _environment) == ""
    failing = HealthCheck("exec", command=("/bin/sh", "-c", "exit $ANSWER"))
    assert "exit code 3" in await health.probe(_instance(1, failing), _environment)
    slow = HealthCheck("exec", command=("/bin/sleep", "9"), timeout=0.1)
    assert "within 0.1 s" in await health.probe(_instance(1, slow), _environment)


async def test_grpc_servers_are_asked_by_their_protocol() -> None:
    """SERVING is healthy, NOT_SERVING and a server without the service are not."""
    serving = [b"\x08\x01"]

    async def check(request: bytes, context: object) -> bytes:
        return serving[0]

    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(check)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        assert await health.probe(_instance(port, HealthCheck("grpc")), _environment) == ""
        serving[0] = b"\x08\x02"
        assert "not serving" in await health.probe(_instance(port, HealthCheck("grpc")), _environment)
    finally:
        await server.stop(None)
    assert "UNAVAILABLE" in await health.probe(_instance(port, HealthCheck("grpc")), _environment)


async def test_one_failure_of_several_is_forgiven_and_an_end_is_not() -> None:
    """With two retries a single failure goes unnoticed; without a process it is unhealthy at once."""
    said: list[str] = []
    answers = [200]

    async def page(_: str) -> http1.Answer:
        return http1.Answer(answers[0], b"", "text/plain")

    server = await asyncio.start_server(lambda r, w: http1.serve(r, w, page), "127.0.0.1", 0)
    instance = [_instance(server.sockets[0].getsockname()[1], HealthCheck("http", interval=0.05, retries=3))]
    changed = asyncio.Event()

    async def report(why: str) -> None:
        said.append(why)

    task = asyncio.create_task(health.follow(lambda: instance[0], _environment, report, changed))
    async with server:
        await asyncio.sleep(0.1)
        assert said == [""]
        answers[0] = 500
        await asyncio.sleep(0.06)
        answers[0] = 200
        await asyncio.sleep(0.3)
        assert said == [""]
        answers[0] = 500
        await asyncio.sleep(0.5)
        assert len(said) == 2 and "status 500" in said[1]
        instance[0] = replace(instance[0], pid=0)
        changed.set()
        await asyncio.sleep(0.05)
        assert said[-1] == "the application does not run"
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_probe_of_a_group_waits_and_counts_as_it_says() -> None:
    """Nothing is asked before the initial delay; successes in a row make it healthy, failures in a row ill, at the period."""
    asked: list[str] = []
    answers, said = [200], []

    async def page(target: str) -> http1.Answer:
        asked.append(target)
        return http1.Answer(answers[0], b"", "text/plain")

    async def report(why: str) -> None:
        said.append(why)

    server = await asyncio.start_server(lambda r, w: http1.serve(r, w, page), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    check = HealthCheck(
        "http", "/p", port, interval=0.1, retries=3, successes=2, initial_delay=0.3, eager=False, headers=(("host", "vm"),)
    )
    task = asyncio.create_task(health.follow(lambda: _instance(port, check), _environment, report, asyncio.Event()))
    async with server:
        await asyncio.sleep(0.1)
        assert not asked and not said
        while len(said) < 2:
            await asyncio.sleep(0.01)
        assert said == ["it must succeed 2 times in a row", ""]
        answers[0], before = 500, len(asked)
        while len(said) < 3:
            await asyncio.sleep(0.01)
        assert len(asked) - before >= 3 and "status 500" in said[2]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_a_group_says_is_kept_and_comes_before_the_own_check(tmp_path: Path) -> None:
    """Until the control plane has said how the group is checked nobody is healthy; one without a probe leaves the own check."""
    own = replace(_instance(1, HealthCheck("none")), workload_group="vms")
    probes = Probes(tmp_path / "probes.bin")
    assert "nobody said yet" in await health.probe(replace(own, health=probes.check(own)), _environment)
    probes.take(node_pb2.Probes(groups={"default/vms": node_pb2.Probe()}))
    assert probes.check(own) == own.health
    probes.take(node_pb2.Probes(groups={"default/vms": node_pb2.Probe(way="grpc", port=9, service="a.B", period=5, failures=2)}))
    found = Probes(tmp_path / "probes.bin").check(own)
    assert found and (found.type, found.port, found.service, found.interval, found.retries) == ("grpc", 9, "a.B", 5, 2)


async def test_another_process_at_the_port_is_not_the_application() -> None:
    """A port that somebody held before the application began does not make it healthy; what it left behind itself does."""
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)  # held by this process
    port = server.sockets[0].getsockname()[1]
    younger = await asyncio.create_subprocess_exec("sleep", "60")
    said: list[str] = []

    async def report(why: str) -> None:
        said.append(why)

    instance = replace(_instance(port, None), pid=younger.pid)
    task = asyncio.create_task(health.follow(lambda: instance, _environment, report, asyncio.Event()))
    async with server:
        await asyncio.sleep(0.5)
        assert len(said) == 1 and f"127.0.0.1:{port} is held by" in said[0]
        assert health.held_by_another(replace(instance, pid=1)) == ""  # older than who listens
        server.close()
    task.cancel()
    younger.kill()
    await younger.wait()
