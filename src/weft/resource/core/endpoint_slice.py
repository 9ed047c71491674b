"""EndpointSlice: who answers for a Service that has no selector, written down by somebody else."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from weft.resource.field import Message, PortNumber, ignored

SERVICE_NAME = "kubernetes.io/service-name"
"""The label with the Service's name."""

_PLACE = ignored("a zone is told by `zone`")


class EndpointConditions(Message, frozen=True, kw_only=True):
    """How it is; what is not said is well. `serving` counts where `ready` is not said; one that is ending gets nothing new."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class SliceEndpoint(Message, frozen=True, kw_only=True):
    """Who answers, at the first of its addresses."""

    addresses: tuple[str, ...]
    conditions: EndpointConditions | None = None
    hostname: Annotated[str, ignored("a headless Service's names are those of workloads")] = ""
    node_name: Annotated[str, _PLACE] = ""
    zone: str = ""
    target_ref: Annotated[Mapping[str, Any] | None, ignored("the address is what is called")] = None
    hints: Annotated[Mapping[str, Any] | None, _PLACE] = None
    deprecated_topology: Annotated[Mapping[str, str], _PLACE] = {}


class SlicePort(Message, frozen=True, kw_only=True):
    """A port of every endpoint, for the Service's port of this name."""

    name: str = ""
    port: PortNumber | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    app_protocol: Annotated[str, ignored("the Service's port says what is spoken")] = ""


class EndpointSlice(Message, frozen=True, kw_only=True):
    """https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/

    The label `kubernetes.io/service-name` names the Service. It counts for Services without a selector.
    """

    address_type: Literal["IPv4", "IPv6", "FQDN"]
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[SlicePort, ...] = ()
