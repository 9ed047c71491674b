"""Whether an application can take requests: asked again and again, by the way its declaration says.

Until it is up it is asked often, so that it gets traffic as soon as it can take it (unless a WorkloadGroup says how often); later
at its interval. One failure of several in a row (`retries`) is forgiven.
"""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping

from weft.agent import grpc_health_client, http1, port_owner
from weft.agent.instance import Address, HealthCheck, Instance

EAGER = 0.2
"""Seconds between attempts until the first success."""

Environment = Callable[[], Awaitable[tuple[Mapping[str, str], str | None]]]
"""The environment and directory in which an application's own check is run."""


async def probe(instance: Instance, environment: Environment) -> str:
    """Asks once. Empty: it can take requests; else why not, in one line."""
    check = instance.health or HealthCheck()
    ports = _ports(instance, check)
    try:
        async with asyncio.timeout(check.timeout):
            match check.type:
                case "none":
                    return ""
                case "unknown":
                    return "nobody said yet how its WorkloadGroup has it checked"
                case "http":
                    return await _http(ports[0], check) if ports else ""
                case "grpc":
                    return (
                        await grpc_health_client.check(ports[0].host, ports[0].port, check.service, check.timeout)
                        if ports
                        else ""
                    )
                case "exec":
                    return await _exec(check, environment)
                case _:
                    return "; ".join([why for port in ports if (why := await _tcp(port))])
    except TimeoutError:
        return f"no answer within {check.timeout:g} s"


def _ports(instance: Instance, check: HealthCheck) -> list[Address]:
    own = [port.application for port in instance.inbound]
    if not check.port:
        return own
    if check.host:
        return [Address(check.host, check.port)]
    by_number = {port.number: port.application for port in instance.inbound}
    return [by_number.get(check.port) or Address(own[0].host if own else instance.host, check.port)]


async def _tcp(address: Address) -> str:
    try:
        _, writer = await asyncio.open_connection(address.host, address.port)
    except OSError as error:
        return f"{address}: {_words(error)}"
    writer.close()
    return ""


async def _http(address: Address, check: HealthCheck) -> str:
    try:
        at, tls = (address.host, address.port), _unchecked() if check.tls else None
        answer = await http1.get(at, check.path or "/", timeout=check.timeout, headers=check.headers, tls=tls)
    except OSError as error:
        return f"{address}{check.path}: {_words(error)}"
    return "" if 200 <= answer.status < 400 else f"{address}{check.path}: status {answer.status}"


def _unchecked() -> ssl.SSLContext:
    """TLS with whoever answers, as Kubernetes probes."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _exec(check: HealthCheck, environment: Environment) -> str:
    if not check.command:
        return ""
    env, cwd = await environment()
    try:
        process = await asyncio.create_subprocess_exec(
            *check.command,
            env=dict(env) or None,
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        return f"{check.command[0]}: {_words(error)}"
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.kill()
        raise
    return "" if code == 0 else f"{check.command[0]}: exit code {code}"


def held_by_another(instance: Instance) -> str:
    """Why an answer at one of its ports is not the application's: another process has it. Empty when none has. Blocking."""
    for port in instance.inbound:
        if found := port_owner.stranger(port.application.port, instance.pid):
            return f"{port.application} is held by {found}"
    return ""


def _words(error: OSError) -> str:
    """What the system calls it: asyncio's own text repeats the address."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


async def follow(
    current: Callable[[], Instance],
    environment: Environment,
    report: Callable[[str], Awaitable[None]],
    changed: asyncio.Event,
) -> None:
    """Asks until cancelled, and reports each change: empty for healthy, else why not.

    `current` is the instance as it is now; while it has no process it is unhealthy without being asked. `changed` is set
    by the caller when the instance changed, and cuts a pause short.
    """
    said: str | None = None
    failures, successes, pid, began = 0, 0, 0, 0.0
    loop = asyncio.get_running_loop()
    while True:
        instance = current()
        if instance.pid != pid:  # another process: what was found of the last one says nothing
            pid, said, failures, successes, began = instance.pid, None, 0, 0, loop.time()
        check = instance.health or HealthCheck()
        if instance.pid and (early := began + check.initial_delay - loop.time()) > 0:
            await _pause(changed, early)
            continue
        why = await probe(instance, environment) if instance.pid else "the application does not run"
        if not why and said != "":
            why = await asyncio.to_thread(held_by_another, instance)
        failures, successes = (failures + 1, 0) if why else (0, successes + 1)
        if not why and said != "" and successes < check.successes:
            why = f"it must succeed {check.successes} times in a row"
        if not why or said is None or not instance.pid or (said == "" and failures >= check.retries):
            if why != said:
                await report(why)
            said = why
        settled = (not said and not why) or not check.eager
        await _pause(changed, check.interval if settled else min(EAGER, check.interval))


async def _pause(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        pass
    changed.clear()
