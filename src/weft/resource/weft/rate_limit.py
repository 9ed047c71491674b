"""RateLimit: how many requests or connections a workload takes, all together or of each caller."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from weft.resource.field import Message, PortNumber
from weft.resource.istio.authorization_policy import PolicyTargetReference
from weft.resource.istio.selector import WorkloadSelector
from weft.resource.istio.virtual_service import StringMatch

Texts = tuple[str, ...]
Positive = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class Limit(Message, frozen=True, kw_only=True):
    """A bucket that holds `burst` and refills steadily. Either `requests`, or `connections` that are opened."""

    requests: Annotated[Positive | None, Meta(description="Requests in one unit, on ports whose requests are read.")] = None
    connections: Annotated[Positive | None, Meta(description="Connections opened in one unit, on any port.")] = None
    unit: Literal["SECOND", "MINUTE", "HOUR", "DAY"] = "SECOND"
    burst: Annotated[
        Positive | None,
        Meta(
            description="How many may come at once. When it is not written: what may come in a second; "
            "of a longer unit a twentieth, but at least 10, and never more than the unit has."
        ),
    ] = None


class RequestMatch(Message, frozen=True, kw_only=True):
    """What is counted: any of each list, and all of what is given. Hosts, methods and paths are written as in an
    AuthorizationPolicy: exact, `prefix*`, `*suffix`; paths also as templates with `{*}` and `{**}`."""

    hosts: Texts = ()
    methods: Texts = ()
    paths: Texts = ()
    headers: Mapping[str, StringMatch] = {}
    ports: Annotated[tuple[PortNumber, ...], Meta(description="Of the workload, as callers know them.")] = ()


class RateLimitRule(Message, frozen=True, kw_only=True):
    """One limit. A request must pass all that match it."""

    name: Annotated[str, Meta(description="What answers and metrics call it; without one its place in the list.")] = ""
    match: RequestMatch | None = None
    per: Annotated[
        Texts,
        Meta(
            description="What has a bucket of its own, by attributes: source.principal (the caller's identity), remote.ip, "
            "request.url_path, request.method, request.host, request.headers[NAME], request.auth.principal, "
            "request.auth.claims[NAME]. None: all share one. Who lacks an attribute shares one with others who do."
        ),
    ] = ()
    limit: Limit


class RateLimit(Message, frozen=True, kw_only=True):
    """Limits of what workloads (and gateways) are sent. What is too much is answered 429, of connections it is closed."""

    selector: WorkloadSelector | None = None
    target_refs: Annotated[
        tuple[PolicyTargetReference, ...],
        Meta(description="Services, or Gateways of gateway.networking.k8s.io, in the same namespace; instead of a selector."),
    ] = ()
    mode: Annotated[
        Literal["LOCAL", "GLOBAL"],
        Meta(description="LOCAL: each proxy counts for itself. GLOBAL: they count together, at the limiter."),
    ] = "LOCAL"
    shadow: Annotated[bool, Meta(description="It is counted, and nothing is refused.")] = False
    on_limiter_failure: Annotated[
        Literal["ALLOW", "DENY"],
        Meta(description="What becomes of requests while the limiter of GLOBAL does not answer: they pass, or are answered 503."),
    ] = "ALLOW"
    rules: tuple[RateLimitRule, ...] = ()
