"""The answer of a proxy itself, as its connection manager words it.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/local_reply
"""

import re
from collections.abc import Mapping

from envoy.extensions.access_loggers.filters.cel.v3.cel_pb2 import ExpressionFilter
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    ResponseMapper,
)

from weft.simulate.held import unpacked
from weft.simulate.outcome import Answered, HeaderChange

_DETAILS = re.compile(r"response\.code_details( == |\.startsWith\()'([^']*)'\)?")
_STATE = re.compile(r"%FILTER_STATE\(([\w.]+):PLAIN\)%")


def local_reply(manager: HttpConnectionManager, status: int, details: str, said: Mapping[str, str]) -> Answered:
    """The answer with `status`; `details` is Envoy's word for its cause, `said` the filter states by their names."""
    for one in manager.local_reply_config.mappers:
        if _fits(one, details):
            body = one.body_format_override.text_format_source.inline_string
            headers = ((each.header.key.lower(), each.header.value) for each in one.headers_to_add)
            changes = tuple(HeaderChange("set", name, _filled(value, details, said)) for name, value in headers)
            return Answered(status, _filled(body, details, said), changes)
    return Answered(status)


def _fits(of: ResponseMapper, details: str) -> bool:
    """Whether a mapper is for a cause; those for anything else than a cause are for none."""
    expression = unpacked(of.filter.extension_filter.typed_config, ExpressionFilter)
    found = _DETAILS.fullmatch(expression.expression) if expression else None
    if found is None:
        return False
    return details == found[2] if found[1] == " == " else details.startswith(found[2])


def _filled(text: str, details: str, said: Mapping[str, str]) -> str:
    return _STATE.sub(lambda found: said.get(found[1], "-"), text).replace("%RESPONSE_CODE_DETAILS%", details)
