"""A supervisor as a process of its own, with scripted or real companions, and what a test asks of it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

from weft.supervisor.config import SupervisorConfig
from weft.supervisor.control_client import ControlClient, NotRunning
from weft.supervisor.home import Home, home

T = TypeVar("T")
_SCRIPTS = Path(__file__).parent / "scripted"
SERVER = f"{sys.executable} -P -u -m http.server --bind $HOST $PORT"
"""A command that serves HTTP where it is told."""


class Supervised:
    """One mesh in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "XDG_STATE_HOME": str(folder / "state")}
        self.process: subprocess.Popen[str] | None = None

    @property
    def home(self) -> Home:
        """Its folders."""
        return home(self.folder / ".weft", self.environ)

    def config(self) -> SupervisorConfig:
        """With scripted companions."""
        return SupervisorConfig(
            file=str(self.folder / "weft.yaml"),
            home=str(self.folder / ".weft"),
            serve=(sys.executable, str(_SCRIPTS / "control_plane.py"), "serve"),
            agent=(sys.executable, str(_SCRIPTS / "agent.py"), "agent"),
        )

    def start(self, text: str) -> "Supervised":
        """Runs `text` as the weft.yaml."""
        (self.folder / "weft.yaml").write_text(dedent(text))
        command = [sys.executable, "-P", "-m", "weft.supervisor.main", self.config().json()]
        output = (self.folder / "output").open("w")
        self.process = subprocess.Popen(command, env=self.environ, stdout=output, stderr=output, text=True, cwd=self.folder)
        output.close()
        return self

    @property
    def output(self) -> str:
        """What it showed so far."""
        return (self.folder / "output").read_text()

    def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        """An answer of its control socket, waited for while it comes up."""
        client = self.until(self._client)
        with client:
            return client.call(op, **arguments)

    def _client(self) -> ControlClient | None:
        try:
            return ControlClient(self.home.control_socket, timeout=60)
        except NotRunning:
            return None

    def wait(self, limit: float = 30.0) -> dict[str, Any]:
        """Until all is ready or something failed."""
        return self.call("wait", limit=limit)

    def ps(self) -> dict[str, dict[str, Any]]:
        """The instances by name."""
        return {each["name"]: each for each in self.call("ps")["instances"]}

    def processes(self) -> dict[str, int]:
        """Names and numbers of all children."""
        return {each["name"]: each["pid"] for each in self.call("processes")["processes"]}

    def notes(self, name: str = "agent.jsonl") -> list[dict[str, Any]]:
        """What a scripted companion wrote down."""
        file = self.home.path / name
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def until(self, condition: Callable[[], T | None], limit: float = 20.0) -> T:
        """The first answer of `condition` that is true."""
        end = time.monotonic() + limit
        while not (found := condition()):
            assert time.monotonic() < end, self.output
            time.sleep(0.02)
        return found

    def end(self) -> int:
        """Ends it as Ctrl-C does; its exit code."""
        assert self.process
        self.process.send_signal(2)
        return self.process.wait(30)

    def close(self) -> None:
        """Leaves nothing behind, however the test went."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def runs(pid: int) -> bool:
    """Whether the process lives (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
