"""ProxyConfig: how the Envoys of some workloads are started."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from weft.resource.field import Message, unsupported
from weft.resource.istio.selector import WorkloadSelector


class ProxyImage(Message, frozen=True, kw_only=True):
    """The container that Envoy runs in."""

    image_type: str = ""


class ProxyConfig(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/proxy-config/

    That of a workload's labels comes before that of its namespace, and that before that of the root namespace, field by field. An
    Envoy has it from its next start on: `weft restart`.
    """

    selector: WorkloadSelector | None = None
    concurrency: Annotated[int, Meta(ge=0, le=1024)] | None = None
    environment_variables: Mapping[str, str] = {}
    image: Annotated[ProxyImage | None, unsupported("Envoy is a process here: it has no image")] = None
