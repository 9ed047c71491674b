"""Refuses what is too much for all proxies together: asks the limiter.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rate_limit_filter

Two filters, since what becomes of requests while the limiter does not answer is said in the chain. They stand there switched off;
the questions are in the route configuration. The limiter answers with the headers and the words of a refusal.
"""

from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.extensions.filters.http.ratelimit.v3.rate_limit_pb2 import RateLimit, RateLimitPerRoute
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from envoy.extensions.filters.network.ratelimit.v3.rate_limit_pb2 import RateLimit as NetworkRateLimit
from google.protobuf.any_pb2 import Any as AnyMessage

from weft.compile.rate_limit import actions
from weft.compile.scope.screening_inputs import Limits
from weft.envoy.names import LIMITER
from weft.envoy.types import duration, packed
from weft.model.rate_limit import Limit
from weft.quota import DOMAIN, NAME_KEY, QUOTA_KEY, text

NAME = "envoy.filters.http.ratelimit"
NETWORK_NAME = "envoy.filters.network.ratelimit"
TIMEOUT = 0.1
"""Seconds in which the limiter must answer. One that is gone is known at once: this is for one that hangs, or is busy."""


def asks() -> HttpFilter:
    """The filter of limits that let pass when nobody counts."""
    return _filter(deny=False)


def must_ask() -> HttpFilter:
    """The filter of limits that refuse when nobody counts."""
    return _filter(deny=True)


def _filter(*, deny: bool) -> HttpFilter:
    message = RateLimit(
        domain=DOMAIN,
        timeout=duration(TIMEOUT),
        failure_mode_deny=deny,
        status_on_error={"code": "ServiceUnavailable"},
        rate_limited_as_resource_exhausted=True,
        rate_limit_service=_service(),
    )
    return HttpFilter(name=_name(deny=deny), disabled=True, typed_config=packed(message))


def _service() -> dict[str, Any]:
    return {
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": LIMITER}, "timeout": duration(TIMEOUT)},
    }


def _name(*, deny: bool) -> str:
    return f"{NAME}.deny" if deny else NAME


def per_route(of: Limits) -> dict[str, AnyMessage]:
    """What a route configuration says to the filters that have something to ask."""
    said: dict[str, AnyMessage] = {}
    for deny in (False, True):
        chosen = [one for one in of.said(connections=False, is_global=True) if one.deny_on_failure is deny]
        if chosen:
            questions = [{"actions": actions(one, _quota(one))} for one in chosen]
            said[_name(deny=deny)] = packed(RateLimitPerRoute(domain=DOMAIN, rate_limits=questions))
    return said


def _quota(of: Limit) -> dict[str, Any]:
    return {"generic_key": {"descriptor_key": QUOTA_KEY, "descriptor_value": text(of.quota, shadow=of.shadow)}}


def network_ratelimit(of: Limits) -> list[Filter]:
    """The filters that count connections."""
    return [
        Filter(
            name=f"{NETWORK_NAME}.{one.name}",
            typed_config=packed(
                NetworkRateLimit(
                    stat_prefix=f"weft.{one.name.replace('/', '.')}",
                    domain=DOMAIN,
                    descriptors=[{"entries": _entries(one)}],
                    timeout=duration(TIMEOUT),
                    failure_mode_deny=one.deny_on_failure,
                    rate_limit_service=_service(),
                )
            ),
        )
        for one in of.said(connections=True, is_global=True)
    ]


def _entries(of: Limit) -> list[dict[str, str]]:
    said = [{"key": NAME_KEY, "value": of.name}, {"key": QUOTA_KEY, "value": text(of.quota, shadow=of.shadow)}]
    if of.per:
        said.append({"key": "remote_address", "value": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"})
    return said
