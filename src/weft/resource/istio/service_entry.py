"""ServiceEntry: a service that no platform declares, inside the mesh or outside it."""

from typing import Annotated, Literal

from msgspec import Meta

from weft.resource.field import Message, PortNumber
from weft.resource.istio.selector import LabelSelector
from weft.resource.istio.workload_entry import WorkloadEntry

Location = Literal["MESH_EXTERNAL", "MESH_INTERNAL"]
Resolution = Literal["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"]


class ServicePort(Message, frozen=True, kw_only=True):
    """A port as callers know it; `target_port` is the endpoints', when it differs."""

    number: PortNumber
    name: Annotated[str, Meta(max_length=256)]
    protocol: Annotated[str, Meta(max_length=256)] = ""
    target_port: PortNumber | None = None


class ServiceEntry(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/service-entry/"""

    hosts: Annotated[tuple[str, ...], Meta(min_length=1, max_length=256)]
    addresses: tuple[str, ...] = ()
    ports: tuple[ServicePort, ...] = ()
    location: Location = "MESH_EXTERNAL"
    resolution: Resolution = "NONE"
    endpoints: tuple[WorkloadEntry, ...] = ()
    workload_selector: LabelSelector | None = None
    export_to: tuple[str, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
