"""What `weft up` itself writes to the API: a namespace and a Service for what the file declares, and the identities this node may
ask for. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from weft.supervisor.application import Port, Service

Json = dict[str, Any]
OURS = {"app.kubernetes.io/managed-by": "weft-up"}
"""The label of what is ours to remove when the file no longer says it."""


def objects(services: Iterable[Service], node: str) -> list[Json]:
    """Namespaces first, then Services, then the Node; sorted, and equal for equal files."""
    services = tuple(services)
    spaces = sorted({service.namespace for service in services})
    return [*map(_namespace, spaces), *_services(services), _node(services, node)]


def _namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _services(services: tuple[Service, ...]) -> list[Json]:
    ports: dict[tuple[str, str], dict[int, Port]] = {}
    for service in services:
        if service.ports:
            known = ports.setdefault((service.namespace, service.service), {})
            for port in service.ports:  # while a file replaces another one, two of its services may disagree: the later wins
                for number in [number for number, other in known.items() if other.name == port.name]:
                    del known[number]
                known[port.number] = port
    return [_service(namespace, name, found) for (namespace, name), found in sorted(ports.items())]


def _service(namespace: str, name: str, ports: Mapping[int, Port]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name, **OURS}},
        "spec": {"selector": {"app": name}, "ports": [_port(port) for _, port in sorted(ports.items())]},
    }


def _port(port: Port) -> Json:
    protocol = {"appProtocol": port.app_protocol} if port.app_protocol else {}
    return {"name": port.name, "port": port.number, **protocol}


def _node(services: tuple[Service, ...], node: str) -> Json:
    granted = sorted({(service.namespace, service.service_account) for service in services})
    return {
        "apiVersion": "mesh.weft.dev/v1alpha1",
        "kind": "Node",
        "metadata": {"name": node},
        "spec": {"identities": [{"namespace": namespace, "serviceAccount": account} for namespace, account in granted]},
    }
