"""Envoy resources as values: serialized once, named by content, and aware of whom they came from."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import NewType

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from weft.ref import Ref

TypeUrl = NewType("TypeUrl", str)

_PREFIX = "type.googleapis.com/envoy.config."
LISTENER = TypeUrl(_PREFIX + "listener.v3.Listener")
ROUTE_CONFIGURATION = TypeUrl(_PREFIX + "route.v3.RouteConfiguration")
VIRTUAL_HOST = TypeUrl(_PREFIX + "route.v3.VirtualHost")
CLUSTER = TypeUrl(_PREFIX + "cluster.v3.Cluster")
ENDPOINTS = TypeUrl("type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment")
SECRET = TypeUrl("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret")


@dataclass(frozen=True, slots=True)
class EnvoyResource:
    """One Envoy resource, serialized.

    `body` is the message's bytes (without the Any around it) and `version` a hash of them, so that equal content has an
    equal version in every process and after every restart. `clusters` are the names of the clusters it sends traffic to:
    they must be there before it. `hosts` are the mesh's host names it was made from (also those that were looked up in
    vain): a change of one of them may change it. `origins` are the operator's resources it was made from.
    """

    type_url: TypeUrl
    name: str
    body: bytes
    version: str
    clusters: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()
    origins: tuple[Ref, ...] = ()
    eds: bool = False  # a cluster whose endpoints are asked for by its name
    hold: float = 0.0  # seconds a request may still be held by it (delays, retries, timeouts) after it was replaced
    secrets: tuple[str, ...] = ()  # the names of those it needs of the control plane


def envoy_resource(
    type_url: TypeUrl,
    name: str,
    message: Message,
    *,
    clusters: tuple[str, ...] = (),
    hosts: frozenset[str] = frozenset(),
    origins: tuple[Ref, ...] = (),
    eds: bool = False,
    hold: float = 0.0,
    secrets: tuple[str, ...] = (),
) -> EnvoyResource:
    """`message` as an Envoy resource, its bytes deterministic and its version their hash."""
    body = message.SerializeToString(deterministic=True)
    version = blake2b(body, digest_size=8).hexdigest()
    return EnvoyResource(type_url, name, body, version, clusters, hosts, origins, eds, hold, secrets)


def packed(message: Message) -> Any:
    """`message` as an Any, its bytes deterministic."""
    return Any(
        type_url=f"type.googleapis.com/{message.DESCRIPTOR.full_name}", value=message.SerializeToString(deterministic=True)
    )


def duration(seconds: float) -> Duration:
    """A length of time, exact to the nanosecond."""
    whole, part = divmod(round(seconds * 1_000_000_000), 1_000_000_000)
    return Duration(seconds=whole, nanos=part)
