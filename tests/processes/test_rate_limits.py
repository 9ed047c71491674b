"""Rate limits in running meshes: of one proxy, and of several that count together, in the limiter and in a real Redis."""

import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest

from processes.mesh import Answer, RunningMesh, running_mesh
from processes.test_authorization import Issuer, bearer
from weft.agent.envoy_process import admin_socket

SERVICES = """
services:
  client: {command: sleep 100000}
  other: {command: sleep 100000}
  solo: {command: weft echo, x-weft: {ports: [{name: http, port: 8080}]}}
  few: {command: weft echo, x-weft: {ports: [{name: http, port: 8080}, {name: tcp, port: 5432}]}}
  three: {command: weft echo, x-weft: {ports: [{name: http, port: 8080}]}, scale: 3}
"""
SHARED = """
x-weft: {limiter: {redis: "%s"}}
services:
  client: {command: sleep 100000}
  three: {command: weft echo, x-weft: {ports: [{name: http, port: 8080}]}, scale: 3}
"""
SECONDS, RATE, OFFERED = 60, 10, 50
_CALLERS = 6  # each ten times a second: somewhat more, since a busy machine makes them late


@pytest.fixture(scope="module")
def redis() -> Iterator["Redis"]:
    """A Redis."""
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    server = Redis()
    try:
        yield server
    finally:
        server.stop()


class Redis:
    """A real Redis at a Unix socket."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="weft-r-"))
        self.url = f"unix://{self._folder}/s"
        line = ["redis-server", "--port", "0", "--unixsocket", str(self._folder / "s"), "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen(line, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ends it, and leaves nothing."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory, redis: Redis) -> Iterator[tuple[RunningMesh, RunningMesh]]:
    """One mesh whose limiter counts itself, and one whose limiter counts in the Redis; they start side by side."""
    over, ready = threading.Event(), threading.Event()
    found: list[RunningMesh] = []
    first_folder, second_folder = tmp_path_factory.mktemp("mesh"), tmp_path_factory.mktemp("shared")

    def second() -> None:
        with running_mesh(second_folder, SHARED % redis.url) as running:
            found.append(running)
            ready.set()
            over.wait()

    with ThreadPoolExecutor(1) as pool:
        kept = pool.submit(second)
        try:
            with running_mesh(first_folder, SERVICES) as mesh:
                while not ready.wait(0.1):
                    assert not kept.done(), kept.exception()
                yield mesh, found[0]
        finally:
            over.set()


@pytest.fixture
def mesh(meshes: tuple[RunningMesh, RunningMesh]) -> RunningMesh:
    """The first mesh."""
    return meshes[0]


def limit(mesh: RunningMesh, name: str, spec: str) -> None:
    """Applies a RateLimit."""
    meta = f"{{name: {name}, namespace: default}}"
    mesh.apply(f"{{apiVersion: mesh.weft.dev/v1alpha1, kind: RateLimit, metadata: {meta}, spec: {{{spec}}}}}")


def until(mesh: RunningMesh, status: int, url: str, **headers: str) -> Answer:
    """The first answer with `status`."""

    def answered() -> Answer | None:
        found = mesh.call(url, headers=headers)
        return found if found.status == status else None

    found = mesh.until(answered, 5)
    assert isinstance(found, Answer)
    return found


def counted(mesh: RunningMesh, instance: str, statistic: str) -> int:
    """A counter of an instance's Envoy."""
    connection = HTTPConnection("envoy")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(admin_socket(mesh.home.runtime, f"default/{instance}")))
    connection.request("GET", "/stats")
    page = connection.getresponse().read().decode()
    connection.close()
    return sum(int(line.rpartition(":")[2]) for line in page.splitlines() if line.startswith(f"{statistic}:"))


