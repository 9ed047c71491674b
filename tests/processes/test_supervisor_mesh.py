"""`weft up` with everything real: control plane, agent, Envoys."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

FILE = """
services:
  web: {command: weft echo, x-weft: {ports: [{name: http, port: 8080}]}}
  reviews:
    command: weft echo
    depends_on: [web]
    deploy: {replicas: 2}
    x-weft: {version: v1, ports: [{name: http, port: 9080}]}
x-weft: {name: shop, resources: [mesh]}
"""
STRICT = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
"""


class Folder:
    """A folder with a mesh, and the commands in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._environ = {**os.environ, "XDG_RUNTIME_DIR": str(path), "XDG_STATE_HOME": str(path / "state"), "NO_COLOR": "1"}

    def weft(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in it."""
        command = [sys.executable, "-P", "-m", "weft.cli.main", *words]
        return subprocess.run(command, cwd=self.path, env=self._environ, capture_output=True, text=True, timeout=100)

    def call(self, host: str) -> dict[str, object]:
        """What `host` answers to the workload `web`."""
        ended = self.weft("exec", "web", "--", "curl", "-sf", f"http://{host}/")
        assert ended.returncode == 0, ended
        return dict(json.loads(ended.stdout))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """With the files, and stopped at the end."""
    (tmp_path / "weft.yaml").write_text(FILE)
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh" / "strict.yaml").write_text(STRICT)
    found = Folder(tmp_path)
    yield found
    found.weft("down", "--timeout", "10")


@pytest.mark.slow
def test_a_mesh_serves_restarts_without_loss_and_ends(folder: Folder) -> None:
    """Up in one command; calls carry the caller's identity; a rolling restart under load loses nothing; nothing is left."""
    up = folder.weft("up", "--detach")
    assert up.returncode == 0, up
    assert "PERMISSIVE" not in up.stdout
    answer = folder.call("reviews:9080")
    assert (answer["service"], answer["peer"]) == ("reviews", "spiffe://cluster.local/ns/default/sa/web")
    plain = folder.weft("exec", "web", "--", "curl", "-s", "-o", "/dev/null", _inbound(folder))
    assert plain.returncode in (52, 56), "a plaintext call to the inbound port is refused"
    failures = _load_during(folder, lambda: folder.weft("restart", "reviews"))
    assert failures == []
    assert sorted(each["state"] for each in json.loads(folder.weft("ps", "-o", "json").stdout)) == ["ready"] * 3
    assert folder.weft("ls").stdout.split()[4] == "shop"
    pids = [each["pid"] for each in json.loads(folder.weft("ps", "-o", "json").stdout)]
    assert folder.weft("down").stdout == "stopped\n"
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def _inbound(folder: Folder) -> str:
    mesh = json.loads((folder.path / ".weft" / "mesh.json").read_text())
    return "http://" + next(each["inbound"]["http"] for each in mesh["instances"] if each["service"] == "reviews")


def _load_during(folder: Folder, change: object) -> list[str]:
    """Calls `reviews` from `web` without a pause while `change` goes on; what was not a 200."""
    proxy = next(each["httpProxy"] for each in json.loads(folder.weft("ps", "-o", "json").stdout) if each["service"] == "web")
    failures: list[str] = []
    stop = threading.Event()

    def call() -> None:
        command = [
            "curl",
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-x",
            f"http://127.0.0.1:{proxy}",
            "http://reviews:9080/",
        ]
        while not stop.is_set():
            code = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
            if code != "200":
                failures.append(code)

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    ended = change()  # type: ignore[operator]
    stop.set()
    for caller in callers:
        caller.join()
    assert ended.returncode == 0, ended
    return failures


def test_a_resource_with_a_mistake_ends_the_start(folder: Folder) -> None:
    """The finding has file and line, the code is not zero, and nothing runs."""
    (folder.path / "mesh" / "strict.yaml").write_text(STRICT.replace("STRICT", "STRIKT"))
    up = folder.weft("up", "--detach")
    assert up.returncode == 1
    assert "strict.yaml:5" in up.stdout + up.stderr, up
    assert "no mesh runs" in folder.weft("ls").stderr
