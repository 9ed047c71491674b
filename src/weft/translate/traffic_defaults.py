"""TrafficDefaults into the model. Which of several apply is `model.precedence.defaults`."""

from weft.model.defaults import TrafficDefaults
from weft.resource.duration import seconds
from weft.resource.resource import Resource
from weft.resource.weft.traffic_defaults import DefaultTrafficPolicy
from weft.resource.weft.traffic_defaults import TrafficDefaults as Spec
from weft.translate.istio_routes import retries
from weft.translate.istio_traffic import connection_pool, outlier_detection, retry_budget
from weft.translate.statement import Statement


def traffic_defaults(resource: Resource, spec: Spec) -> Statement:
    """A TrafficDefaults. Without `retryOn` what is tried again depends on the request's method."""
    policy = spec.traffic_policy or DefaultTrafficPolicy()
    said = TrafficDefaults(
        resource.meta.namespace,
        resource.ref,
        None if spec.timeout is None else seconds(spec.timeout),
        retries(spec.default_http_retry_policy, ()) if spec.default_http_retry_policy else None,
        connection_pool(policy.connection_pool) if policy.connection_pool else None,
        outlier_detection(policy.outlier_detection) if policy.outlier_detection else None,
        retry_budget(policy.retry_budget) if policy.retry_budget else None,
        spec.outbound_traffic_policy.mode == "ALLOW_ANY" if spec.outbound_traffic_policy else None,
        resource.meta.creation_timestamp,
    )
    return Statement(resource.ref, defaults=said)
