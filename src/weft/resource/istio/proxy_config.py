"""ProxyConfig: how the Envoys of some workloads are started."""

from collections.abc import Mapping
from typing import Annotated

from weft.resource.field import Message, UInt32, unsupported
from weft.resource.istio.selector import WorkloadSelector


class ProxyImage(Message, frozen=True, kw_only=True):
    """The container that Envoy runs in."""

    image_type: str = ""


class ProxyConfig(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/proxy-config/

    It is read so that what is written for Istio can be applied; an Envoy of weft is started by its node's agent.
    """

    selector: WorkloadSelector | None = None
    concurrency: Annotated[UInt32 | None, unsupported("an Envoy beside a workload has one worker thread")] = None
    environment_variables: Annotated[
        Mapping[str, str], unsupported("an Envoy is started with the environment of its node's agent")
    ] = {}
    image: Annotated[ProxyImage | None, unsupported("Envoy is a process here: it has no image")] = None
