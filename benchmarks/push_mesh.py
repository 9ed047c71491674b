"""The mesh of the push benchmark, as its resources: services that all have two workloads, a route with weights, and subsets."""

from collections.abc import Iterator
from typing import Any

from weft.model.workload import Address, InboundPort, Proxy, Workload
from weft.resource.kinds import by_kind
from weft.store.store import Key

Body = dict[str, Any]
NAMESPACE = "default"
SHARED = "svc-00000"
"""The service that every client calls."""

_CREATED = "2026-01-01T00:00:00Z"
_ISTIO = "networking.istio.io/v1"


def name(number: int) -> str:
    """The name of a service."""
    return f"svc-{number:05d}"


def host(service: str) -> str:
    """Its full name."""
    return f"{service}.{NAMESPACE}.svc.cluster.local"


def called(client: int, services: int, each: int) -> tuple[str, ...]:
    """The services that a client calls: the shared one, and others spread evenly."""
    others = max(services - 1, 1)
    return (SHARED, *(name(1 + (client * (each - 1) + i) % others) for i in range(min(each - 1, others))))


def resources(services: int) -> Iterator[Body]:
    """The whole mesh."""
    for number in range(services):
        yield from service(name(number), number)


def service(of: str, number: int) -> Iterator[Body]:
    """All that is said of one service."""
    yield _object("v1", "Service", of, {"selector": {"app": of}, "ports": [{"name": "http", "port": 80}]})
    for version in (1, 2):
        yield workload(of, number, version)
    subsets = [{"name": f"v{version}", "labels": {"version": f"v{version}"}} for version in (1, 2)]
    yield _object(_ISTIO, "DestinationRule", of, {"host": of, "subsets": subsets})
    yield weights(of, 90)


def weights(of: str, first: int) -> Body:
    """The VirtualService of a service: `first` percent to v1."""
    route = [
        {"destination": {"host": of, "subset": f"v{version}"}, "weight": weight}
        for version, weight in ((1, first), (2, 100 - first))
    ]
    return _object(_ISTIO, "VirtualService", of, {"hosts": [of], "http": [{"route": route}]})


def workload(of: str, number: int, version: int, healthy: bool = True) -> Body:
    """One of a service's workloads, as discovery writes it."""
    labels = {"app": of, "version": f"v{version}", "security.istio.io/tlsMode": "istio", "mesh.weft.dev/node": "node-0"}
    spec = {
        "address": f"127.{1 + number // 60_000}.{number // 250 % 240}.{1 + number % 250}",
        "labels": labels,
        "serviceAccount": of,
        "ports": {"http": 10_000 + version},
    }
    condition = {"type": "Healthy", "status": str(healthy), "reason": "HealthCheck", "lastTransitionTime": _CREATED}
    body = _object(_ISTIO, "WorkloadEntry", f"{of}-v{version}", spec)
    body["metadata"]["labels"] = labels
    return {**body, "status": {"conditions": [condition]}}


def _object(api_version: str, kind: str, of: str, spec: Body) -> Body:
    metadata = {"name": of, "namespace": NAMESPACE, "creationTimestamp": _CREATED, "uid": f"{kind}-{of}", "generation": 1}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def namespace() -> Body:
    """The one namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "uid": "n"}, "spec": {}}


def key(body: Body) -> Key:
    """Where an object stands in the store."""
    kind = by_kind(body["apiVersion"], body["kind"])
    assert kind is not None
    return Key(kind.resource, body["metadata"].get("namespace", ""), body["metadata"]["name"])


def proxy_name(client: int) -> str:
    """The workload of a client."""
    return f"{NAMESPACE}/client-{client:05d}"


def proxies(clients: int) -> dict[str, Proxy]:
    """The sidecars: each has ports and labels of its own, as a hundred applications on one machine would."""
    return {proxy_name(client): _proxy(client) for client in range(clients)}


def _proxy(client: int) -> Proxy:
    name = proxy_name(client).partition("/")[2]
    labels = (("app", name), ("version", "v1"))
    inbound = InboundPort("http", 80, "http", Address("127.0.0.1", 20_000 + client), Address("127.0.0.1", 30_000 + client))
    return Proxy(Workload(NAMESPACE, name, name, labels), False, Address("127.0.0.1", 40_000 + client), (inbound,))
