"""What is tried again. Nobody pays twice: a request that may have reached an application is only repeated when that is safe.

Envoy's retry policy does not know methods (its `retriable_request_headers` switch all conditions off together), so a route whose
retries nobody wrote is two: the first takes the requests that must not be repeated, the second all others.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
"""

from envoy.config.route.v3.route_components_pb2 import HeaderMatcher, RetryPolicy
from envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import PreviousHostsPredicate
from envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2 import PreviousPrioritiesConfig

from weft.envoy.names import NOT_REACHED
from weft.envoy.types import duration, packed
from weft.model.route import Exact, HttpMatch, Retries

IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")  # RFC 9110, 9.2.2
KEY = "idempotency-key"
DEFAULT = Retries(2)
"""When nobody said otherwise."""

_NOT_ARRIVED = ("connect-failure", "refused-stream", "reset-before-request", "retriable-headers")
_FAILED_ON_THE_WAY = ("gateway-error", "reset", "unavailable")


def is_by_method(of: Retries) -> bool:
    """Whether what is tried again depends on the request's method: nobody said after what."""
    return bool(of.attempts) and not of.on


def may_repeat(match: HttpMatch) -> bool:
    """Whether all requests of the match may be repeated, because of their method."""
    return isinstance(match.method, Exact) and match.method.value in IDEMPOTENT


def unsafe() -> tuple[HeaderMatcher, ...]:
    """Matches a request that must not be repeated once it was sent: of another method, and without a key to know it again by."""
    methods = {"safe_regex": {"regex": "|".join(IDEMPOTENT)}}
    return HeaderMatcher(name=":method", string_match=methods, invert_match=True), HeaderMatcher(name=KEY, present_match=False)


def retry_policy(of: Retries, repeatable: bool = False, fallback: bool = False) -> RetryPolicy | None:
    """The policy. `repeatable`: where nobody said after what, whether requests may be sent again that an application may have
    seen. `fallback`: what is past the last priority is another destination, so it is left to the second retry."""
    if not of.attempts:
        return None
    said = of.on or (_NOT_ARRIVED + _FAILED_ON_THE_WAY if repeatable else _NOT_ARRIVED)
    codes = [one for one in said if one.isdigit()]
    policy = RetryPolicy(
        retry_on=",".join([one for one in said if not one.isdigit()] + (["retriable-status-codes"] if codes else [])),
        num_retries={"value": of.attempts},
        retriable_status_codes=[int(code) for code in codes],
        retriable_headers=[] if of.on else [HeaderMatcher(name=NOT_REACHED, present_match=True)],
    )
    if of.ignore_previous_hosts:
        policy.retry_host_predicate.add(
            name="envoy.retry_host_predicates.previous_hosts", typed_config=packed(PreviousHostsPredicate())
        )
        policy.host_selection_retry_max_attempts = 5
    if of.retry_remote_localities is not False:
        # Who keeps to a zone must leave it at once when that is gone; who asked for it gets Istio's second try there first.
        tries = 2 if of.retry_remote_localities or fallback else 1
        policy.retry_priority.name = "envoy.retry_priorities.previous_priorities"
        policy.retry_priority.typed_config.CopyFrom(packed(PreviousPrioritiesConfig(update_frequency=tries)))
    if of.per_try_timeout is not None:
        policy.per_try_timeout.CopyFrom(duration(of.per_try_timeout))
    if of.backoff is not None:
        policy.retry_back_off.base_interval.CopyFrom(duration(of.backoff))
    return policy
