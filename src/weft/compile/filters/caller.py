"""Says to every connection of an application who its workload is, so that requests can be hashed by it: behind a sidecar the
address of a connection's other end is always the same.
https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/set_filter_state
"""

from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.extensions.filters.network.set_filter_state.v3.set_filter_state_pb2 import Config

from weft.envoy.names import CALLING_IDENTITY, CALLING_WORKLOAD
from weft.envoy.types import packed


def caller(workload: str, identity: str) -> Filter:
    """The network filter."""
    said = [_hashable(CALLING_WORKLOAD, workload), _hashable(CALLING_IDENTITY, identity)]
    return Filter(name="envoy.filters.network.set_filter_state", typed_config=packed(Config(on_new_connection=said)))


def _hashable(key: str, text: str) -> dict[str, object]:
    source = {"inline_string": text.replace("%", "%%")}
    return {"object_key": key, "factory_key": "envoy.hashable_string", "format_string": {"text_format_source": source}}
