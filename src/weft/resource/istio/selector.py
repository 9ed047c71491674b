"""How Istio's kinds choose workloads by label (https://istio.io/latest/docs/reference/config/type/workload-selector/)."""

from collections.abc import Mapping

from weft.resource.field import Message


class WorkloadSelector(Message, frozen=True, kw_only=True):
    """All these labels. Empty selects every workload of the resource's namespace."""

    match_labels: Mapping[str, str] = {}


class LabelSelector(Message, frozen=True, kw_only=True):
    """The older form of the networking kinds: the same, under `labels`."""

    labels: Mapping[str, str] = {}
