"""Writes a line of JSON for each request or connection that a policy refused, or one under AUDIT or on a dry run is about.
https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage

It goes to Envoy's standard output, beside its own log. The query of a path is left out: it may hold what is secret.
"""

from typing import Any

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog
from envoy.extensions.access_loggers.filters.cel.v3.cel_pb2 import ExpressionFilter
from envoy.extensions.access_loggers.stream.v3.stream_pb2 import StdoutAccessLog

from weft.compile.filters import rbac
from weft.envoy.types import packed

_REFUSED = "response.code_details.startsWith('rbac_access_denied') || response.code_details.startsWith('ext_authz')"
_CLOSED = _REFUSED.replace("response.code_details", "connection.termination_details")
_SHADOWS = (("audited", rbac.AUDITED), ("dryRunDeny", rbac.DRY_RUN_DENY), ("dryRunAllow", rbac.DRY_RUN_ALLOW))
_COMMON = {
    "time": "%START_TIME%",
    "caller": "%DOWNSTREAM_PEER_URI_SAN%",
    "address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "port": "%DOWNSTREAM_LOCAL_PORT%",
}


def of_requests() -> AccessLog:
    """The log of a port whose requests are read."""
    refused = {"and_filter": {"filters": [_at_least(400), _expression(_REFUSED)]}}
    said = {
        "event": "policy",
        "decided": "%RESPONSE_CODE_DETAILS%",
        "status": "%RESPONSE_CODE%",
        "allowing": f"%FILTER_STATE({rbac.ALLOWING}:PLAIN)%",
        "method": "%REQ(:METHOD)%",
        "host": "%REQ(:AUTHORITY)%",
        "path": "%PATH(NQ:ORIG_OR_PATH)%",
        "requestId": "%REQ(X-REQUEST-ID)%",
    }
    return _log(refused, said, rbac.NAME)


def of_connections() -> AccessLog:
    """The log of a port whose bytes are not read."""
    said = {"event": "policy", "decided": "%CONNECTION_TERMINATION_DETAILS%"}
    return _log(_expression(_CLOSED), said, rbac.NETWORK_NAME)


def _log(refused: dict[str, Any], said: dict[str, str], filter_name: str) -> AccessLog:
    shadows = [_shadow(filter_name, prefix) for _, prefix in _SHADOWS]
    told = {name: f"%DYNAMIC_METADATA({filter_name}:{prefix}shadow_effective_policy_id)%" for name, prefix in _SHADOWS}
    lines = {"json_format": {**said, **told, **_COMMON}, "omit_empty_values": True}
    return AccessLog(
        name="envoy.access_loggers.stdout",
        filter={"or_filter": {"filters": [refused, *shadows]}},
        typed_config=packed(StdoutAccessLog(log_format=lines)),
    )


def _at_least(status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": "weft.least_refusal"}
    return {"status_code_filter": {"comparison": {"op": "GE", "value": value}}}


def _expression(of: str) -> dict[str, Any]:
    config = packed(ExpressionFilter(expression=of))
    return {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}}


def _shadow(filter_name: str, prefix: str) -> dict[str, Any]:
    """What a policy that decides nothing would have refused."""
    path = [{"key": f"{prefix}shadow_engine_result"}]
    matcher = {"filter": filter_name, "path": path, "value": {"string_match": {"exact": "denied"}}}
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": {"value": False}}}
