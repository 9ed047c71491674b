"""Sidecar: what the proxies beside workloads know of the mesh, and what they take from it."""

from typing import Annotated, Literal

from weft.resource.field import Message, PortNumber, unsupported
from weft.resource.istio.destination_rule import ConnectionPool
from weft.resource.istio.gateway import ServerTlsSettings
from weft.resource.istio.selector import LabelSelector
from weft.resource.istio.virtual_service import Destination

CaptureMode = Literal["DEFAULT", "IPTABLES", "NONE"]

_BIND = unsupported("an application calls its sidecar's HTTP proxy; x-weft.upstreams opens further local ports")
_CAPTURE = unsupported("applications are not intercepted: they call their sidecar", unless="DEFAULT")


class SidecarPort(Message, frozen=True, kw_only=True):
    """A port by number; for traffic that goes out, the one that is called, whose protocol only says what people may expect."""

    number: PortNumber
    protocol: str = ""
    name: str = ""
    target_port: Annotated[int, unsupported("Istio ignores it as well")] = 0


class EgressListener(Message, frozen=True, kw_only=True):
    """What may be called, on one port or, without `port`, on all that no other listener names. `hosts` are `namespace/host`: `.`
    is the Sidecar's namespace, `*` every namespace, `~/*` nothing; the host may be a wildcard."""

    hosts: tuple[str, ...]
    port: SidecarPort | None = None
    bind: Annotated[str, _BIND] = ""
    capture_mode: Annotated[CaptureMode, _CAPTURE] = "DEFAULT"


class IngressListener(Message, frozen=True, kw_only=True):
    """One port that the workload serves. `default_endpoint` is where the application listens: `127.0.0.1:8080`, `0.0.0.0:8080`
    (its own address) or `unix:///path`. `tls` ends TLS of callers outside the mesh."""

    port: SidecarPort
    bind: Annotated[str, unsupported("the agent chooses the address")] = ""
    capture_mode: Annotated[CaptureMode, _CAPTURE] = "DEFAULT"
    default_endpoint: str = ""
    tls: ServerTlsSettings | None = None
    connection_pool: ConnectionPool | None = None


class OutboundTrafficPolicy(Message, frozen=True, kw_only=True):
    """What becomes of hosts that the mesh does not know. `egress_proxy` gets what ALLOW_ANY lets pass."""

    mode: Literal["REGISTRY_ONLY", "ALLOW_ANY"] = "REGISTRY_ONLY"
    egress_proxy: Destination | None = None


class Sidecar(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/sidecar/"""

    workload_selector: LabelSelector | None = None
    ingress: tuple[IngressListener, ...] = ()
    egress: tuple[EgressListener, ...] = ()
    inbound_connection_pool: ConnectionPool | None = None
    outbound_traffic_policy: OutboundTrafficPolicy | None = None
