"""Which calls a workload takes: the authorization policies of a mesh.

An attribute is named as Istio's conditions name it (`source.principal`, `request.headers[x-user]`); what a rule says of hosts,
methods, paths and ports is such an attribute, too. A value is exact, `prefix*`, `*suffix`, or `*` for anything that is there.
"""

from dataclasses import dataclass
from enum import Enum

from weft.model.labels import Labels
from weft.ref import Ref

HOST, METHOD, PATH, PORT = "request.host", "request.method", "request.url_path", "destination.port"
PRINCIPAL, NAMESPACE, SERVICE_ACCOUNT = "source.principal", "source.namespace", "source.serviceAccount"
SOURCE_IP, REMOTE_IP, DESTINATION_IP = "source.ip", "remote.ip", "destination.ip"
REQUEST_PRINCIPAL, AUDIENCES, PRESENTER = "request.auth.principal", "request.auth.audiences", "request.auth.presenter"
HEADER, CLAIM, SNI = "request.headers", "request.auth.claims", "connection.sni"
FILTER = "experimental.envoy.filters"


class Action(Enum):
    """CUSTOM comes before DENY, DENY before ALLOW. AUDIT decides nothing."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    AUDIT = "AUDIT"
    CUSTOM = "CUSTOM"


@dataclass(frozen=True, slots=True)
class Condition:
    """The attribute has one of `values` (none given: any, or none), and none of `not_values`. `keys` are what stands in brackets:
    a header's name, the path of a claim; of what a filter of Envoy says the filter's name, and its path."""

    attribute: str
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def is_http(self) -> bool:
        """Whether only requests have it."""
        return self.attribute.startswith("request.")


Conditions = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """All of one of `sources`, all of one of `operations` (none given: any), and all of `when`."""

    sources: tuple[Conditions, ...] = ()
    operations: tuple[Conditions, ...] = ()
    when: Conditions = ()


@dataclass(frozen=True, slots=True)
class AuthorizationPolicy:
    """One AuthorizationPolicy. In the root namespace it is for all namespaces. `gateways`: names of the Gateways it is attached
    to, and then for nobody else. `dry_run`: it is evaluated and decides nothing. `provider`: who is asked, under CUSTOM."""

    namespace: str
    name: str
    origin: Ref
    action: Action = Action.ALLOW
    selector: Labels = ()
    gateways: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    dry_run: bool = False
    provider: str = ""
