"""Deep merge of Envoy messages, as a MERGE means it.

As protobuf merges, with three differences. A value that is one thing (a duration, a wrapped number) replaces what was there
instead of being added up from its parts. What is packed in an Any is merged inside when both are of one type. And elements of a
list of which Envoy knows only one of a kind (circuit breakers of a priority, upgrades of a type) are merged with those of their
kind: appended, they would be ignored or refused.
"""

from typing import Any as Whatever

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from weft.envoy.types import packed

_ANY, _STRUCT = "google.protobuf.Any", "google.protobuf.Struct"
_ONE_OF_A_KIND = {
    "envoy.config.cluster.v3.CircuitBreakers.Thresholds": "priority",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig": "upgrade_type",
    "envoy.config.route.v3.RouteAction.UpgradeConfig": "upgrade_type",
}


def merge(into: Message, value: Message) -> None:
    """Lays `value`, of the same type, over `into`."""
    for field, given in value.ListFields():
        if field.message_type is None or not field.is_repeated:
            _single(into, field, given)
        elif field.message_type.GetOptions().map_entry:
            _entries(getattr(into, field.name), given, field.message_type.fields_by_name["value"])
        else:
            _elements(getattr(into, field.name), given, _ONE_OF_A_KIND.get(field.message_type.full_name, ""))


def _single(into: Message, field: FieldDescriptor, given: Whatever) -> None:
    if field.message_type is None and field.is_repeated:
        getattr(into, field.name).extend(given)
    elif field.message_type is None:
        setattr(into, field.name, given)
    else:
        there = getattr(into, field.name)
        if into.HasField(field.name):
            _message(there, given)
        else:
            there.CopyFrom(given)


def _message(into: Message, given: Message) -> None:
    name = given.DESCRIPTOR.full_name
    if isinstance(into, Any) and isinstance(given, Any):
        merge_any(into, given)
    elif name.startswith("google.protobuf.") and name != _STRUCT:
        into.CopyFrom(given)
    else:
        merge(into, given)


def _entries(into: Whatever, given: Whatever, of: FieldDescriptor) -> None:
    for key, value in given.items():
        if of.message_type is None:
            into[key] = value
        elif key in into:
            _message(into[key], value)
        else:
            into[key].CopyFrom(value)


def _elements(into: Whatever, given: Whatever, key: str) -> None:
    for element in given:
        same = next((one for one in into if key and getattr(one, key) == getattr(element, key)), None)
        if same is None:
            into.add().CopyFrom(element)
        else:
            merge(same, element)


def merge_any(into: Any, given: Any) -> None:
    """Lays a packed message over another: inside, when both are of one type; else in its place."""
    kind = given.type_url.rpartition("/")[2]
    if into.type_url.rpartition("/")[2] != kind:
        into.CopyFrom(given)
        return
    try:
        made = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(kind))
        below, above = made.FromString(into.value), made.FromString(given.value)
    except (KeyError, DecodeError):
        into.CopyFrom(given)
        return
    merge(below, above)
    into.CopyFrom(packed(below))
