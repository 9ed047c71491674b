"""What stands before a workload: its request authentications, authorization policies and rate limits."""

from weft.model.authentication import RequestAuthentication
from weft.model.authorization import AuthorizationPolicy
from weft.model.labels import Labels, selects
from weft.model.login import OidcLogin
from weft.model.rate_limit import RateLimit

Guarding = AuthorizationPolicy | RequestAuthentication | RateLimit | OidcLogin


def is_for(of: Guarding, namespace: str, labels: Labels, gateways: frozenset[str], root_namespace: str) -> bool:
    """Whether it is for a workload of `namespace` with `labels` that serves `gateways` (`namespace/name`)."""
    if of.gateways:
        return any(f"{of.namespace}/{name}" in gateways for name in of.gateways)
    return of.namespace in (namespace, root_namespace) and selects(of.selector, labels)
