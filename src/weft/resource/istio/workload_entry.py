"""WorkloadEntry: one workload outside Kubernetes; a ServiceEntry's endpoints have the same form."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from weft.resource.field import Message, PortNumber, UInt32


class WorkloadEntry(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/workload-entry/

    `address` is an IP address, a host name (resolution DNS), or `unix:///path`. `ports` maps port names to numbers.
    """

    address: Annotated[str, Meta(max_length=256)] = ""
    ports: Mapping[str, PortNumber] = {}
    labels: Mapping[str, str] = {}
    network: Annotated[str, Meta(max_length=2048)] = ""
    locality: Annotated[str, Meta(max_length=2048)] = ""
    weight: UInt32 | None = None
    service_account: Annotated[str, Meta(max_length=253)] = ""
