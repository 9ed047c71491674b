"""Patches of clusters, and clusters that patches add."""

from collections.abc import Iterator

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError, Message

from weft.compile.patch.merge import merge
from weft.compile.patch.place import Patched, concerns, fits_cluster
from weft.envoy.names import is_passed, parse_outbound
from weft.envoy.types import CLUSTER, EnvoyResource, duration, envoy_resource
from weft.model.extension import ApplyTo, Operation, Patch


def cluster(of: Patched) -> EnvoyResource:
    """The cluster as its patches change it. One that is removed has no endpoints: routes still name it, and are answered 503."""
    message = Cluster.FromString(of.of.body)
    used = [one for one in of.patches if one.apply_to is ApplyTo.CLUSTER and _applied(message, of, one)]
    if not used:
        return of.of
    origins = sorted({*of.of.origins, *(one.origin for one in used)})
    eds = message.type == Cluster.EDS and not message.HasField("cluster_type")
    return envoy_resource(CLUSTER, of.of.name, message, hosts=of.of.hosts, origins=tuple(origins), eds=eds)


def _applied(message: Cluster, of: Patched, patch: Patch) -> bool:
    if not concerns(patch, of.place.side) or not fits_cluster(patch.where, *known_as(of.of.name)):
        return False
    if patch.operation is Operation.REMOVE:
        message.CopyFrom(Cluster(name=of.of.name, type="STATIC", connect_timeout=duration(1)))
        return True
    if patch.operation is not Operation.MERGE:
        return False
    value = Cluster.FromString(patch.value)
    value.ClearField("name")  # the routes name it
    if value.HasField("transport_socket") and message.transport_socket.name != value.transport_socket.name:
        message.ClearField("transport_socket")
    merge(message, value)
    return True


def known_as(name: str) -> tuple[str, int, str, str]:
    """Istio's name of a cluster of ours, and the port, subset and host in it."""
    if outbound := parse_outbound(name):
        port, subset, host = outbound
        return name if is_passed(name) else f"outbound|{port}|{subset}|{host}", port, subset, host
    kind, _, rest = name.partition("|")
    number = rest.partition("|")[0]
    return name, int(number) if kind == "inbound" and number.isdecimal() else 0, "", ""


def added(of: Patch) -> EnvoyResource:
    """A cluster that a patch adds."""
    message = Cluster.FromString(of.value)
    eds = message.type == Cluster.EDS and not message.HasField("cluster_type")
    return envoy_resource(CLUSTER, message.name, message, origins=(of.origin,), eds=eds)


def is_addition(of: Patch) -> bool:
    """Whether a patch adds a cluster."""
    return of.apply_to is ApplyTo.CLUSTER and of.operation is Operation.ADD


def clusters_named(of: Message) -> Iterator[str]:
    """The clusters of the mesh that a message names, at whatever depth: `outbound|...`."""
    if isinstance(of, Any):
        try:
            kind = descriptor_pool.Default().FindMessageTypeByName(of.type_url.rpartition("/")[2])
            yield from clusters_named(message_factory.GetMessageClass(kind).FromString(of.value))
        except (KeyError, DecodeError):
            pass
        return
    for field, value in of.ListFields():
        if field.type == field.TYPE_STRING:
            values = value if field.is_repeated else [value]
            yield from (one for one in values if parse_outbound(one))
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for one in value.values():
                    yield from clusters_named(one)
        elif field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                yield from clusters_named(one)