def admitted(mesh: RunningMesh, url: str) -> tuple[int, dict[int, int]]:
    """How many of five times as many calls as may pass in a minute pass, and all statuses."""
    line = ["hey", "-z", f"{SECONDS}s", "-c", str(_CALLERS), "-q", "10", "-t", "5", "-x", f"http://{mesh.proxy()}", url]
    out = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS + 30, check=True).stdout
    statuses = {int(status): int(count) for status, count in re.findall(r"\[(\d+)\]\s+(\d+) responses", out)}
    return statuses.get(200, 0), statuses


def test_a_limit_holds_at_once_and_says_what_is_left(mesh: RunningMesh) -> None:
    """On a connection that is open a new limit holds for the next request; each caller has its own bucket; a refusal names the
    rule and says when to come again; a limit in the shadow refuses nobody and is counted."""
    connection = HTTPConnection(mesh.proxy(), timeout=10)

    def ask() -> tuple[int, dict[str, str], str]:
        connection.request("GET", "http://few:8080/x?y", headers={"Host": "few:8080"})
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode()

    assert ask()[0] == 200
    limit(mesh, "seen", "selector: {matchLabels: {app: few}}, shadow: true, rules: [{limit: {requests: 1, unit: DAY}}]")
    rules = "rules: [{name: each, per: [source.principal], limit: {requests: 6, unit: MINUTE, burst: 2}}]"
    limit(mesh, "callers", f"selector: {{matchLabels: {{app: few}}}}, {rules}")
    mesh.until(lambda: "ratelimit" in ask()[1], 5)
    mesh.until(lambda: ask()[0] == 429, 5)
    status, headers, body = ask()
    assert (status, body) == (429, "weft: too many requests: RateLimit default/callers/each\n")
    assert headers["retry-after"] == "10" and headers["x-weft-limited-by"] == "default/callers/each"
    assert headers["ratelimit"] == '"default/callers/each";r=0;t=20'
    assert headers["ratelimit-policy"] == '"default/callers/each";q=6;w=60'
    others = [mesh.call("http://few:8080/", proxy=mesh.proxy("other-0")) for _ in range(3)]
    assert [one.status for one in others] == [200, 200, 429]
    assert others[0].headers["ratelimit"] == '"default/callers/each";r=1;t=20'
    assert counted(mesh, "few-0", "weft.default.seen.0.http_local_rate_limit.rate_limited") > 0
    assert counted(mesh, "few-0", "weft.default.seen.0.http_local_rate_limit.enforced") == 0


@pytest.mark.parametrize("mode", ["LOCAL", "GLOBAL"])
def test_each_value_of_what_is_counted_by_has_its_own_bucket(mesh: RunningMesh, mode: str) -> None:
    """A header, a path without its query, a method, a token's claim and its subject: one passes of each, and who has none
    of it shares a bucket with others who have none. What does not match is not counted."""
    issuer = Issuer("https://login.example.com")
    mesh.apply(f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens, namespace: default}}
