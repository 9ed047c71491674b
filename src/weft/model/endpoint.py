"""An endpoint: one address and port that answers for a service."""

from dataclasses import dataclass
from enum import Enum

from weft.model.labels import Labels


class Health(Enum):
    """What is known of an endpoint. DRAINING: no new requests, those in flight go on."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True, order=True)
class Locality:
    """A place: region, zone and sub-zone, as in Kubernetes' topology labels and Istio's `a/b/c`."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.region, self.zone, self.sub_zone) if part)


def locality(text: str) -> Locality:
    """The locality written `region/zone/sub-zone`, later parts optional."""
    return Locality(*(text.split("/") + ["", "", ""])[:3])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one port of one instance of a service is reached. `mtls`: a sidecar terminates mesh mTLS at `port`.

    `port_name` is the name of the service's port it stands for, `numbers` are those that policies know the workload's port by (a
    sidecar listens on another one); none: its own. `workload` is `namespace/name`, empty for what is not
    registered.
    """

    address: str
    port: int
    port_name: str
    workload: str = ""
    namespace: str = ""
    service_account: str = ""
    labels: Labels = ()
    locality: Locality = Locality()
    network: str = ""
    weight: int = 1
    mtls: bool = False
    health: Health = Health.HEALTHY
    numbers: tuple[int, ...] = ()
