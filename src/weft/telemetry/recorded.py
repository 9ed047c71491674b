"""A call as the control plane records it: of a workload as policies see it, not of one proxy."""

from dataclasses import dataclass

from weft.model.labels import Labels
from weft.telemetry.calls import Call


@dataclass(frozen=True, slots=True)
class Destination:
    """Who was called: all workloads that no policy can tell from each other. `workload` is the service's name (label `app`)."""

    namespace: str
    workload: str
    service_account: str
    labels: Labels = ()


RecordedCall = Call[Destination]
