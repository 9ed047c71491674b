"""`kill -9` of the control plane between any two writes: what it acknowledged is there afterwards."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from weft.cli.access import access
from weft.cli.api_client import ApiClient, ApiError, Unreachable
from weft.supervisor.home import read

KILLS = 100
SCRIPT = Path(__file__).parent / "scripted" / "forking_control_plane.py"
PATH = "/apis/networking.istio.io/v1/namespaces/default/serviceentries"


def service_entry(name: str, port: int) -> dict[str, Any]:
    """Something to write, and nobody else writes to it: it has no virtual IP. `port` is what changes."""
    labels = {"networking.istio.io/enable-autoallocate-ip": "false"}
    spec = {
        "hosts": [f"{name}.example.com"],
        "ports": [{"number": port, "name": "http", "protocol": "HTTP"}],
        "resolution": "DNS",
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": spec,
    }


class Writer(threading.Thread):
    """Creates, changes and deletes its own objects until the server is gone. `acknowledged` says what must be there: the port,
    0 for what must not be there; of the one write that was not answered either outcome is right."""

    def __init__(self, home: Path, number: int) -> None:
        super().__init__(daemon=True)
        self._home, self._number = home, number
        self._made = 0
        self.acknowledged: dict[str, int] = {}
        self.doubtful: dict[str, int] = {}
        self.writing = threading.Event()
        self.problem = ""

    def run(self) -> None:
        """Writes."""
        try:
            self._write()
        except ApiError as error:
            self.problem = f"{error.code} {error}"

    def _write(self) -> None:
        with ApiClient(access(self._home / "kubeconfig")) as api, suppress(Unreachable, httpx.HTTPError):
            while True:
                name = f"entry-{self._number}-{self._made}"
                self._made += 1
                created = self._asked(api, "POST", PATH, name, service_entry(name, 80))
                changed = {**service_entry(name, 81), "metadata": created["metadata"]}
                self._asked(api, "PUT", f"{PATH}/{name}", name, changed)
                if self._made % 2:
                    self._asked(api, "DELETE", f"{PATH}/{name}", name, None)

    def _asked(self, api: ApiClient, method: str, path: str, name: str, entry: Any) -> Any:
        port = entry["spec"]["ports"][0]["number"] if entry else 0
        self.doubtful = {name: port}
        answer = api.request(method, path, entry)
        self.acknowledged[name], self.doubtful = port, {}
        self.writing.set()
        return answer

    def next(self) -> "Writer":
        """The writer of the next run, with what was acknowledged so far."""
        after = Writer(self._home, self._number)
        after._made, after.acknowledged = self._made, self.acknowledged
        return after


class ControlPlane:
    """Control planes on one home, one after another."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._log = (home / "log").open("w")
        command = [sys.executable, str(SCRIPT), str(home)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True)
        self.pid = 0

    def start(self) -> None:
        """The next one; returns when it is ready."""
        assert self._process.stdin
        self._process.stdin.write("next\n")
        self._process.stdin.flush()
        end = time.monotonic() + 30
        while (pid := read(self.home / "serve.json").get("pid", 0)) == self.pid or not pid:
            assert time.monotonic() < end, (self.home / "log").read_text()[-3000:]
            time.sleep(0.005)
        self.pid = int(pid)

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process.stdout
        os.kill(self.pid, signal.SIGKILL)
        assert self._process.stdout.readline() == "ended\n"

    def close(self) -> None:
        """Leaves nothing behind."""
        with suppress(ProcessLookupError):
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)
        self._process.kill()
        self._process.communicate(timeout=10)
        self._log.close()


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """On a home of its own."""
    made = ControlPlane(tmp_path)
    try:
        yield made
    finally:
        made.close()


def there(home: Path) -> dict[str, int]:
    """Every object and its port."""
    with ApiClient(access(home / "kubeconfig")) as api:
        items = api.request("GET", PATH)["items"]
    return {each["metadata"]["name"]: each["spec"]["ports"][0]["number"] for each in items}


def check(writer: Writer, found: dict[str, int]) -> None:
    """All that was acknowledged is there, and what was in doubt is there or is not, but never something else."""
    for name, port in writer.acknowledged.items():
        allowed = {port, writer.doubtful.get(name, port)}
        assert found.get(name, 0) in allowed, f"{name}: {found.get(name)} is not {allowed}"
    for name in writer.doubtful:
        writer.acknowledged[name] = found.get(name, 0)


@pytest.mark.timeout(300)
def test_a_hundred_kills_lose_nothing(control_plane: ControlPlane) -> None:
    """Three writers create, change and delete through the API of a control plane that is killed a hundred times."""
    chance = random.Random(11)
    writers = [Writer(control_plane.home, number) for number in range(3)]
    control_plane.start()
    for _ in range(KILLS):
        for writer in writers:
            writer.start()
        assert writers[0].writing.wait(10)
        time.sleep(chance.uniform(0, 0.1))
        control_plane.kill()
        for writer in writers:
            writer.join(10)
            assert not writer.is_alive()
            assert not writer.problem
        control_plane.start()
        found = there(control_plane.home)
        for writer in writers:
            check(writer, found)
        writers = [writer.next() for writer in writers]
    written = sum(len(writer.acknowledged) for writer in writers)
    print(f"{written} objects were written over {KILLS} kills, {len(found)} are left")
    assert written > KILLS
