"""The endpoints of a cluster, grouped by priority and locality.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/endpoint/v3/endpoint.proto

Each carries the workload's name, so that an access log or a dump says who it was and not only where.
"""

from itertools import groupby
from typing import Any

from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint as LbEndpointMessage
from envoy.config.endpoint.v3.endpoint_components_pb2 import LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from weft.compile import metadata
from weft.compile.scope.inputs import EndpointsInput, LbEndpoint
from weft.envoy.types import ENDPOINTS, EnvoyResource, envoy_resource
from weft.model.endpoint import Health, Locality

_HEALTH = {Health.HEALTHY: "HEALTHY", Health.UNHEALTHY: "UNHEALTHY", Health.DRAINING: "DRAINING"}


def cluster_load_assignment(of: EndpointsInput) -> EnvoyResource:
    """All endpoints of a cluster; an empty assignment when it has none."""
    groups = groupby(of.endpoints, key=lambda one: (one.priority, one.locality))
    weights = dict(of.weights)
    message = ClusterLoadAssignment(
        cluster_name=of.cluster,
        endpoints=[_locality_endpoints(*where, weights.get(where[1], 0), list(group)) for where, group in groups],
        policy={"overprovisioning_factor": {"value": of.overprovisioning}} if of.overprovisioning else None,
    )
    return envoy_resource(ENDPOINTS, of.cluster, message, hosts=of.hosts)


def _locality_endpoints(priority: int, where: Locality, weight: int, endpoints: list[LbEndpoint]) -> LocalityLbEndpoints:
    return LocalityLbEndpoints(
        priority=priority,
        load_balancing_weight={"value": weight} if weight else None,
        locality={"region": where.region, "zone": where.zone, "sub_zone": where.sub_zone},
        lb_endpoints=[_lb_endpoint(one) for one in endpoints if one.weight > 0],
    )


def _lb_endpoint(of: LbEndpoint) -> LbEndpointMessage:
    return LbEndpointMessage(
        endpoint={"address": _address(of)},
        health_status=_HEALTH[of.health],
        load_balancing_weight={"value": of.weight},
        metadata=metadata.words(workload=of.workload) if of.workload else None,
    )


def _address(of: LbEndpoint) -> dict[str, Any]:
    """A socket of the machine by its path; `@` begins an abstract one."""
    scheme, separator, path = of.address.partition("://")
    if scheme == "unix" and separator:
        return {"pipe": {"path": path}}
    return {"socket_address": {"address": of.address, "port_value": of.port}}
