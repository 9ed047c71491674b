"""The rules of retries, faults, mirrors and CORS."""

import re

from weft.resource import names
from weft.resource.duration import seconds
from weft.resource.field_path import child, item
from weft.resource.istio.virtual_service import CorsPolicy, FaultAbort, FaultDelay, HttpFault, HttpRetry, HttpRoute, StringMatch
from weft.resource.problems import Problems
from weft.resource.validation.routes import destination
from weft.resource.wording import close_name

# https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
RETRY_ON = (
    "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx",
    "refused-stream", "retriable-status-codes", "retriable-headers", "http3-post-connect-failure",
    "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
)  # fmt: skip
GRPC_STATUS = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
_METHOD = re.compile(r"[A-Z]+|\*", re.ASCII)


def retries(value: HttpRetry | None, path: str, problems: Problems) -> None:
    """Attempts, and on what."""
    if value is None:
        return
    if value.attempts < 0:
        problems.invalid(child(path, "attempts"), f"{value.attempts} is not a number of attempts: at least 0")
    if value.attempts == 0 and (value.retry_on or value.per_try_timeout or value.backoff):
        problems.invalid(child(path, "attempts"), "0 turns retries off, and the rest of the policy speaks of them", "attempts: 2")
    for word in (part.strip() for part in value.retry_on.split(",") if value.retry_on):
        if word in RETRY_ON or (word.isdigit() and 100 <= int(word) <= 599):
            continue
        close = close_name(word, RETRY_ON)
        hint = f"did you mean {close}?" if close else "conditions: " + ", ".join(RETRY_ON) + ", or a status code"
        problems.invalid(child(path, "retryOn"), f"{word[:60]!r} is not a condition of Envoy's", hint)


def fault(value: HttpFault | None, path: str, problems: Problems) -> None:
    """A delay, an abort, or both."""
    if value is None:
        return
    if value.delay is None and value.abort is None:
        problems.invalid(path, "delay or abort is needed")
    if value.delay is not None:
        _delay(value.delay, child(path, "delay"), problems)
    if value.abort is not None:
        _abort(value.abort, child(path, "abort"), problems)


def _delay(value: FaultDelay, path: str, problems: Problems) -> None:
    conflict = problems.conflict(
        path, {"fixedDelay": value.fixed_delay is not None, "exponentialDelay": value.exponential_delay is not None}
    )
    if not conflict and value.fixed_delay is None and value.exponential_delay is None:
        problems.add("missing-field", child(path, "fixedDelay"), name="fixedDelay")
    problems.conflict(path, {"percentage": value.percentage is not None, "percent": value.percent is not None})
    if value.fixed_delay is not None and value.percentage is None and value.percent is None:
        _nobody(path, "the delay", problems)


def _abort(value: FaultAbort, path: str, problems: Problems) -> None:
    given = {
        "httpStatus": value.http_status is not None,
        "grpcStatus": value.grpc_status is not None,
        "http2Error": value.http2_error is not None,
    }
    if not problems.conflict(path, given) and not any(given.values()):
        problems.invalid(path, "httpStatus or grpcStatus is needed")
    if value.http_status is not None and not 200 <= value.http_status <= 599:
        problems.invalid(child(path, "httpStatus"), f"{value.http_status} is not between 200 and 599")
    if value.grpc_status is not None and not _is_grpc_status(value.grpc_status):
        close = close_name(value.grpc_status, GRPC_STATUS)
        hint = f"did you mean {close}?" if close else "one of " + ", ".join(GRPC_STATUS)
        problems.invalid(child(path, "grpcStatus"), f"{value.grpc_status[:40]!r} is not a gRPC status", hint)
    if value.percentage is None and (given["httpStatus"] or given["grpcStatus"]):
        _nobody(path, "the abort", problems)


def _nobody(path: str, name: str, problems: Problems) -> None:
    problems.add("no-effect", path, name=name, why="without a percentage no request meets it", hint="percentage: {value: 100}")


def _is_grpc_status(text: str) -> bool:
    return text in GRPC_STATUS or (text.isascii() and text.isdigit() and int(text[:4]) < len(GRPC_STATUS))


def mirrors(route: HttpRoute, path: str, problems: Problems) -> None:
    """One way to say it, and a percentage only beside `mirror`."""
    problems.conflict(path, {"mirror": route.mirror is not None, "mirrors": bool(route.mirrors)})
    if route.mirror is not None:
        destination(route.mirror, child(path, "mirror"), problems)
    for index, mirror in enumerate(route.mirrors):
        destination(mirror.destination, child(item(child(path, "mirrors"), index), "destination"), problems)
    old = [
        ("mirrorPercent", route.mirror_percent),
        ("mirror_percent", route.mirror_percent_snake),
    ]
    for name, percent in old:
        if percent is not None and percent > 100:
            problems.invalid(child(path, name), f"{percent} is not between 0 and 100")
    shares = {"mirrorPercentage": route.mirror_percentage is not None, **{name: percent is not None for name, percent in old}}
    if not problems.conflict(path, shares) and any(shares.values()) and route.mirror is None:
        name = next(name for name, there in shares.items() if there)
        hint = "write percentage beside each destination of mirrors" if route.mirrors else ""
        problems.add("no-effect", child(path, name), name=name, why="there is no mirror beside it", hint=hint)


def cors(value: CorsPolicy | None, path: str, problems: Problems) -> None:
    """Origins, methods, header names, and an age in whole seconds."""
    if value is None:
        return
    for index, origin in enumerate(value.allow_origins):
        _origin(origin, item(child(path, "allowOrigins"), index), problems)
    for index, method in enumerate(value.allow_methods):
        if not _METHOD.fullmatch(method):
            hint = f"write {method.upper()}" if method.isalpha() else ""
            problems.invalid(item(child(path, "allowMethods"), index), f"{method[:40]!r} is not an HTTP method", hint)
    for field, listed in (("allowHeaders", value.allow_headers), ("exposeHeaders", value.expose_headers)):
        for index, name in enumerate(listed):
            problems.invalid(item(child(path, field), index), names.header(name))
    if value.max_age is not None and _is_fractional(value.max_age):
        problems.invalid(child(path, "maxAge"), f"{value.max_age} is not a number of whole seconds")


def _is_fractional(duration: str) -> bool:
    try:
        return bool(seconds(duration) % 1)
    except ValueError:
        return False  # said already


def _origin(origin: StringMatch, path: str, problems: Problems) -> None:
    given = {"exact": origin.exact is not None, "prefix": origin.prefix is not None, "regex": origin.regex is not None}
    if not problems.conflict(path, given, "an origin is one of exact, prefix and regex") and not any(given.values()):
        problems.invalid(path, "one of exact, prefix and regex is needed")
