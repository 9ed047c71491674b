"""The record of who calls what: from real sidecars to the control plane, and what is done with it."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from processes.mesh import CONTROL_PLANE, RunningMesh, running_mesh

MESH = """
services:
  web: {command: sleep 100000}
  batch: {command: sleep 100000, x-weft: {namespace: jobs}}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  store: {command: weft echo, x-weft: {ports: [{name: tcp, port: 5432}]}}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


def calls(mesh: RunningMesh, **asked: str) -> list[dict[str, Any]]:
    """The record."""
    words = "&".join(f"{name}={value}" for name, value in asked.items())
    with mesh.api() as api:
        found: list[dict[str, Any]] = api.get(f"/weft/v1/calls?{words}")["items"]
        return found


def ask(mesh: RunningMesh, caller: str, url: str, method: str = "GET", **headers: str) -> int:
    """The status of a request of the workload `caller`."""
    return mesh.call(url, proxy=mesh.proxy(f"{caller}-0"), method=method, headers=headers).status


def plain(mesh: RunningMesh, service: str, said: bytes) -> bytes:
    """What a stranger without a certificate is answered at the sidecar of a service."""
    port = mesh.instances()[f"{service}-0"]["ports"][0]
    with socket.create_connection((mesh.instances()[f"{service}-0"]["host"], port["listen"]), 5) as stranger:
        stranger.settimeout(5)
        stranger.sendall(said)
        return stranger.recv(4096)


def test_what_is_called_is_recorded_and_survives(mesh: RunningMesh) -> None:
    """Identity, workload, port, method, host and template are there, secrets are not; a killed control plane still knows."""
    for number in range(12):
        assert ask(mesh, "web", f"http://reviews:9080/books/{number}/reviews?token=s3cret", authorization="Bearer s3cret") == 200
    assert ask(mesh, "batch", "http://reviews.default:9080/import", "POST") == 200

    def seen() -> list[dict[str, Any]] | None:
        found = calls(mesh, workload="reviews")
        return found if sum(one["count"] for one in found) >= 13 else None

    found = mesh.until(seen, 15)
    assert isinstance(found, list)
    rows = {(one["source"]["identity"], one["method"], one["host"], one["path"]): one for one in found}
    read = rows["spiffe://cluster.local/ns/default/sa/web", "GET", "reviews:9080", "/books/{*}/reviews"]
    assert read["count"] == 12 and read["deniedBy"] == "" and read["source"]["transport"] == "mtls"
    assert read["destination"]["port"] == 9080 and read["destination"]["labels"]["app"] == "reviews"
    assert ("spiffe://cluster.local/ns/jobs/sa/batch", "POST", "reviews.default:9080", "/import") in rows
    assert "s3cret" not in str(found)
    mesh.until(lambda: b"reviews" in (mesh.home.path / "calls.db-wal").read_bytes() or None, 10)
    mesh.killed(CONTROL_PLANE)
    mesh.until(mesh.ready_control_plane)
    kept = {(one["path"], one["count"]) for one in calls(mesh, workload="reviews")}
    assert kept >= {("/books/{*}/reviews", 12), ("/import", 1)}
