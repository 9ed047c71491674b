"""What Envoy would refuse never reaches a proxy, whichever way it came: the mesh under load does not notice."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from processes.mesh import CONTROL_PLANE, RunningMesh, running_mesh
from weft.store.database import InUse
from weft.store.sqlite import SqliteStore
from weft.store.store import Key, Put

MESH = """
services:
  client: {command: sleep 100000}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  ratings: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
"""
WORDS = "NONSENSE is not supported type of metadata"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


def rules(host: str, value: str) -> str:
    """Rules that set a header."""
    return f"""\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {host}}}
spec:
  hosts: [{host}]
  http:
  - match: [{{uri: {{exact: /first}}}}]
    route: [{{destination: {{host: {host}}}}}]
  - headers: {{request: {{set: {{x-told: '{value}'}}}}}}
    route: [{{destination: {{host: {host}}}}}]
"""


def stored(mesh: RunningMesh, kind: str, name: str) -> dict[str, Any]:
    """What `weft get` shows of an object of the namespace default."""
    found: dict[str, Any] = json.loads(mesh.weft("get", kind, name, "-o", "json").out)
    return found


def canaries(mesh: RunningMesh) -> list[psutil.Process]:
    """The Envoys that the control plane runs."""
    return psutil.Process(mesh.processes()[CONTROL_PLANE]).children()


def test_what_envoy_refuses_is_refused_by_apply(mesh: RunningMesh, tmp_path: Path) -> None:
    """With Envoy's words and the operator's line, and nothing of the files is applied; what was there goes on under load."""
    mesh.apply(rules("reviews", "good"))
    file = tmp_path / "rules.yaml"
    file.write_text(rules("ratings", "good") + "---\n" + rules("reviews", "%METADATA(NONSENSE:x)%"))
    with mesh.steady("reviews:9080") as load:
        done = mesh.weft("apply", "-f", str(file), code=1)
    load.assert_whole()
    assert f"{file}:20: error envoy-refuses: " in done.err
    assert "VirtualService default/reviews spec.http[1]" in done.err
    assert WORDS in done.err
    assert mesh.weft("get", "virtualservice", "ratings", code=1).err
    assert len(canaries(mesh)) == 1


def test_applying_stays_quick(mesh: RunningMesh) -> None:
    """A change of a rule is judged by Envoy and answered within 100 ms at the median of a busy machine."""
    times = []
    with mesh.api() as api:
        for number in range(40):
            body = api.get("/apis/networking.istio.io/v1/namespaces/default/virtualservices/reviews")
            body["spec"]["http"][1]["headers"]["request"]["set"]["x-told"] = f"again-{number}"
            began = time.monotonic()
            api.request("PUT", "/apis/networking.istio.io/v1/namespaces/default/virtualservices/reviews", body)
            times.append(time.monotonic() - began)
    times.sort()
    print(f"p50 {times[20] * 1000:.1f} ms, p99 {times[-1] * 1000:.1f} ms")
    assert times[20] < 0.1


def test_what_is_stored_and_bad_is_left_out_alone(mesh: RunningMesh) -> None:
    """A control plane that starts on a store with a rule that Envoy refuses leaves it out and says so; no request fails."""
    mesh.apply(rules("reviews", "good"))
    with mesh.steady("reviews:9080") as reviews, mesh.steady("ratings:9080") as ratings:
        time.sleep(0.5)
        with mesh.without(CONTROL_PLANE):
            mesh.until(lambda: asyncio.run(_broken(mesh.home.path / "mesh.db", "reviews")))
        mesh.until(mesh.ready_control_plane)
        said = mesh.until(lambda: stored(mesh, "virtualservice", "reviews").get("status", {}).get("validationMessages"))
        mesh.apply(rules("ratings", "told"))
        mesh.until(lambda: "told" in mesh.call("http://ratings:9080/headers").body.lower())
        time.sleep(0.5)
    reviews.assert_whole()
    ratings.assert_whole()
    (message,) = [each for each in said if each["type"]["name"] == "envoy-refuses"]
    assert message["message"].startswith("spec.http[1]: ")
    assert WORDS in message["message"]
    assert "NACKED" not in mesh.weft("proxies").out
    mesh.apply(rules("reviews", "corrected"))
    mesh.until(lambda: "validationMessages" not in stored(mesh, "virtualservice", "reviews")["status"])


async def _broken(database: Path, name: str) -> bool:
    """Writes what the API would refuse; whether the store was free for it."""
    store = SqliteStore(database)
    try:
        await store.open()
    except InUse:
        return False
    try:
        held = await store.get(Key("virtualservices.networking.istio.io", "default", name))
        assert held
        body = json.loads(json.dumps(held.body))
        body["spec"]["http"][1]["headers"]["request"]["set"]["x-told"] = "%METADATA(NONSENSE:x)%"
        await store.write([Put(held.key, body, held.revision)])
        return True
    finally:
        await store.close()


def test_what_only_the_proxy_can_see_is_said_in_the_status(mesh: RunningMesh) -> None:
    """A certificate's file is not there: the proxy refuses it and goes on with what it had, until it is corrected."""
    mesh.apply(rules("reviews", "good"))
    with mesh.steady("reviews:9080") as load:
        mesh.apply(policy("{mode: SIMPLE, caCertificates: /there/is/no/such.pem}"))
        said = mesh.until(lambda: stored(mesh, "destinationrule", "reviews").get("status", {}).get("validationMessages"))
        mesh.apply(policy("{mode: ISTIO_MUTUAL}"))
        mesh.until(lambda: "validationMessages" not in stored(mesh, "destinationrule", "reviews")["status"])
    load.assert_whole()
    (message,) = said
    assert message["type"]["name"] == "proxy-refused"
    assert "/there/is/no/such.pem" in message["message"]


def policy(tls: str) -> str:
    """How reviews is called."""
    return f"""\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: reviews}}
spec: {{host: reviews, trafficPolicy: {{tls: {tls}}}}}
"""


def test_a_canary_that_is_killed_costs_nothing(mesh: RunningMesh) -> None:
    """Another takes its place; writes and calls go on."""
    with mesh.steady("reviews:9080") as load:
        for number in range(3):
            mesh.until(lambda: canaries(mesh) or None)[0].kill()
            mesh.apply(rules("reviews", f"without-{number}"))
    load.assert_whole()
    assert WORDS in mesh.weft("apply", "-f", "-", stdin=rules("reviews", "%METADATA(NONSENSE:x)%"), code=1).err
