"""An agent without Envoys (a `sleep` stands for each) that speaks the control protocol. What happens stands in `agent.jsonl`."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

config = json.loads(Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
home = Path(config["home"])


def note(**what: object) -> None:
    """Writes down that something happened."""
    with (home / "agent.jsonl").open("a") as file:
        file.write(json.dumps(what) + "\n")


class Agent:
    """One connection to the supervisor, and a task for each instance."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._last = 0
        self._instances: dict[str, dict[str, Any]] = {}
        self._drained: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def say(self, op: str, **arguments: object) -> None:
        """Sends a request; its answer is not waited for."""
        self._last += 1
        self._writer.write(json.dumps({"id": self._last, "op": op, **arguments}).encode() + b"\n")

    def take(self, message: dict[str, Any]) -> None:
        """The list of instances, or that something ended."""
        if message.get("event") == "exited":
            note(exited=message["name"], code=message["code"])
        if "workloads" not in message:
            return
        now = {f"{each['namespace']}/{each['name']}": each for each in message["workloads"]}
        for key in self._instances.keys() - now.keys():
            note(gone=key)
            self.say("kill", name=f"envoy/{key}", signal="TERM", grace=1)
        for key, instance in now.items():
            if key not in self._instances:
                self._begin(self._live(key))
            if instance["state"] == "drain" and key not in self._drained:
                self._drained.add(key)
                self._begin(self._drain(key))
        self._instances = now

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self, key: str) -> None:
        note(begun=key)
        self.say(
            "spawn",
            name=f"envoy/{key}",
            argv=["sleep", "600"],
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
            log=str(home / "logs" / "sleep"),
        )
        await asyncio.sleep(0.02)
        self.say("ready", instance=key)
        healthy = False
        while key in self._instances:
            now = await self._answers(self._instances[key])
            if now != healthy:
                healthy = now
                note(healthy=key) if now else note(unhealthy=key)
                self.say("health", instance=key, health="healthy" if now else "unhealthy", reason="" if now else "no answer")
            await asyncio.sleep(0.02)

    async def _answers(self, instance: dict[str, Any]) -> bool:
        if not instance["pid"] or not instance["inbound"]:
            return False
        address = instance["inbound"][0]["application"]
        try:
            _, writer = await asyncio.open_connection(address["host"], address["port"])
        except OSError:
            return False
        writer.close()
        return True

    async def _drain(self, key: str) -> None:
        note(draining=key)
        await asyncio.sleep(0.05)
        self.say("drained", instance=key)


async def main() -> None:
    """Until the supervisor closes the line."""
    reader, writer = await asyncio.open_unix_connection(config["supervisor"], limit=2**24)
    agent = Agent(writer)
    note(started=True)
    agent.say("agent")
    while line := await reader.readline():
        agent.take(json.loads(line))


asyncio.run(main())
