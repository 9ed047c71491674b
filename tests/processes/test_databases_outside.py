"""Databases outside of the mesh that want TLS, used by clients that speak none: their sidecar originates it."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from processes.calls import folder_of_nobody, needs, run, self_signed
from processes.mesh import RunningMesh, running_mesh
from processes.test_protocols import HAS_POSTGRES, START_POSTGRES

MESH = """
services:
  client:
    command: sleep 100000
    x-weft: {upstreams: [{host: redis.example.com, port: 6379}, {host: postgres.example.com, port: 5432}]}
"""
OUTSIDE = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}}}
spec:
  hosts: [{name}.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: {number}, name: tcp-{name}, protocol: TCP}}]
  endpoints: [{{address: 127.0.0.1, ports: {{tcp-{name}: {port}}}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}}}
spec:
  host: {name}.example.com
  trafficPolicy: {{tls: {{mode: SIMPLE, caCertificates: {authority}, sni: db.example.com}}}}
"""
HAPROXY = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen postgres
  bind 127.0.0.1:{port} ssl crt {folder}/both.pem
  server one 127.0.0.1:{behind}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(port: int, log: Path, *command: str, **environ: str) -> Iterator[None]:
    """A program that listens, while the block runs."""
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output, env={**_PATH, **environ}) as process:
        try:
            for _ in range(300):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield
        finally:
            process.terminate()


_PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def edge(mesh: RunningMesh, host: str) -> dict[str, object]:
    """The edge to a host in `weft stat`."""
    with mesh.api() as api:
        edges = api.get("/weft/v1/edges")["items"]
    return next((each for each in edges if each["destination"] == host), {})


@needs("redis-server", "redis-cli")
def test_redis_with_tls(mesh: RunningMesh, tmp_path: Path) -> None:
    """A Redis that speaks nothing but TLS answers a client that speaks none; with another authority it is not trusted."""
    certificate, key = self_signed("db.example.com", tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = self_signed("db.example.com", tmp_path / "other")
    port = free_port()
    options = ("--tls-port", str(port), "--port", "0", "--tls-auth-clients", "no", "--save", "", "--bind", "127.0.0.1")
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate))
    with server(port, tmp_path / "log", "redis-server", *options, *files):
        mesh.apply(OUTSIDE.format(name="redis", number=6379, port=port, authority=certificate))
        asked = ("sh", "-c", "redis-cli -u redis://$REDIS_ADDR ping")
        mesh.until(lambda: run(mesh, *asked, code=None).out.strip() == "PONG")
        found = mesh.until(lambda: edge(mesh, "redis.example.com"))
        assert (found["source"], found["port"], found["mtls"], found["tls"]) == ("client", 6379, False, True)
        assert float(str(found["connections"])) > 0
        assert "TLS" in mesh.weft("stat").out
        mesh.apply(OUTSIDE.format(name="redis", number=6379, port=port, authority=other))
        mesh.until(lambda: "PONG" not in run(mesh, *asked, code=None).out)


@pytest.mark.skipif(not HAS_POSTGRES, reason="PostgreSQL is not installed")
@needs("psql", "haproxy")
def test_postgresql_behind_tls(mesh: RunningMesh, tmp_path: Path) -> None:
    """A PostgreSQL behind a server that ends TLS answers a client that speaks none."""
    certificate, key = self_signed("db.example.com", tmp_path)
    (tmp_path / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    port, behind = free_port(), free_port()
    (tmp_path / "haproxy.cfg").write_text(HAPROXY.format(port=port, folder=tmp_path, behind=behind))
    with folder_of_nobody() as (folder, user), ExitStack() as running:
        (folder / "start.sh").write_text(START_POSTGRES.format(folder=folder))
        command = (*user.split(), "sh", str(folder / "start.sh"))
        running.enter_context(server(behind, tmp_path / "postgres.log", *command, HOST="127.0.0.1", PORT=str(behind)))
        haproxy = (str(shutil.which("haproxy")), "-f", str(tmp_path / "haproxy.cfg"))
        running.enter_context(server(port, tmp_path / "haproxy.log", *haproxy))
        mesh.apply(OUTSIDE.format(name="postgres", number=5432, port=port, authority=certificate))
        asked = ("sh", "-c", "psql -At postgres://app@$POSTGRES_ADDR/postgres?sslmode=disable -c 'select 6 * 7'")
        mesh.until(lambda: run(mesh, *asked, code=None).out.strip() == "42")
        found = mesh.until(lambda: edge(mesh, "postgres.example.com"))
        assert (found["source"], found["mtls"], found["tls"]) == ("client", False, True)