spec: {{selector: {{matchLabels: {{app: solo}}}}, jwtRules: [{{issuer: "https://login.example.com", jwks: '{issuer.jwks}'}}]}}
""")
    of_tokens = ("request.auth.claims[org][id]", "request.auth.principal")
    kinds = ("request.headers[x-user]", "request.url_path", "request.method", *of_tokens)
    matches = [f"match: {{headers: {{x-test: {{exact: {mode}{i}}}}}}}" for i in range(len(kinds))]
    once = "limit: {requests: 1, unit: DAY}"
    rules = ", ".join(f"{{{match}, per: ['{kind}'], {once}}}" for match, kind in zip(matches, kinds, strict=True))
    limit(mesh, "keys", f"selector: {{matchLabels: {{app: solo}}}}, mode: {mode}, rules: [{rules}]")

    def ask(kind: int, path: str = "/", method: str = "GET", token: str = "", **headers: str) -> int:
        told = {"x-test": f"{mode}{kind}", **headers, **(bearer(token) if token else {})}
        return mesh.call(f"http://solo:8080{path}", method=method, headers=told).status

    mesh.until(lambda: ask(0, user="probe") == 429, 15)
    assert [ask(0, **{"x-user": one}) for one in ("ann", "ann", "bob", "bob")] == [200, 429, 200, 429]
    assert [ask(0), ask(0, **{"x-user": "cem"}), ask(0)] == [429, 200, 429]
    assert [ask(1, path) for path in ("/a", "/a?b", "/b", "/b")] == [200, 429, 200, 429]
    assert [ask(2, method=method) for method in ("GET", "PUT", "GET", "PUT")] == [200, 200, 429, 429]
    first, second = (issuer.token(sub=f"user-{one}", org={"id": one}) for one in ("one", "two"))
    assert [ask(3, token=one) for one in (first, first, second, "", "")] == [200, 429, 200, 200, 429]
    assert [ask(4, token=one) for one in (first, first, second, "", "")] == [200, 429, 200, 200, 429]
    assert {ask(9) for _ in range(5)} == {200}
    with mesh.api() as api:
        api.request("DELETE", "/apis/mesh.weft.dev/v1alpha1/namespaces/default/ratelimits/keys")


def test_connections_are_limited_too(mesh: RunningMesh) -> None:
    """Beyond the burst a connection to a TCP port is closed before anything passes."""
    target = "targetRefs: [{group: '', kind: Service, name: few}]"
    limit(mesh, "connections", f"{target}, rules: [{{match: {{ports: [5432]}}, limit: {{connections: 2, unit: HOUR}}}}]")

    def passes() -> bool:
        host, port = mesh.proxy().rsplit(":", 1)
        with socket.create_connection((host, int(port)), 5) as tunnel:
            tunnel.sendall(b"CONNECT few:5432 HTTP/1.1\r\nHost: few:5432\r\n\r\n")
            tunnel.recv(4096)
            tunnel.sendall(b"hello\n")
            try:
                return bool(tunnel.recv(100))
            except OSError:
                return False

    mesh.until(lambda: not passes(), 10)


def test_what_passes_is_within_five_percent_of_the_limit(
    meshes: tuple[RunningMesh, RunningMesh], redis: Redis
) -> None:
    """Over a minute at five times the limit: of one proxy by itself, of three that count together, and of three that count in a
    Redis. Then the Redis dies: what is to be refused without it is refused, what is to pass passes."""
    mesh, shared = meshes
    once = f"rules: [{{limit: {{requests: {RATE}}}}}]"
    strict = "mode: GLOBAL, onLimiterFailure: DENY"
    limit(mesh, "solo", f"selector: {{matchLabels: {{app: solo}}}}, {once}")
    for one in meshes:
        limit(one, "three", f"targetRefs: [{{group: '', kind: Service, name: three}}], {strict}, {once}")
        one.until(lambda one=one: one.call("http://three:8080/").headers.get("ratelimit"), 15)
    until(mesh, 200, "http://solo:8080/")
    with ThreadPoolExecutor(3) as pool:
        runs = {
            name: pool.submit(admitted, of, url)
            for name, of, url in (
                ("local", mesh, "http://solo:8080/"),
                ("global", mesh, "http://three:8080/"),
                ("redis", shared, "http://three:8080/"),
            )
        }
        found = {name: run.result() for name, run in runs.items()}
    print(found)
    for name, (passed, statuses) in found.items():
        assert sum(statuses.values()) > 0.9 * SECONDS * OFFERED, (name, statuses)
        assert abs(passed - RATE * SECONDS) <= 0.05 * RATE * SECONDS, (name, statuses)
    redis.kill()
    denied = until(shared, 503, "http://three:8080/")
    assert "onLimiterFailure: DENY" in denied.body
    assert {shared.call("http://three:8080/").status for _ in range(10)} == {503}
    limit(shared, "three", f"targetRefs: [{{group: '', kind: Service, name: three}}], mode: GLOBAL, {once}")
    until(shared, 200, "http://three:8080/")
    assert {shared.call("http://three:8080/").status for _ in range(60)} == {200}
    shared.until(lambda: "rate limiter does not answer" in shared.log("agent"), 10)
    assert "event=store-away" in shared.log("limiter")
