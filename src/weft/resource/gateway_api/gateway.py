"""The Gateway API's Gateway: ports with host names, to which routes attach. Istio has another kind of this name."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import field

from weft.resource.field import UNSUPPORTED, Message, PortNumber, unsupported
from weft.resource.gateway_api.reference import LocalObjectReference, ObjectReference, SecretObjectReference


class LabelSelectorRequirement(Message, frozen=True, kw_only=True):
    """A condition on one label. `operator` is In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()


class LabelSelector(Message, frozen=True, kw_only=True):
    """Conditions that must all hold."""

    match_labels: Mapping[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


class RouteNamespaces(Message, frozen=True, kw_only=True):
    """The namespaces whose routes may attach: the Gateway's own unless it says otherwise."""

    from_: Literal["All", "Selector", "Same", "None"] = field(default="Same", name="from")
    selector: LabelSelector | None = None


class RouteGroupKind(Message, frozen=True, kw_only=True):
    """A kind of route."""

    group: str = "gateway.networking.k8s.io"
    kind: str


class AllowedRoutes(Message, frozen=True, kw_only=True):
    """Which routes may attach to a listener."""

    namespaces: RouteNamespaces | None = None
    kinds: tuple[RouteGroupKind, ...] = ()


class ListenerTlsConfig(Message, frozen=True, kw_only=True):
    """How a listener treats TLS: Secrets with its certificates, or, in `options` of this mesh, files of the gateway's node."""

    mode: Literal["Terminate", "Passthrough"] = "Terminate"
    certificate_refs: tuple[SecretObjectReference, ...] = ()
    options: Mapping[str, str] = {}


class Listener(Message, frozen=True, kw_only=True):
    """A port, with a host name or for all. `protocol` is HTTP, HTTPS, TLS, TCP or UDP."""

    name: str
    hostname: str = ""
    port: PortNumber
    protocol: str
    tls: ListenerTlsConfig | None = None
    allowed_routes: AllowedRoutes | None = None


class GatewayAddress(Message, frozen=True, kw_only=True):
    """An address that is asked for: it must be that of a workload which serves the Gateway; without a value any will do."""

    type: str = "IPAddress"
    value: str = ""


class GatewayInfrastructure(Message, frozen=True, kw_only=True):
    """What a controller that makes a Gateway's proxies gives to them: this mesh makes none, they are services of weft.yaml, and
    it has no parameters."""

    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    parameters_ref: LocalObjectReference | None = None


class ListenerNamespaces(Message, frozen=True, kw_only=True):
    """The namespaces whose ListenerSets may attach: none unless it says otherwise."""

    from_: Literal["All", "Selector", "Same", "None"] = field(default="None", name="from")
    selector: LabelSelector | None = None


class AllowedListeners(Message, frozen=True, kw_only=True):
    """Whose ListenerSets may attach."""

    namespaces: ListenerNamespaces | None = None


class FrontendTlsValidation(Message, frozen=True, kw_only=True):
    """How a client's certificate is checked."""

    ca_certificate_refs: tuple[ObjectReference, ...] = ()
    mode: Literal["AllowValidOnly", "AllowInsecureFallback"] = "AllowValidOnly"


class TlsConfig(Message, frozen=True, kw_only=True):
    """TLS towards clients."""

    validation: FrontendTlsValidation | None = None


class TlsPortConfig(Message, frozen=True, kw_only=True):
    """TLS towards the clients of one port."""

    port: PortNumber
    tls: TlsConfig


class FrontendTlsConfig(Message, frozen=True, kw_only=True):
    """TLS towards clients, of all ports and of single ones."""

    default: TlsConfig
    per_port: tuple[TlsPortConfig, ...] = ()


class GatewayBackendTls(Message, frozen=True, kw_only=True):
    """TLS towards backends."""

    client_certificate_ref: SecretObjectReference | None = None


class GatewayTlsConfig(Message, frozen=True, kw_only=True):
    """TLS of the whole Gateway."""

    backend: Annotated[GatewayBackendTls | None, unsupported("a DestinationRule shows backends a certificate")] = None
    frontend: FrontendTlsConfig | None = None


class Gateway(Message, frozen=True, kw_only=True):
    """https://gateway-api.sigs.k8s.io/reference/spec/#gateway

    The workloads of its namespace with the label `gateway.networking.k8s.io/gateway-name: <its name>` serve it.
    """

    gateway_class_name: str
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[GatewayAddress, ...] = ()
    infrastructure: GatewayInfrastructure | None = None
    allowed_listeners: AllowedListeners | None = None
    tls: GatewayTlsConfig | None = None
    default_scope: Annotated[Literal["All", "None"] | None, UNSUPPORTED] = None
