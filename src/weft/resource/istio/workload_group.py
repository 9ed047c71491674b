"""WorkloadGroup: what workloads outside Kubernetes have in common, as a template for their WorkloadEntries."""

from collections.abc import Mapping
from typing import Literal

from weft.resource.field import Int32, Message, PortNumber
from weft.resource.istio.workload_entry import WorkloadEntry


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
    """How agents check the health of the workloads: in one of the four ways. A 0 is the default."""

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

    A WorkloadEntry of its namespace is of the group that its annotation `istio.io/autoRegistrationGroup` names; a service of
    weft.yaml says `x-weft.workloadGroup`.
    """

    metadata: TemplateMetadata | None = None
    template: WorkloadEntry
    probe: Probe | None = None
