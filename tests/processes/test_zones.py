"""Three zones with ten endpoints each: callers keep to their zone, none is overloaded, and one that is gone is left at once."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from processes.mesh import RunningMesh, running_mesh
from processes.zones import Calls, Endpoints

ZONES = ("a", "b", "c")
EACH = 10
MESH = "services:\n" + "".join(f"  {zone}: {{command: sleep 100000, x-weft: {{locality: eu/{zone}}}}}\n" for zone in ZONES)
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: catalog}
spec: {selector: {app: catalog}, ports: [{name: http, port: 80}]}
"""


def entry(n: int, port: int) -> str:
    """One endpoint without a sidecar; the zones have every third."""
    return f"""
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: catalog-{n}}}
spec: {{address: 127.0.0.1, ports: {{http: {port}}}, locality: eu/{ZONES[n % 3]}, labels: {{app: catalog}}}}
"""


@pytest.fixture(scope="module")
def endpoints() -> Iterator[Endpoints]:
    """Thirty servers."""
    with Endpoints(len(ZONES) * EACH) as running:
        yield running


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, endpoints: Endpoints) -> Iterator[RunningMesh]:
    """A caller in each zone, and the endpoints of one service."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        running.apply(SERVICE + "".join(entry(n, port) for n, port in enumerate(endpoints.ports)))
        yield running


@pytest.fixture
def calls(mesh: RunningMesh) -> Iterator[Calls]:
    """Callers of the service, which do not call yet."""
    with Calls({zone: mesh.proxy(f"{zone}-0") for zone in ZONES}, "catalog") as running:
        yield running


def of_zone(endpoints: Endpoints, zone: str) -> list[int]:
    """The ports of a zone's endpoints."""
    return [port for n, port in enumerate(endpoints.ports) if ZONES[n % 3] == zone]


def inside(endpoints: Endpoints, zone: str) -> float:
    """The part of all requests of a zone that its own endpoints answered."""
    there = endpoints.requests
    return sum(there[(port, zone)] for port in of_zone(endpoints, zone)) / sum(there[(port, zone)] for port in endpoints.ports)


def asked(endpoints: Endpoints, seconds: float) -> Counter[int]:
    """The requests of each endpoint in the next `seconds`."""
    before = endpoints.counted()
    time.sleep(seconds)
    return endpoints.counted() - before


def test_balanced_load_stays_in_its_zone(endpoints: Endpoints, calls: Calls) -> None:
    """At least 95% of the requests are answered in their caller's zone, from the first one on, and all endpoints get alike."""
    calls.rate = dict.fromkeys(ZONES, 120.0)
    found = asked(endpoints, 20)
    assert sum(found.values()) > 5000, found
    kept = {zone: inside(endpoints, zone) for zone in ZONES}
    print("kept", kept)
    assert min(kept.values()) >= 0.95
    assert max(found.values()) <= 1.3 * sum(found.values()) / len(endpoints.ports), found
    assert not calls.failed()


def test_no_endpoint_is_overloaded_by_its_zone(endpoints: Endpoints, calls: Calls) -> None:
    """With three times the load in one zone no endpoint gets more than 1.3 times the mean of all, and that zone keeps most."""
    calls.rate = {"a": 360.0, "b": 120.0, "c": 120.0}
    time.sleep(14)
    found = asked(endpoints, 20)
    mean = sum(found.values()) / len(endpoints.ports)
    print({zone: round(sum(found[port] for port in of_zone(endpoints, zone)) / EACH / mean, 3) for zone in ZONES})
    print("most", max(found.values()) / mean, "least", min(found.values()) / mean, "requests", sum(found.values()))
    assert sum(found.values()) > 4000, found
    assert max(found.values()) <= 1.3 * mean, found
    assert not calls.failed()
    calls.rate = dict.fromkeys(ZONES, 120.0)
    time.sleep(14)
    found = asked(endpoints, 20)  # of fewer requests an endpoint's part varies by itself
    assert max(found.values()) <= 1.3 * sum(found.values()) / len(endpoints.ports), found


