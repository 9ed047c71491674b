"""Plaintext is refused without breaking a call: who still sends it is named, and whoever begins to brings it back."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

import pytest

from processes.mesh import CONTROL_PLANE, RunningMesh, running_mesh

MESH = """
services:
  client: {command: sleep 100000}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  store: {command: weft echo, x-weft: {ports: [{name: tcp, port: 5432}]}}
"""
PATH = "/weft/v1/mtls/tightening"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


def port_of(mesh: RunningMesh, instance: str) -> tuple[str, int]:
    """Where the sidecar of an instance listens for the mesh."""
    entry = json.loads(mesh.weft("get", "workloadentries", instance, "-o", "json").out)
    (port,) = entry["spec"]["ports"].values()
    return entry["spec"]["address"], port


def plaintext(at: tuple[str, int]) -> int:
    """The status of a request without mTLS; 0 when there is none."""
    connection = HTTPConnection(*at, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


@contextmanager
def caller(at: tuple[str, int]) -> Iterator[list[tuple[float, int]]]:
    """Somebody who sends plaintext every 50 ms while the block runs; times and statuses."""
    seen: list[tuple[float, int]] = []
    over = threading.Event()

    def call() -> None:
        while not over.wait(0.05):
            seen.append((time.monotonic(), plaintext(at)))

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def mode(mesh: RunningMesh, workload: str) -> dict[str, object]:
    """The one row of `weft mtls status` for a workload."""
    (row,) = json.loads(mesh.weft("mtls", "status", workload, "-o", "json").out)
    assert isinstance(row, dict)
    return row


def test_it_refuses_and_names_who_sends_plaintext(mesh: RunningMesh) -> None:
    """HTTP and TCP callers are named with their address, also one whose connection has been open for long; nothing is changed."""
    http, tcp = port_of(mesh, "reviews-0"), port_of(mesh, "store-0")
    assert plaintext(http) == 200
    with socket.create_connection(tcp, timeout=5) as connection:
        connection.sendall(b"hello\n")
        connection.recv(100)
        mesh.until(lambda: mode(mesh, "default/store")["callers"], 8)
        mesh.until(lambda: mode(mesh, "default/reviews")["plaintext"], 8)
        refused = mesh.weft("mtls", "tighten", "--window", "60s", code=1)
        time.sleep(8)  # what came at the beginning is over, the connection is not
        still = mesh.weft("mtls", "tighten", "--window", "8s", code=1)
    assert "127.0.0.1 to default/store port 5432: plaintext" in refused.err, refused.err
    assert "127.0.0.1 to default/reviews port 9080: plaintext" in refused.err
    assert "default/store" in still.err and "default/reviews" not in still.err
    row = mode(mesh, "default/reviews")
    assert (row["mode"], row["by"], row["callers"][0]["address"]) == ("PERMISSIVE", "", "127.0.0.1")  # type: ignore[index]
    assert not json.loads(mesh.weft("get", "peerauthentications", "-A", "-o", "json").out)["items"]


def test_it_goes_back_within_five_seconds_when_somebody_begins_to_send_plaintext(mesh: RunningMesh) -> None:
    """A caller that begins in the middle is served again within five seconds, and named; the mesh's own calls never fail.
    A control plane that is killed meanwhile goes on where it was."""
    at = port_of(mesh, "reviews-0")
    mesh.until(lambda: is_begun(mesh), 20)
    with mesh.steady("reviews:9080") as load:
        mesh.until(lambda: plaintext_refused(mesh), 10)
        mesh.killed(CONTROL_PLANE)
        mesh.until(mesh.ready_control_plane)
        with caller(at) as seen:
            mesh.until(lambda: any(status == 200 for _, status in seen), 10)
        state = mesh.until(lambda: api_over(mesh), 10)
    assert seen[0][1] == 0
    served = next(when for when, status in seen if status == 200)
    print(f"plaintext was served again after {served - seen[0][0]:.2f} s")
    assert served - seen[0][0] < 5
    assert state["phase"] == "reverted" and "127.0.0.1 to default/reviews port 9080" in str(state["reason"])
    assert not json.loads(mesh.weft("get", "peerauthentications", "-A", "-o", "json").out)["items"]
    load.assert_whole()


def is_begun(mesh: RunningMesh) -> bool:
    """Whether a tightening that watches for a minute could be begun: as soon as the last plaintext is long enough ago."""
    return mesh.weft("mtls", "tighten", "--window", "3s", "--watch", "60s", "--detach", code=None).code == 0


def plaintext_refused(mesh: RunningMesh) -> bool:
    """Whether the mesh is told to be STRICT, and every proxy has it."""
    with mesh.api() as api:
        state = api.get(PATH)
    return state["phase"] == "enforcing" and not state["waiting"] and state["elapsed"] > 1


def api_over(mesh: RunningMesh) -> dict[str, object] | None:
    """The last tightening, when it is over."""
    with mesh.api() as api:
        state = dict(api.get(PATH))
    return state if state["over"] else None


def test_it_is_strict_everywhere_when_nobody_sends_plaintext(mesh: RunningMesh) -> None:
    """Under load no request fails; the resource is written as any other, by weft; plaintext is refused then, and seen."""
    time.sleep(4)
    with mesh.steady("reviews:9080") as load:
        done = mesh.weft("mtls", "tighten", "--window", "3s", "--watch", "3s")
    load.assert_whole()
    assert "mesh: STRICT, and nothing failed" in done.out
    (written,) = json.loads(mesh.weft("get", "peerauthentications", "-A", "-o", "json").out)["items"]
    assert (written["metadata"]["namespace"], written["spec"]) == ("istio-system", {"mtls": {"mode": "STRICT"}})
    for instance in ("reviews-0", "store-0"):
        assert plaintext(port_of(mesh, instance)) == 0
    rows = json.loads(mesh.weft("mtls", "status", "-o", "json").out)
    assert {(each["mode"], each["by"]) for each in rows} == {
        ("STRICT", "PeerAuthentication istio-system/default spec.mtls.mode")
    }
    mesh.until(lambda: mode(mesh, "default/reviews")["refused"], 8)
