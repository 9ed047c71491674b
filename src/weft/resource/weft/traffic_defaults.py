"""TrafficDefaults: what holds for traffic when nobody said otherwise, in the mesh (of the root namespace) or in one namespace."""

from typing import Annotated, Literal

from msgspec import Meta

from weft.resource.field import DurationOrZero, Message
from weft.resource.istio.destination_rule import ConnectionPool, OutlierDetection, RetryBudget
from weft.resource.istio.virtual_service import HttpRetry


class OutboundTrafficPolicy(Message, frozen=True, kw_only=True):
    """What becomes of calls to hosts that nobody declared: they pass, or are answered 502."""

    mode: Annotated[
        Literal["ALLOW_ANY", "REGISTRY_ONLY"], Meta(description="For callers in the namespace; their Sidecar comes before it.")
    ]


class DefaultTrafficPolicy(Message, frozen=True, kw_only=True):
    """What a DestinationRule's trafficPolicy says field by field before it."""

    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    retry_budget: RetryBudget | None = None


class TrafficDefaults(Message, frozen=True, kw_only=True):
    """Defaults of the mesh, or of a namespace, which come before those of the mesh field by field. Timeout, retries and
    trafficPolicy are those of the namespace that is called; outboundTrafficPolicy is that of the namespace that calls."""

    timeout: Annotated[
        DurationOrZero | None, Meta(description="Of requests to services of the namespace; a route's own comes before it.")
    ] = None
    default_http_retry_policy: Annotated[
        HttpRetry | None,
        Meta(
            description="For requests to services of the namespace; a route's own retries take its place. "
            "Without retryOn what is safe for the request's method is tried again."
        ),
    ] = None
    traffic_policy: DefaultTrafficPolicy | None = None
    outbound_traffic_policy: OutboundTrafficPolicy | None = None
