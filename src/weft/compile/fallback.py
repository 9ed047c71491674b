"""The cluster of a destination that has a fallback: others, of which the first takes all calls while it has a healthy endpoint.
https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/aggregate_cluster
"""

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.extensions.clusters.aggregate.v3.cluster_pb2 import ClusterConfig

from weft.compile.cluster import circuit_breakers
from weft.compile.scope.inputs import FallbackInput
from weft.envoy.types import CLUSTER, EnvoyResource, duration, envoy_resource, packed
from weft.model.traffic import ConnectionPool

NAME = "envoy.clusters.aggregate"


def fallback(of: FallbackInput) -> EnvoyResource:
    """The cluster. What it is made of is told beside it, by whoever names it."""
    message = Cluster(
        name=of.name,
        connect_timeout=duration(10),
        lb_policy="CLUSTER_PROVIDED",
        circuit_breakers=circuit_breakers(of.policy.connection_pool or ConnectionPool(), of.policy.retry_budget),
        cluster_type={"name": NAME, "typed_config": packed(ClusterConfig(clusters=of.members))},
    )
    return envoy_resource(CLUSTER, of.name, message, hosts=of.hosts, origins=of.origins)
