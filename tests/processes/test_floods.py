"""A gateway under a flood from one client: the others are served as before."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

import pytest

from processes.mesh import RunningMesh, running_mesh

MESH = """
x-weft: {proxies: {heap: 512m, connections: 300}}
services:
  shop: {command: weft echo, x-weft: {ports: [{name: http, port: 8080}]}}
  ingress: {x-weft: {gateway: true, namespace: istio-system, labels: {istio: ingressgateway}}}
"""
GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 18480, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec: {hosts: ["*"], gateways: [istio-system/edge], http: [{route: [{destination: {host: shop}}]}]}
"""
LIMITS = """
apiVersion: mesh.weft.dev/v1alpha1
kind: RateLimit
metadata: {name: clients, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  rules: [{name: each, per: [remote.ip], limit: {requests: 60}}]
---
apiVersion: mesh.weft.dev/v1alpha1
kind: RateLimit
metadata: {name: connections, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  mode: GLOBAL
  rules: [{per: [remote.ip], limit: {connections: 20}}]
"""
CLIENTS, EACH, SECONDS, IN_TIME = 3, 10, 6, 1.0


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """A service behind a gateway."""
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed")
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        running.apply(GATEWAY)
        running.until(lambda: port(running) and served(port(running), "127.0.0.9"), 15)
        yield running


def port(mesh: RunningMesh) -> int:
    """Where the gateway listens."""
    return int(mesh.instances()["ingress-0"]["gatewayPorts"].get("18480", 0))


def served(at: int, source: str) -> bool:
    """Whether a request of a client with this address is answered in time."""
    connection = HTTPConnection("127.0.0.1", at, timeout=IN_TIME, source_address=(source, 0))
    try:
        connection.request("GET", "/", headers={"Host": "shop"})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def goodput(at: int) -> int:
    """How many requests of three clients, ten a second each, are served in time."""
    good = [0] * CLIENTS

    def ask(client: int) -> None:
        began = time.monotonic()
        for turn in range(EACH * SECONDS):
            time.sleep(max(0.0, began + turn / EACH - time.monotonic()))
            good[client] += served(at, f"127.0.0.{client + 2}")

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(good)


def held(at: int, most: int) -> list[socket.socket]:
    """Connections of one client that say nothing, a hundred a second, as many as are not closed."""
    opened = []
    for _ in range(most):
        opened.append(socket.create_connection(("127.0.0.1", at), 2))
        time.sleep(0.01)
    time.sleep(0.5)
    return [one for one in opened if not _closed(one)]


def _closed(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_under_a_flood_of_one_client_the_others_keep_their_goodput(mesh: RunningMesh) -> None:
    """While one client sends what it can and opens connections by the hundred, until there would be room for nobody else, nine of
    ten requests of the others are served."""
    at = port(mesh)
    mesh.apply(LIMITS)
    mesh.until(lambda: "limiter" in mesh.processes() and (mesh.home.limiter_socket).exists(), 20)
    whole = CLIENTS * EACH * SECONDS
    calm = goodput(at)
    assert calm >= 0.95 * whole
    flood = subprocess.Popen(["wrk", "-t1", "-c100", f"-d{SECONDS + 30}s", f"http://127.0.0.1:{at}/"], stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)
        kept = held(at, 300)
        flooded = goodput(at)
    finally:
        flood.kill()
        flood.wait()
    for one in kept:
        one.close()
    print(f"goodput {calm} and under the flood {flooded} of {whole}; of 300 idle connections {len(kept)} were taken")
    assert flooded >= 0.9 * calm
    assert len(kept) < 150
