"""What filters do before the router: answer preflights and mark responses (CORS), and make trouble on purpose.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/http_filters
"""

from envoy.config.route.v3.route_components_pb2 import Route
from envoy.extensions.filters.http.cors.v3.cors_pb2 import CorsPolicy
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault

from weft.simulate.call import HttpCall
from weft.simulate.held import unpacked
from weft.simulate.outcome import Answered, Fault, HeaderChange
from weft.simulate.percent import percent
from weft.simulate.route_match import values
from weft.simulate.text_match import matches

_CORS, _FAULT = "envoy.filters.http.cors", "envoy.filters.http.fault"


def fault(of: Route) -> Fault | None:
    """The trouble that the route makes."""
    config = unpacked(of.typed_per_filter_config[_FAULT], HTTPFault) if _FAULT in of.typed_per_filter_config else None
    if config is None:
        return None
    by_grpc = config.abort.WhichOneof("error_type") == "grpc_status"
    return Fault(
        config.delay.fixed_delay.ToMilliseconds() / 1000,
        percent(config.delay.percentage) if config.HasField("delay") else 0.0,
        config.abort.http_status,
        config.abort.grpc_status if by_grpc else None,
        percent(config.abort.percentage) if config.HasField("abort") else 0.0,
    )


def cors(of: Route, call: HttpCall) -> tuple[Answered | None, tuple[HeaderChange, ...]]:
    """The answer to a preflight, and what else is written into responses to an origin that is allowed."""
    config = unpacked(of.typed_per_filter_config[_CORS], CorsPolicy) if _CORS in of.typed_per_filter_config else None
    origin = ",".join(values(call, "origin"))
    if config is None or not origin or not any(matches(one, origin) for one in config.allow_origin_string_match):
        return None, ()
    marks = [("access-control-allow-origin", origin)]
    if config.allow_credentials.value:
        marks.append(("access-control-allow-credentials", "true"))
    if call.method == "OPTIONS" and values(call, "access-control-request-method"):
        marks += [
            ("access-control-allow-methods", config.allow_methods),
            ("access-control-allow-headers", config.allow_headers),
            ("access-control-max-age", config.max_age),
        ]
        return Answered(200, "", _set(marks)), ()
    return None, _set([*marks, ("access-control-expose-headers", config.expose_headers)])


def _set(marks: list[tuple[str, str]]) -> tuple[HeaderChange, ...]:
    return tuple(HeaderChange("set", name, value) for name, value in marks if value)
