"""Which callers a workload's inbound ports accept: the peer authentication of a mesh."""

from dataclasses import dataclass
from enum import Enum

from weft.model.labels import Labels
from weft.ref import Ref


class MtlsMode(Enum):
    """STRICT: mTLS only. PERMISSIVE: both. DISABLE: plaintext only."""

    STRICT = "strict"
    PERMISSIVE = "permissive"
    DISABLE = "disable"


@dataclass(frozen=True, slots=True)
class PeerAuthentication:
    """One PeerAuthentication. In the root namespace without a selector it is the mesh's; in another without one the
    namespace's. `mode` None inherits (UNSET). `ports` are the workload's: the number it
    declares, or the one its application listens on."""

    namespace: str
    origin: Ref
    selector: Labels = ()
    mode: MtlsMode | None = None
    ports: tuple[tuple[int, MtlsMode], ...] = ()
    created: str = ""
