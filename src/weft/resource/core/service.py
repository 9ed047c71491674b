"""Service: a name with ports, and the labels of the workloads that answer for it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import field

from weft.resource.field import Int32, Message, PortNumber, ignored, unsupported

Protocol = Literal["TCP", "UDP", "SCTP"]
ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]
IpFamily = Literal["IPv4", "IPv6"]
IpFamilyPolicy = Literal["SingleStack", "PreferDualStack", "RequireDualStack"]
TrafficPolicy = Literal["Cluster", "Local"]

_OUTSIDE = ignored("a Gateway opens ports to callers outside the mesh")


class ServicePort(Message, frozen=True, kw_only=True):
    """A port of a service. `target_port` is the endpoints' port, by number or by name; absent: the same number."""

    port: PortNumber
    name: str = ""
    protocol: Protocol = "TCP"
    app_protocol: str = ""
    target_port: int | str | None = None
    node_port: Annotated[int, _OUTSIDE] = 0


class ClientIpConfig(Message, frozen=True, kw_only=True):
    """How long a client keeps its endpoint."""

    timeout_seconds: Annotated[Int32 | None, ignored("a client keeps its endpoint as long as the endpoints stay")] = None


class SessionAffinityConfig(Message, frozen=True, kw_only=True):
    """The settings of session affinity."""

    client_ip: ClientIpConfig | None = field(default=None, name="clientIP")


class Service(Message, frozen=True, kw_only=True):
    """https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/#ServiceSpec"""

    ports: tuple[ServicePort, ...] = ()
    selector: Mapping[str, str] = {}
    type: ServiceType = "ClusterIP"
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = field(default=(), name="clusterIPs")
    ip_families: tuple[IpFamily, ...] = ()
    ip_family_policy: IpFamilyPolicy | None = None
    external_ips: Annotated[tuple[str, ...], _OUTSIDE] = field(default=(), name="externalIPs")
    external_name: str = ""
    session_affinity: Literal["None", "ClientIP"] = "None"
    session_affinity_config: SessionAffinityConfig | None = None
    load_balancer_ip: Annotated[str, _OUTSIDE] = field(default="", name="loadBalancerIP")
    load_balancer_source_ranges: Annotated[tuple[str, ...], _OUTSIDE] = ()
    load_balancer_class: Annotated[str, _OUTSIDE] = ""
    allocate_load_balancer_node_ports: bool | None = None
    external_traffic_policy: Annotated[TrafficPolicy | None, _OUTSIDE] = None
    internal_traffic_policy: Annotated[TrafficPolicy | None, unsupported(unless="Cluster")] = None
    traffic_distribution: Literal["", "PreferClose", "PreferSameZone", "PreferSameNode"] = ""
    health_check_node_port: Annotated[int, _OUTSIDE] = 0
    publish_not_ready_addresses: bool = False
