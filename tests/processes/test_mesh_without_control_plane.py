"""With the control plane away: what is in use goes on, what is new is told at once that it must wait, and then all is well."""

import time
from collections.abc import Iterator

import pytest

from processes.mesh import AGENT, CONTROL_PLANE, RunningMesh, running_mesh

AWAY = 12
MESH = """
services:
  client: {command: sleep 100000}
  other: {command: sleep 100000}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  ratings: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
"""
NEW_ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: reviews}}], headers: {response: {set: {x-after: "yes"}}}}]
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file: two callers use `reviews`, and nobody has called `ratings` yet."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        for caller in ("client-0", "other-0"):
            assert running.call("http://reviews:9080/", proxy=running.proxy(caller)).status == 200
        yield running


def test_the_control_plane_is_away(mesh: RunningMesh) -> None:
    """No request to a host in use fails, a killed sidecar serves again, a new host answers 503 within a second; when the
    control plane is back all is in sync within two."""
    other = mesh.proxy("other-0")
    with mesh.steady("reviews:9080") as load:
        with mesh.without(CONTROL_PLANE):
            time.sleep(AWAY / 2)
            answer = mesh.call("http://ratings:9080/")
            assert answer.status == 503, answer
            assert answer.seconds < 1, answer
            mesh.killed("envoy/default/other-0")
            mesh.until(lambda: mesh.call("http://reviews:9080/", proxy=other, timeout=1).status == 200, 10)
            time.sleep(AWAY / 2)
            assert not mesh.ready_control_plane()
        mesh.until(mesh.ready_control_plane, 30)
        back = time.monotonic()
        mesh.until(lambda: mesh.call("http://ratings:9080/").status == 200, 2 + 1)
        print(f"a host that was new while it was away answers {time.monotonic() - back:.2f} s after it was back")
        mesh.apply(NEW_ROUTE)
        mesh.until(lambda: "x-after" in mesh.call("http://reviews:9080/").headers, 2)
        mesh.until(lambda: "x-after" in mesh.call("http://reviews:9080/", proxy=other).headers, 2)
    load.assert_whole()


def test_what_dies_loses_its_endpoints_and_what_comes_back_has_them(mesh: RunningMesh) -> None:
    """Endpoints go within seconds when their application, their Envoy or the agent dies for good, and come back with it."""
    mesh.until(lambda: mesh.endpoints().get("ratings-0"))
    with mesh.without("app/default/ratings-0"):
        mesh.until(lambda: not mesh.endpoints().get("ratings-0"), 5)
        assert mesh.call("http://ratings:9080/").status == 503
    mesh.until(lambda: mesh.endpoints().get("ratings-0"), 30)
    with mesh.steady("reviews:9080") as load:  # on this node nobody is told: the agent is who would
        with mesh.without(AGENT):
            mesh.until(lambda: not mesh.endpoints(), 15)
        mesh.until(lambda: mesh.endpoints().get("ratings-0") and mesh.endpoints().get("reviews-0"), 15)
        time.sleep(1)
    load.assert_whole()


def test_a_killed_envoy_comes_back(mesh: RunningMesh) -> None:
    """Its sidecar's identity, listeners and configuration are there again within seconds."""
    proxy = mesh.proxy()
    mesh.killed("envoy/default/client-0")
    mesh.killed("envoy/default/reviews-0")
    mesh.until(lambda: mesh.call("http://reviews:9080/", proxy=proxy, timeout=1).status == 200, 10)
    peer = mesh.call("http://reviews:9080/", proxy=proxy).echo["peer"]
    assert peer == "spiffe://cluster.local/ns/default/sa/client"


def test_an_application_that_crashes_shows_its_last_lines(mesh: RunningMesh) -> None:
    """Twenty lines of what it wrote stand in the progress of `weft up`. Nothing but its state was left by the `down` before."""
    text, family = (mesh.folder / "weft.yaml").read_text(), mesh.family()
    mesh.weft("down")
    assert not mesh.home.runtime.exists()
    assert not [process for process in family if process.is_running() and process.status() != "zombie"]
    crashing = '  crashing: {command: sh -c "for i in $$(seq 30); do echo line $$i.; done; exit 3"}\n'
    done = mesh.up(text + crashing, "--timeout", "20", code=1)
    shown = done.out + done.err
    assert "line 30." in shown and "line 11." in shown
    assert "line 10." not in shown
    assert "crashing" in shown and "code 3" in shown
    mesh.until(lambda: mesh.call("http://reviews:9080/").status == 200, 10)
