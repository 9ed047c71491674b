"""Tells the dynamic forward proxy which name and port to dial, where a service's endpoint is a name other than its host: the
request's Host stays what the caller wrote.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/set_filter_state
"""

from envoy.extensions.filters.http.set_filter_state.v3.set_filter_state_pb2 import Config
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from weft.envoy.types import packed

NAME = "envoy.filters.http.set_filter_state"


def set_filter_state() -> HttpFilter:
    """The filter; without values at the route it does nothing."""
    return HttpFilter(name=NAME, typed_config=packed(Config()))


def dial(host: str, port: int) -> Config:
    """The name and port of one route's destination."""
    return Config(
        on_request_headers=[_value("envoy.upstream.dynamic_host", host), _value("envoy.upstream.dynamic_port", str(port))]
    )


def _value(key: str, text: str) -> dict[str, object]:
    return {"object_key": key, "format_string": {"text_format_source": {"inline_string": text.replace("%", "%%")}}}
