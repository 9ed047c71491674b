"""The demo under the policies that are suggested for it, and a default deny."""

import shutil
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from processes.mesh import RunningMesh, running_mesh

CALLERS = ("load", "web", "reviews-v1", "reviews-v2", "details", "ratings")
SERVICES = ("web", "details", "reviews", "ratings")
SEEN = {("load", "web"), ("web", "details"), ("web", "reviews"), ("reviews", "ratings")}


def recorded(mesh: RunningMesh) -> list[dict[str, Any]]:
    """The calls of the demo."""
    with mesh.api() as api:
        found: list[dict[str, Any]] = api.get("/weft/v1/calls", namespace="default")["items"]
        return found


def pairs(calls: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Who calls whom."""
    return {(one["source"]["identity"].rpartition("/")[2], one["destination"]["workload"]) for one in calls}


def page(mesh: RunningMesh) -> str:
    """What the gateway shows to somebody outside."""
    port = next(iter(mesh.instances()["ingress-0"]["gatewayPorts"].values()))
    answer = mesh.call("/", proxy=f"127.0.0.1:{port}", headers={"Host": "bookstore.example"})
    return answer.body if answer.status == 200 else f"not available: {answer.status}"


def test_nothing_breaks_and_nothing_else_passes(tmp_path: Path) -> None:
    """Under the suggestion and a default deny the whole load goes on; every call that was not seen is denied by a name."""
    folder = tmp_path / "demo"
    with as_file(files("weft.demo") / "bookstore") as source:
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    with running_mesh(folder, (folder / "weft.yaml").read_text()) as mesh:
        assert "not available" not in page(mesh)
        mesh.until(lambda: pairs(recorded(mesh)) >= SEEN | {("ingress", "web")}, 40)
        suggested = mesh.weft("policy", "suggest", "default", "--default-deny")
        assert "default/ingress is a gateway" in suggested.err
        mesh.weft("apply", "-f", "-", stdin=suggested.out)
        mesh.until(lambda: mesh.call("http://details:9080/", proxy=mesh.proxy("load-0")).status == 403, 10)
        began = time.monotonic()
        while time.monotonic() < began + 4:
            assert "not available" not in page(mesh)
        refused = [one for one in recorded(mesh) if one["deniedBy"]]
        assert pairs(refused) <= {("load", "details")}
        for caller in CALLERS:
            for service in SERVICES:
                for path, method in (("/", "GET"), ("/", "POST"), ("/admin", "GET")):
                    answer = mesh.call(f"http://{service}:9080{path}", proxy=mesh.proxy(f"{caller}-0"), method=method)
                    seen = (caller.partition("-v")[0], service) in SEEN and (path, method) == ("/", "GET")
                    assert (answer.status == 200) is seen, (caller, service, path, method, answer)
                    assert seen or (answer.status == 403 and f"default/calls-to-{service}" in answer.body)
        assert "requests failed" not in mesh.log("app/default/load-0")
