"""EndpointSlices: the endpoints of Services without a selector.
https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from collections.abc import Iterator

from weft.hostname import service_name
from weft.model.endpoint import Endpoint, Health, Locality
from weft.model.mesh import Settings
from weft.resource.core.endpoint_slice import SERVICE_NAME, EndpointConditions, EndpointSlice, SliceEndpoint
from weft.resource.resource import Resource
from weft.translate.endpoints import endpoints
from weft.translate.statement import Backing, Instance, Slice, Statement


def endpoint_slice(resource: Resource, said: EndpointSlice, settings: Settings) -> Statement | None:
    """What one slice says; nothing without a Service's name, or where addresses are names."""
    meta, name = resource.meta, resource.meta.labels.get(SERVICE_NAME, "")
    if not name or said.address_type == "FQDN":
        return None
    ports = tuple((one.name, one.port) for one in said.ports if one.port)
    instances = tuple(_instance(f"{meta.namespace}/{meta.name}", meta.namespace, one, ports) for one in said.endpoints)
    return Statement(resource.ref, slice=Slice(service_name(name, meta.namespace, settings.domain), instances))


def _instance(key: str, namespace: str, of: SliceEndpoint, ports: tuple[tuple[str, int], ...]) -> Instance:
    said = of.conditions or EndpointConditions()
    ill = not (said.ready if said.ready is not None else said.serving is not False)
    health = Health.DRAINING if said.terminating else Health.UNHEALTHY if ill else Health.HEALTHY
    return Instance(key, namespace, of.addresses[0], ports, locality=Locality(zone=of.zone), health=health)


def sliced(backing: Backing, of: Slice) -> Iterator[Endpoint]:
    """The endpoints that a slice has for a Service: of a port that the slice does not name there is none."""
    for instance in of.instances:
        known = dict(instance.ports)
        yield from (one for one in endpoints(backing, instance) if one.port_name in known)
