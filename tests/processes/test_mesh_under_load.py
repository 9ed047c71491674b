"""No request fails while a mesh changes under steady load: routes flip, services restart and scale, parts are killed."""

import time
from collections.abc import Iterator

import pytest

from processes.mesh import AGENT, CONTROL_PLANE, RunningMesh, running_mesh

MESH = """
services:
  client: {command: sleep 100000}
  reviews-v1: {command: weft echo, x-weft: {service: reviews, version: v1, ports: [{name: http, port: 9080}]}}
  reviews-v2: {command: weft echo, x-weft: {service: reviews, version: v2, ports: [{name: http, port: 9080}]}}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


def rules(subset: str, weights: tuple[int, int]) -> str:
    """A split between the versions, whose subsets have names that end in `subset`."""
    return f"""
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {{name: reviews}}
    spec:
      host: reviews
      subsets: [{{name: one{subset}, labels: {{version: v1}}}}, {{name: two{subset}, labels: {{version: v2}}}}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {{name: reviews}}
    spec:
      hosts: [reviews]
      http:
      - route:
        - {{destination: {{host: reviews, subset: one{subset}}}, weight: {weights[0]}}}
        - {{destination: {{host: reviews, subset: two{subset}}}, weight: {weights[1]}}}
    """


def test_a_hundred_route_flips(mesh: RunningMesh) -> None:
    """Weights and subsets change in one transaction a hundred times, old subsets vanish: no request fails."""
    with mesh.steady("reviews:9080") as load:
        for flip in range(100):
            mesh.apply(rules(str(flip % 3), (flip % 101, 100 - flip % 101)))
    load.assert_whole()


def test_a_rolling_restart(mesh: RunningMesh) -> None:
    """Every instance is replaced, one by one."""
    before = {name: each["pid"] for name, each in mesh.instances().items()}
    with mesh.steady("reviews:9080") as load:
        mesh.weft("restart", "reviews-v1")
        mesh.weft("restart", "reviews-v2")
    load.assert_whole()
    after = {name: each["pid"] for name, each in mesh.instances().items()}
    assert not {pid for name, pid in after.items() if "reviews" in name} & set(before.values())


def test_a_scale_from_one_to_five_and_back(mesh: RunningMesh) -> None:
    """Instances come and go."""
    with mesh.steady("reviews:9080") as load:
        mesh.weft("scale", "reviews-v1=5")
        mesh.until(lambda: sum("reviews-v1" in name and each["ready"] for name, each in mesh.instances().items()) == 5)
        time.sleep(1)
        mesh.weft("scale", "reviews-v1=1")
        mesh.until(lambda: sum("reviews-v1" in name for name in mesh.instances()) == 1)
        time.sleep(1)
    load.assert_whole()


@pytest.mark.parametrize("part", [CONTROL_PLANE, AGENT])
def test_a_part_is_killed(mesh: RunningMesh, part: str) -> None:
    """`kill -9` of the control plane or the agent is not noticed, and the next one goes on where it was."""
    with mesh.steady("reviews:9080") as load:
        for _ in range(2):
            mesh.killed(part)
            time.sleep(2)
    load.assert_whole()