def test_an_endpoint_that_drains_gets_nothing_new(mesh: RunningMesh, endpoints: Endpoints, calls: Calls) -> None:
    """Once it is reported as draining no new request comes to it, and the one that it is busy with is answered."""
    endpoints.holding = port = of_zone(endpoints, "b")[0]
    calls.rate = {"b": 100.0}
    mesh.until(lambda: bool(endpoints.held))
    path = f"/apis/networking.istio.io/v1/namespaces/default/workloadentries/catalog-{endpoints.ports.index(port)}"
    with mesh.api() as api:
        conditions = [{"type": "Draining", "status": "True"}]
        api.request("PUT", f"{path}/status", {**api.get(path), "status": {"conditions": conditions}})
    time.sleep(0.5)
    found = asked(endpoints, 3)
    assert sum(found.values()) > 200, found
    assert not found[port], found
    answered = sum(calls.answers.values())
    endpoints.answer_held()
    mesh.until(lambda: sum(calls.answers.values()) > answered)
    assert calls.longest > 3
    assert not calls.failed()
    with mesh.api() as api:
        api.request("PUT", f"{path}/status", {**api.get(path), "status": {}})


FALLBACK = """
---
apiVersion: v1
kind: Service
metadata: {name: spare}
spec: {selector: {app: spare}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: spare-first, annotations: {mesh.weft.dev/fallback: catalog}}
spec: {host: spare}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: spare}
spec: {address: 127.0.0.1, ports: {http: %d}, labels: {app: spare}}
"""


def test_a_fallback_takes_over_at_once(mesh: RunningMesh, endpoints: Endpoints) -> None:
    """The only endpoint of a destination goes under load: the fallback answers, and no request fails."""
    with Endpoints(1) as spare:
        mesh.apply(FALLBACK % spare.ports[0])
        with Calls({"c": mesh.proxy("c-0")}, "spare") as calls:
            calls.rate = {"c": 100.0}
            mesh.until(lambda: sum(spare.counted().values()) > 100)
            before = endpoints.counted()
            assert not asked(endpoints, 1)
            spare.vanish(spare.ports)
            time.sleep(1)
            assert sum((endpoints.counted() - before).values()) > 50
            with mesh.api() as api:
                api.request("DELETE", "/apis/networking.istio.io/v1/namespaces/default/workloadentries/spare")
            time.sleep(1)
            assert not calls.failed()
            assert calls.longest < 1


def kept(endpoints: Endpoints) -> dict[str, float]:
    """The part of each zone's requests in the next seconds that its own endpoints answer."""
    before = endpoints.requests.copy()
    time.sleep(3)
    now = Counter(endpoints.requests) - Counter(before)
    own = {zone: sum(now[(port, zone)] for port in of_zone(endpoints, zone)) for zone in ZONES}
    return {zone: own[zone] / max(1, sum(now[(port, zone)] for port in endpoints.ports)) for zone in ZONES}


def test_callers_leave_a_zone_that_is_gone(mesh: RunningMesh, endpoints: Endpoints, calls: Calls) -> None:
    """When all endpoints of a zone are gone at once, its callers are answered by others within a second, without an error."""
    calls.rate = dict.fromkeys(ZONES, 120.0)
    mesh.until(lambda: set(kept(endpoints).values()) == {1.0}, 60)
    calls.longest = 0.0
    endpoints.vanish(of_zone(endpoints, "a"))
    found = asked(endpoints, 5)
    print(f"longest {calls.longest * 1000:.0f} ms", dict(calls.answers))
    assert not calls.failed()
    assert calls.longest < 1.0
    assert sum(found.values()) > 1500, found
    assert not sum(found[port] for port in of_zone(endpoints, "a"))
