"""WorkloadGroup: what workloads outside Kubernetes have in common, as a template for their WorkloadEntries."""

from collections.abc import Mapping
from typing import Annotated, Literal

from weft.resource.field import Int32, Message, PortNumber, unsupported
from weft.resource.istio.workload_entry import WorkloadEntry

_PROBE = unsupported("the agent checks what it runs: healthcheck or x-weft.health in weft.yaml")


class TemplateMetadata(Message, frozen=True, kw_only=True):
    """Labels that each entry of the group has, and annotations, which have no effect."""

    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class HttpHeader(Message, frozen=True, kw_only=True):
    """A header of a probe's request."""

    name: str
    value: str = ""


class HttpGet(Message, frozen=True, kw_only=True):
    """Ready is what answers 2xx or 3xx."""

    port: PortNumber
    path: str = "/"
    host: str = ""
    scheme: Literal["", "HTTP", "HTTPS", "http", "https"] = ""
    http_headers: tuple[HttpHeader, ...] = ()


class TcpSocket(Message, frozen=True, kw_only=True):
    """Ready is what takes a connection."""

    port: PortNumber
    host: str = ""


class Exec(Message, frozen=True, kw_only=True):
    """Ready is what a command says."""

    command: tuple[str, ...]


class GrpcProbe(Message, frozen=True, kw_only=True):
    """Ready is what gRPC's health service says."""

    port: PortNumber
    service: str = ""


class Probe(Message, frozen=True, kw_only=True):
    """How the readiness of a workload would be checked: one of the four ways."""

    initial_delay_seconds: Int32 = 0
    timeout_seconds: Int32 = 1
    period_seconds: Int32 = 10
    success_threshold: Int32 = 1
    failure_threshold: Int32 = 3
    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
    exec: Exec | None = None
    grpc: GrpcProbe | None = None


class WorkloadGroup(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/workload-group/

    A WorkloadEntry of its namespace is of the group that its annotation `istio.io/autoRegistrationGroup` names.
    """

    metadata: TemplateMetadata | None = None
    template: WorkloadEntry
    probe: Annotated[Probe | None, _PROBE] = None
