"""EnvoyFilter: changes to the Envoy configuration itself, for what no other kind can say."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from weft.resource.field import Int32, Message, PortNumber, checked
from weft.resource.istio.selector import LabelSelector

ApplyTo = Literal[
    "LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER", "ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE", "CLUSTER",
    "EXTENSION_CONFIG", "BOOTSTRAP", "LISTENER_FILTER",
]  # fmt: skip
Context = Literal["ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY"]
Operation = Literal["MERGE", "ADD", "REMOVE", "INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST", "REPLACE"]
FilterClass = Literal["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"]
RouteAction = Literal["ANY", "ROUTE", "REDIRECT", "DIRECT_RESPONSE"]


class ProxyMatch(Message, frozen=True, kw_only=True):
    """`proxy_version` is a regular expression found anywhere in the version of the proxy's Envoy."""

    proxy_version: Annotated[str, checked("regex", description="A regular expression in RE2 syntax.")] = ""
    metadata: Mapping[str, str] = {}


class SubFilterMatch(Message, frozen=True, kw_only=True):
    """A filter inside a filter: an HTTP filter of the connection manager."""

    name: str = ""


class FilterMatch(Message, frozen=True, kw_only=True):
    """A network filter."""

    name: str = ""
    sub_filter: SubFilterMatch | None = None


class FilterChainMatch(Message, frozen=True, kw_only=True):
    """A filter chain. `application_protocols` is a comma-separated list."""

    name: str = ""
    sni: str = ""
    transport_protocol: str = ""
    application_protocols: str = ""
    filter: FilterMatch | None = None
    destination_port: PortNumber | None = None


class ListenerMatch(Message, frozen=True, kw_only=True):
    """A listener, and what is in it."""

    port_number: PortNumber | None = None
    port_name: str = ""
    filter_chain: FilterChainMatch | None = None
    listener_filter: str = ""
    name: str = ""


class RouteMatch(Message, frozen=True, kw_only=True):
    """A route of a virtual host."""

    name: str = ""
    action: RouteAction = "ANY"


class VirtualHostMatch(Message, frozen=True, kw_only=True):
    """A virtual host."""

    name: str = ""
    route: RouteMatch | None = None
    domain_name: str = ""


class RouteConfigurationMatch(Message, frozen=True, kw_only=True):
    """A route configuration, and what is in it."""

    port_number: PortNumber | None = None
    port_name: str = ""
    gateway: str = ""
    vhost: VirtualHostMatch | None = None
    name: str = ""


class ClusterMatch(Message, frozen=True, kw_only=True):
    """A cluster."""

    port_number: PortNumber | None = None
    service: str = ""
    subset: str = ""
    name: str = ""


class ObjectMatch(Message, frozen=True, kw_only=True):
    """Where a patch applies; nothing written: everywhere."""

    context: Context = "ANY"
    proxy: ProxyMatch | None = None
    listener: ListenerMatch | None = None
    route_configuration: RouteConfigurationMatch | None = None
    cluster: ClusterMatch | None = None


class Patch(Message, frozen=True, kw_only=True):
    """`value` is the Envoy message in JSON; without one the operation needs none."""

    operation: Operation
    value: Any = None
    filter_class: FilterClass = "UNSPECIFIED"


class ConfigPatch(Message, frozen=True, kw_only=True):
    """One change."""

    apply_to: ApplyTo
    match: ObjectMatch | None = None
    patch: Patch


class TargetReference(Message, frozen=True, kw_only=True):
    """The Gateway API's Gateway whose proxies are meant."""

    group: str = ""
    kind: str
    name: str
    namespace: str = ""


class EnvoyFilter(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/envoy-filter/"""

    workload_selector: LabelSelector | None = None
    target_refs: tuple[TargetReference, ...] = ()
    config_patches: tuple[ConfigPatch, ...] = ()
    priority: Int32 = 0
