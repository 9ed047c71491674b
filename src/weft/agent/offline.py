"""What the agent answers in the control plane's place while that cannot be reached: a clear 503 instead of a silence.

Envoy asks for a name once in its life, so these answers are replaced, never left standing: a virtual host made here is
removed in the same response that brings the one the control plane sends, since both would claim the same domain.
"""

from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.service.discovery.v3.discovery_pb2 import Resource

from weft.envoy.types import CLUSTER, ENDPOINTS, VIRTUAL_HOST, EnvoyResource, TypeUrl, envoy_resource
from weft.xds import stand_in

VERSION = "control-plane-unreachable"
"""The version of everything made here, by which it is known again after a restart of the agent."""


def stopgap(type_url: TypeUrl, name: str) -> Resource | None:
    """The answer to the asked `name`; None where silence is better (the Envoy goes on with what it has)."""
    if type_url == VIRTUAL_HOST:
        routes, _, host = name.partition("/")
        return _resource(_virtual_host(name, host) if host else stand_in.placeholder(routes), (name,))
    if type_url == CLUSTER:
        return _resource(stand_in.empty_cluster(name))
    if type_url == ENDPOINTS:
        return _resource(envoy_resource(ENDPOINTS, name, ClusterLoadAssignment(cluster_name=name)))
    return None


def _virtual_host(name: str, host: str) -> EnvoyResource:
    words = (
        f"weft: {host} is not known to this sidecar yet, and the control plane cannot be reached to ask for it\n"
        "  hint: hosts in use go on working; this one will as soon as the control plane (weft serve) is back\n"
    )
    return stand_in.answering_virtual_host(name, (host,) if stand_in.is_plain_host(host) else (), 503, words)


def _resource(made: EnvoyResource, aliases: tuple[str, ...] = ()) -> Resource:
    body = {"type_url": made.type_url, "value": made.body}
    return Resource(name=made.name, version=VERSION, aliases=aliases, resource=body)
