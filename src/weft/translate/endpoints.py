"""WorkloadEntries, and the endpoints written in ServiceEntries, into endpoints.

A port of an instance is found by the target port where the instance's own numbers are told (a sidecar listens elsewhere), by
the name of the service's port, then by the target port's name, then it is the target port's number. Addresses of services with
resolution DNS are host names here.
https://istio.io/latest/docs/reference/config/networking/workload-entry/
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from weft.model.endpoint import Endpoint, Health, locality
from weft.model.labels import labels
from weft.resource.istio.workload_entry import WorkloadEntry
from weft.resource.resource import Resource
from weft.translate.statement import Backing, Instance, Statement

TLS_MODE = "security.istio.io/tlsMode"
LOCALITY = "istio-locality"
PORTS = "mesh.weft.dev/ports"


def workload_entry(resource: Resource, spec: WorkloadEntry) -> Statement:
    """A WorkloadEntry: an instance that selectors of its namespace may select."""
    meta = resource.meta
    instance = _instance(f"{meta.namespace}/{meta.name}", meta.namespace, spec, meta.labels, health(resource.status))
    return Statement(resource.ref, instance=replace(instance, numbers=_numbers(meta.annotations.get(PORTS, ""))))


def inline_instance(namespace: str, spec: WorkloadEntry) -> Instance:
    """An endpoint written in a ServiceEntry of `namespace`."""
    return _instance("", namespace, spec, {}, Health.HEALTHY)


def _instance(key: str, namespace: str, spec: WorkloadEntry, more: Mapping[str, str], health: Health) -> Instance:
    all_labels = {**spec.labels, **more}
    return Instance(
        key,
        namespace,
        spec.address,
        tuple(sorted(spec.ports.items())),
        labels(all_labels),
        spec.service_account,
        locality(spec.locality or _labelled_locality(all_labels.get(LOCALITY, ""))),
        spec.network,
        spec.weight or 1,
        _speaks_mtls(all_labels, spec.service_account),
        health,
    )


def _numbers(text: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The numbers by port name in the annotation that the registry writes; none in one that anybody else wrote otherwise."""
    try:
        said = json.loads(text or "{}")
        return tuple((str(name), tuple(map(int, numbers))) for name, numbers in sorted(said.items()))
    except (ValueError, TypeError, AttributeError):
        return ()


def _labelled_locality(text: str) -> str:
    """A label's value has no slash: Istio writes dots instead."""
    return text if "/" in text else text.replace(".", "/")


def _speaks_mtls(of: Mapping[str, str], service_account: str) -> bool:
    """Istio's rule: the label decides; without it, an instance that has a service account is in the mesh."""
    said = of.get(TLS_MODE)
    return said == "istio" if said is not None else bool(service_account)


def health(status: Mapping[str, Any]) -> Health:
    """What `status.conditions` says: draining, unhealthy, or (also when nothing is said) healthy."""
    conditions = status.get("conditions")
    said = {one.get("type"): one.get("status") for one in conditions or () if isinstance(one, Mapping)}
    if said.get("Draining") == "True":
        return Health.DRAINING
    return Health.UNHEALTHY if said.get("Healthy") == "False" else Health.HEALTHY


def endpoints(backing: Backing, instance: Instance) -> Iterable[Endpoint]:
    """The endpoints that `instance` is for the service of `backing`, one for each port."""
    ports, numbers = dict(instance.ports), dict(instance.numbers)
    ready = Health.HEALTHY if backing.not_ready_too and instance.health is Health.UNHEALTHY else instance.health
    declared = {known[0]: name for name, known in instance.numbers if known}
    for port in backing.ports:
        names = (declared.get(port.target, ""), port.name, port.target_name, str(port.number))
        name = next((one for one in names if ports.get(one)), "")
        number = ports.get(name) or port.target
        yield Endpoint(
            instance.address,
            number,
            port.name,
            instance.key,
            instance.namespace,
            instance.service_account,
            instance.labels,
            instance.locality,
            instance.network,
            instance.weight,
            instance.mtls,
            ready,
            numbers.get(name, ()),
        )


def order(endpoint: Endpoint) -> tuple[str, str, str, int]:
    """How the endpoints of a service are sorted: those of one workload stand together."""
    return endpoint.workload, endpoint.port_name, endpoint.address, endpoint.port
