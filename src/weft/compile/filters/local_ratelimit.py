"""Refuses what is too much for this proxy by itself.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/local_rate_limit_filter

Envoy does not say which of a filter's limits was met. So each rule has a filter of its own: a slot, which stands in the chain
switched off and is told its rule by the route configuration, so that a limit holds for the next request on connections that are
open, too. Before each slot, and on the way back after it, stands what tells callers how much is left
(draft-ietf-httpapi-ratelimit-headers-10). It cannot do so for a rule that is for some
requests only: those say it when they refuse.
"""

import math
from functools import partial
from itertools import chain as joined
from typing import Any

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLogFilter
from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.extensions.access_loggers.filters.cel.v3.cel_pb2 import ExpressionFilter
from envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation, HeaderMutationPerRoute
from envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2 import LocalRateLimit
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from envoy.extensions.filters.network.local_ratelimit.v3.local_rate_limit_pb2 import LocalRateLimit as NetworkLocalRateLimit
from google.protobuf.any_pb2 import Any as AnyMessage

from weft.compile.rate_limit import actions, keys
from weft.compile.scope.screening_inputs import Limits
from weft.envoy.types import duration, packed
from weft.model.rate_limit import Limit, Match
from weft.quota import NAME_KEY, Quota

NAME = "envoy.filters.http.local_ratelimit"
NETWORK_NAME = "envoy.filters.network.local_ratelimit"
TELLS = "envoy.filters.http.header_mutation.limit"
LIMITED_BY = "x-weft-limited-by"
SLOTS = 4
"""Every chain has as many; a proxy that has more limits has multiples of them."""

_MOST_KEYS = 10_000  # buckets of one rule; the least recently used goes first
_UNLIMITED = {"max_tokens": 2**32 - 1, "tokens_per_fill": {"value": 2**32 - 1}, "fill_interval": duration(1)}
_ALWAYS = {"default_value": {"numerator": 100}}
_NEVER = {"default_value": {"numerator": 0}}


def slots(first: int, last: int) -> tuple[tuple[Any, str], ...]:
    """Entries of a chain."""
    told = "on the way back, after the limit: how much is left"
    limit = "what is too much for this proxy goes no further, and takes nothing of what all proxies share"
    pairs = (((partial(_tells, index), told), (partial(_slot, index), limit)) for index in range(first, last))
    return tuple(joined.from_iterable(pairs))


def room(count: int) -> int:
    """How many slots a chain has for so many limits."""
    return SLOTS * max(1, math.ceil(count / SLOTS))


def _slot(index: int) -> HttpFilter:
    return HttpFilter(name=f"{NAME}.{index}", disabled=True, typed_config=packed(LocalRateLimit(stat_prefix="weft")))


def _tells(index: int) -> HttpFilter:
    return HttpFilter(name=f"{TELLS}.{index}", disabled=True, typed_config=packed(HeaderMutation()))


def per_route(of: Limits) -> dict[str, AnyMessage]:
    """What a route configuration says to the slots that have something to count."""
    said: dict[str, AnyMessage] = {}
    for index, one in enumerate(of.said(connections=False, is_global=False)):
        said[f"{NAME}.{index}"] = packed(_local_rate_limit(one))
        if _tells_always(one):
            said[f"{TELLS}.{index}"] = packed(_told(one))
    return said


def _tells_always(of: Limit) -> bool:
    return not of.shadow and Match(ports=of.match.ports) == of.match


def _local_rate_limit(of: Limit) -> LocalRateLimit:
    entries: list[dict[str, str]] = [{"key": NAME_KEY, "value": of.name}, *({"key": key} for key in keys(of))]
    return LocalRateLimit(
        stat_prefix=f"weft.{of.name.replace('/', '.')}",
        token_bucket=_UNLIMITED,
        always_consume_default_token_bucket={"value": False},
        filter_enabled=_ALWAYS,
        filter_enforced=_NEVER if of.shadow else _ALWAYS,
        descriptors=[{"entries": entries, "token_bucket": _bucket(of.quota)}],
        rate_limits=[{"actions": actions(of)}],
        max_dynamic_descriptors={"value": _MOST_KEYS},
        rate_limited_as_resource_exhausted=True,
        enable_x_ratelimit_headers="DRAFT_VERSION_03" if _tells_always(of) else "OFF",
        response_headers_to_add=[_header(name, value) for name, value in _refusal(of)],
    )


def _bucket(of: Quota) -> dict[str, Any]:
    return {
        "max_tokens": of.burst,
        "tokens_per_fill": {"value": of.requests},
        "fill_interval": duration(of.seconds),
    }


def _refusal(of: Limit) -> list[tuple[str, str]]:
    said = [(LIMITED_BY, of.name), ("retry-after", str(of.quota.retry_after))]
    if not _tells_always(of):
        said += [
            ("ratelimit", f'"{of.name}";r=0;t={of.quota.retry_after}'),
            ("ratelimit-policy", f'"{of.name}";{of.quota.policy}'),
        ]
    return said


def _told(of: Limit) -> HeaderMutationPerRoute:
    """Makes one field of Envoy's three. It rewrites the one that is there when the slot has counted, and moves it."""
    counted = "x-ratelimit-remaining"
    full = math.ceil(of.quota.burst * of.quota.interval)
    left = f'"{of.name}";r=%RESPONSE_HEADER({counted})%;t={full}'
    mutations = [
        {"append": _header(counted, left, "OVERWRITE_IF_EXISTS")},
        {"append": _header("ratelimit", f"%RESPONSE_HEADER({counted})%", "APPEND_IF_EXISTS_OR_ADD")},
        *({"remove": f"x-ratelimit-{name}"} for name in ("limit", "remaining", "reset")),
        {"append": _header("ratelimit-policy", f'"{of.name}";{of.quota.policy}', "APPEND_IF_EXISTS_OR_ADD")},
    ]
    return HeaderMutationPerRoute(mutations={"response_mutations": mutations})


def _header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": action}


def refusals() -> list[dict[str, Any]]:
    """How the answers to refused requests are worded: whose limit it was."""
    too_much = f"weft: too many requests: RateLimit %RESPONSE_HEADER({LIMITED_BY})%\n"
    unanswered = "weft: nobody counts: the rate limiter does not answer, and a RateLimit says onLimiterFailure: DENY\n"
    return [_mapper("local_rate_limited", too_much), _mapper("rate_limiter_error", unanswered)]


def _mapper(details: str, words: str) -> dict[str, Any]:
    condition = AccessLogFilter(
        extension_filter={
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": packed(ExpressionFilter(expression=f"response.code_details == '{details}'")),
        }
    )
    return {"filter": condition, "body_format_override": {"text_format_source": {"inline_string": words}}}


def network_local_ratelimit(of: Limits) -> list[Filter]:
    """The filters that count connections. All chains of a proxy share the bucket of a rule."""
    return [
        Filter(
            name=f"{NETWORK_NAME}.{one.name}",
            typed_config=packed(
                NetworkLocalRateLimit(
                    stat_prefix=f"weft.{one.name.replace('/', '.')}", token_bucket=_bucket(one.quota), share_key=one.name
                )
            ),
        )
        for one in of.said(connections=True, is_global=False)
    ]
