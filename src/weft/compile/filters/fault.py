"""Delays and aborts on purpose, where a route says so.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/fault_filter
"""

from typing import Any

from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from weft.compile.percent import fractional_percent
from weft.envoy.types import duration, packed
from weft.model.route import Fault

NAME = "envoy.filters.http.fault"


def fault() -> HttpFilter:
    """The filter; without a fault at the route it does nothing."""
    return HttpFilter(name=NAME, typed_config=packed(HTTPFault()))


def http_fault(of: Fault) -> HTTPFault:
    """The fault of one route."""
    parts: dict[str, Any] = {}
    if of.delay is not None:
        parts["delay"] = {"fixed_delay": duration(of.delay), "percentage": fractional_percent(of.delay_percent)}
    if of.abort_status is not None:
        parts["abort"] = {"http_status": of.abort_status, "percentage": fractional_percent(of.abort_percent)}
    elif of.abort_grpc is not None:
        parts["abort"] = {"grpc_status": of.abort_grpc, "percentage": fractional_percent(of.abort_percent)}
    return HTTPFault(**parts)
