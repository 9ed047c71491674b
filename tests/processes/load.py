"""Steady load on one sidecar from wrk, and what came of it."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = Path(__file__).parent / "steady.lua"
_STRANGERS = Path(__file__).parent / "strangers.lua"
_LONGEST = 600


@dataclass
class Load:
    """What wrk (`pid`) counted, filled when it ended. Times in milliseconds; `first` has words of the first failures."""

    requests: int = 0
    refused: int = 0
    sockets: dict[str, int] = field(default_factory=dict)
    p50: float = 0.0
    p99: float = 0.0
    longest: float = 0.0
    first: str = ""
    began: float = 0.0
    pid: int = 0

    @property
    def failed(self) -> int:
        """Answers other than 200, and whatever went wrong on a socket."""
        return self.refused + sum(self.sockets.values())

    def __str__(self) -> str:
        times = f"p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms, longest {self.longest:.0f} ms"
        return f"{self.requests} requests, {self.failed} failed {self.sockets}, {times} {self.first}"

    def assert_whole(self, at_least: int = 100) -> None:
        """There was load, and none of it failed."""
        assert self.requests >= at_least, f"hardly any load: {self}"
        assert not self.failed, f"began at {self.began:.1f}: {self}"


@contextmanager
def steady(proxy: str, host: str, *, connections: int = 8, pause: int = 10, path: str = "/") -> Iterator[Load]:
    """`connections` that call `host` through the sidecar at `proxy` (host:port), each with `pause` ms between its requests,
    while the block runs. The result is there after the block, also printed, for who reads the tests' output."""
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed")
    load = Load(began=time.time())
    command = ["wrk", "-t1", f"-c{connections}", f"-d{_LONGEST}s", "--timeout", "10s", "-s", str(_SCRIPT)]
    command += ["-H", f"Host: {host}", f"http://{proxy}{path}", "--", str(pause)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        load.pid = process.pid
        time.sleep(0.5)
        yield load
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    _read(load, output)
    print(f"load on {host}: {load}")


def strangers(proxy: str, seed: int, seconds: int = 10, connections: int = 250) -> int:
    """Requests to random hosts through the sidecar at `proxy`, each answered with a 404 or 503; how many there were."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(_STRANGERS), f"http://{proxy}/"]
    done = subprocess.run([*command, "--", str(seed)], capture_output=True, text=True, timeout=seconds + 60, check=True)
    said = _said(done.stdout)
    assert not said["failed"], said
    return int(said["requests"])


def _said(output: str) -> dict[str, Any]:
    lines = [line for line in output.splitlines() if line.startswith("steady ")]
    assert lines, f"wrk said nothing: {output}"
    said = json.loads(lines[-1].removeprefix("steady "))
    assert isinstance(said, dict)
    return said


def _read(load: Load, output: str) -> None:
    said = _said(output)
    load.sockets = {name: said[name] for name in ("connect", "read", "write", "timeout") if said[name]}
    load.requests, load.refused, load.first = said["requests"], said["refused"], said["first"]
    load.p50, load.p99, load.longest = said["p50"], said["p99"], said["longest"]
