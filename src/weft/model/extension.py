"""Extensions: changes to a proxy's configuration in Envoy's own words, which the mesh carries and does not understand.

A `value` is the bytes of an Envoy message; which message is said by what the patch is applied to. The references are
https://istio.io/latest/docs/reference/config/networking/envoy-filter/.
"""

from dataclasses import dataclass
from enum import Enum

from weft.model.labels import Labels
from weft.ref import Ref


class ApplyTo(Enum):
    """What a patch is applied to."""

    LISTENER = "LISTENER"
    FILTER_CHAIN = "FILTER_CHAIN"
    NETWORK_FILTER = "NETWORK_FILTER"
    HTTP_FILTER = "HTTP_FILTER"
    LISTENER_FILTER = "LISTENER_FILTER"
    ROUTE_CONFIGURATION = "ROUTE_CONFIGURATION"
    VIRTUAL_HOST = "VIRTUAL_HOST"
    HTTP_ROUTE = "HTTP_ROUTE"
    CLUSTER = "CLUSTER"
    EXTENSION_CONFIG = "EXTENSION_CONFIG"


class Operation(Enum):
    """What a patch does."""

    MERGE = "MERGE"
    ADD = "ADD"
    REMOVE = "REMOVE"
    INSERT_BEFORE = "INSERT_BEFORE"
    INSERT_AFTER = "INSERT_AFTER"
    INSERT_FIRST = "INSERT_FIRST"
    REPLACE = "REPLACE"


class Context(Enum):
    """Which side of which proxy."""

    ANY = "ANY"
    SIDECAR_INBOUND = "SIDECAR_INBOUND"
    SIDECAR_OUTBOUND = "SIDECAR_OUTBOUND"
    GATEWAY = "GATEWAY"


@dataclass(frozen=True, slots=True)
class ListenerWhere:
    """A listener and what is in it. Empty words and port 0 fit everything."""

    name: str = ""
    port: int = 0
    port_name: str = ""
    chain: str = ""
    sni: str = ""
    transport_protocol: str = ""
    application_protocols: tuple[str, ...] = ()
    destination_port: int = 0
    filter: str = ""
    sub_filter: str = ""
    listener_filter: str = ""


@dataclass(frozen=True, slots=True)
class RouteWhere:
    """A route configuration and what is in it. `action` is one of route, redirect, direct_response."""

    name: str = ""
    port: int = 0
    port_name: str = ""
    gateway: str = ""
    host: str = ""
    domain: str = ""
    route: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class ClusterWhere:
    """A cluster."""

    name: str = ""
    port: int = 0
    service: str = ""
    subset: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """One change. `proxy_version` is an expression to be found in Envoy's version; `metadata` what the proxy must be known by.
    `place` is the filter class: AUTHN, AUTHZ, STATS, or empty."""

    origin: Ref
    apply_to: ApplyTo
    operation: Operation
    value: bytes = b""
    context: Context = Context.ANY
    proxy_version: str = ""
    metadata: Labels = ()
    where: ListenerWhere | RouteWhere | ClusterWhere | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class EnvoyFilter:
    """One EnvoyFilter, for workloads with all labels of one of `selectors`; an empty one selects every workload."""

    namespace: str
    name: str
    origin: Ref
    patches: tuple[Patch, ...]
    selectors: tuple[Labels, ...] = ((),)
    priority: int = 0
    created: str = ""

    @property
    def rank(self) -> tuple[int, str, str]:
        """Sorts those of a namespace: the smaller is applied first."""
        return self.priority, self.created, self.name
