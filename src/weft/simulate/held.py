"""What a proxy holds, as Envoy's messages. https://www.envoyproxy.io/docs/envoy/latest/api-v3/api"""

from typing import Protocol, TypeVar

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from weft.envoy.names import secret_sources
from weft.envoy.types import EnvoyResource

Read = TypeVar("Read", bound=Message)


class Unreadable(Exception):
    """A message says something that this package does not understand."""


class Held(Protocol):
    """Everything one proxy may ask for."""

    def listeners(self) -> tuple[EnvoyResource, ...]:
        """All listeners."""
        ...

    def route_configuration(self, name: str) -> EnvoyResource | None:
        """A route configuration by name."""
        ...

    def virtual_host(self, route_config: str, host: str) -> EnvoyResource:
        """What Envoy is told when it asks for `host`."""
        ...

    def cluster(self, name: str) -> EnvoyResource | None:
        """A cluster by name."""
        ...

    def endpoints(self, name: str) -> EnvoyResource | None:
        """The endpoints of a cluster by its name."""
        ...

    def secret(self, name: str) -> EnvoyResource | None:
        """A secret of the operator's by its name."""
        ...


def is_ready(of: Held, context: CommonTlsContext) -> bool:
    """Whether a TLS context has what it needs: one certificate of those it names, and its authorities. The mesh's own are
    there."""
    shown = [one.name for one in context.tls_certificate_sds_secret_configs]
    trusted = [context.combined_validation_context.validation_context_sds_secret_config.name]
    trusted += [context.validation_context_sds_secret_config.name]
    return (not shown or any(_is_there(of, one) for one in shown)) and all(_is_there(of, one) for one in trusted if one)


def _is_there(of: Held, secret: str) -> bool:
    return not secret_sources(secret) or of.secret(secret) is not None


def listeners(of: Held) -> tuple[Listener, ...]:
    """All listeners."""
    return tuple(Listener.FromString(one.body) for one in of.listeners())


def route_configuration(of: Held, name: str, host: str) -> RouteConfiguration | None:
    """A route configuration; one whose virtual hosts come on demand has the one that is told when `host` is asked for."""
    found = of.route_configuration(name)
    if found is None:
        return None
    message: RouteConfiguration = RouteConfiguration.FromString(found.body)
    if message.HasField("vhds"):
        message.virtual_hosts.append(VirtualHost.FromString(of.virtual_host(name, host).body))
    return message


def cluster(of: Held, name: str) -> Cluster | None:
    """A cluster."""
    found = of.cluster(name)
    return None if found is None else Cluster.FromString(found.body)


def load_assignment(of: Held, cluster: Cluster) -> ClusterLoadAssignment:
    """The endpoints of a cluster, fixed in it or asked for."""
    found = of.endpoints(cluster.eds_cluster_config.service_name or cluster.name) if cluster.type == Cluster.EDS else None
    return cluster.load_assignment if found is None else ClusterLoadAssignment.FromString(found.body)


def unpacked(of: Any, into: type[Read]) -> Read | None:
    """The message in `of` when it is of that type."""
    message = into()
    return message if of.Unpack(message) else None
