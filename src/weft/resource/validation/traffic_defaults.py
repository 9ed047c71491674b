"""The rules of TrafficDefaults: those of the fields it has in common with VirtualService and DestinationRule."""

from weft.resource.field_path import child
from weft.resource.problems import Problems
from weft.resource.validation.destination_rule import connection_pool, outlier_detection
from weft.resource.validation.resilience import retries
from weft.resource.weft.traffic_defaults import TrafficDefaults


def traffic_defaults(spec: TrafficDefaults, problems: Problems) -> None:
    """Retries, limits and outlier detection."""
    if spec == TrafficDefaults():
        problems.invalid("spec", "it says nothing", "set timeout, defaultHttpRetryPolicy, trafficPolicy or outboundTrafficPolicy")
    retries(spec.default_http_retry_policy, "spec.defaultHttpRetryPolicy", problems)
    policy, path = spec.traffic_policy, "spec.trafficPolicy"
    if policy and policy.connection_pool is not None:
        connection_pool(policy.connection_pool, child(path, "connectionPool"), problems)
    if policy and policy.outlier_detection is not None:
        outlier_detection(policy.outlier_detection, child(path, "outlierDetection"), problems)
