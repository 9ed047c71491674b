"""What an Envoy resource says of itself, for access logs, dumps and people: metadata under the name `weft`."""

from envoy.config.core.v3.base_pb2 import Metadata
from google.protobuf.struct_pb2 import Struct, Value

from weft.ref import Ref


def origin(of: Ref | None) -> Metadata | None:
    """Which field of which of the operator's resources it was made from."""
    return words(origin=str(of)) if of else None


def words(**said: str) -> Metadata:
    """Metadata with these texts."""
    return Metadata(filter_metadata={"weft": Struct(fields={name: Value(string_value=text) for name, text in said.items()})})
