"""A file that is edited and brought `up` again while its mesh runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from processes.mesh import RunningMesh, running_mesh

BEFORE = """
services:
  client: {command: sleep 100000}
  web: {command: weft echo, environment: {WORD: one}, x-weft: {ports: [{name: http, port: 80}]}}
  same: {command: weft echo, x-weft: {ports: [{name: http, port: 80}]}}
  old: {command: weft echo, x-weft: {ports: [{name: http, port: 80}]}}
x-weft: {resources: mesh}
"""
AFTER = """
services:
  client: {command: sleep 100000}
  web:
    command: weft echo
    deploy: {replicas: 2}
    x-weft: {version: v2, ports: [{name: http, port: 80}, {name: http-b, port: 81}]}
  same: {command: weft echo, x-weft: {ports: [{name: http, port: 80}]}}
  new: {command: weft echo, x-weft: {namespace: fresh, ports: [{name: http, port: 80}]}}
x-weft: {resources: mesh}
"""


def _virtual_service(name: str, host: str) -> str:
    headers = f"{{response: {{set: {{x-rule: {name}}}}}}}"
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}}}
spec: {{hosts: [{host}], http: [{{route: [{{destination: {{host: {host}}}}}], headers: {headers}}}]}}
"""


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[RunningMesh]:
    """A mesh of the first file."""
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh" / "same.yaml").write_text(_virtual_service("same", "same"))
    (tmp_path / "mesh" / "old.yaml").write_text(_virtual_service("old", "old"))
    with running_mesh(tmp_path, BEFORE) as running:
        yield running


def _names(mesh: RunningMesh, kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in json.loads(mesh.weft("get", kind, "-o", "json").out)["items"]}


def test_what_changed_is_applied_and_nothing_else_is_touched(mesh: RunningMesh) -> None:
    """New, changed and removed services and resources are so when `weft up` returns; no request fails, and who was not changed
    goes on in the same process."""
    before = mesh.processes()
    mesh.weft("scale", "same=2")
    (mesh.folder / "mesh" / "old.yaml").unlink()
    (mesh.folder / "mesh" / "new.yaml").write_text(_virtual_service("new", "new.fresh.svc.cluster.local"))
    with mesh.steady("web") as load:
        said = mesh.up(AFTER).err
    load.assert_whole()
    assert "web: is replaced" in said
    after = mesh.processes()
    kept = [name for name in before if name.endswith(("client-0", "same-0", "agent", "control-plane"))]
    assert {name: after.get(name) for name in kept} == {name: before[name] for name in kept}
    services = [each["service"] for each in mesh.instances().values()]
    assert sorted(services) == ["client", "new", "same", "same", "web", "web"]
    assert {mesh.call(url).echo["version"] for url in ("http://web/", "http://web:81/")} == {"v2"}
    answer = mesh.call("http://new.fresh/")
    assert (answer.status, answer.headers["x-rule"]) == (200, "new")
    mesh.until(lambda: mesh.call("http://old/").status == 404)
    assert _names(mesh, "virtualservices") == {"same", "new"}
    assert "no service was changed" in mesh.weft("up").err


def test_a_file_with_a_mistake_changes_nothing(mesh: RunningMesh) -> None:
    """Neither one in the file nor one in its resources, nor a service that does not start."""
    before = mesh.instances()
    done = mesh.up("services: {web: {comand: x}}", code=1)
    assert "weft.yaml:1" in done.err
    (mesh.folder / "mesh" / "same.yaml").write_text("kind: Nothing\n")
    done = mesh.up(AFTER, code=1)
    assert "the resources are not applied" in done.err
    assert mesh.instances().keys() == before.keys()
    assert "new" not in _names(mesh, "services")
    (mesh.folder / "mesh" / "same.yaml").write_text(_virtual_service("same", "same"))
    changed = dedent(BEFORE).replace("weft echo, environment", "no-such-program, environment")
    done = mesh.up(changed, code=1)
    assert "web is not replaced" in done.err
    assert mesh.call("http://web/").status == 200
    assert mesh.instances()["web-0"]["pid"] == before["web-0"]["pid"]
    mesh.up(BEFORE)
    assert mesh.instances().keys() == before.keys()
