"""PeerAuthentication: whether workloads accept plaintext, mTLS, or both."""

from collections.abc import Mapping
from typing import Literal

from weft.resource.field import Message
from weft.resource.istio.selector import WorkloadSelector

MtlsMode = Literal["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]


class MutualTls(Message, frozen=True, kw_only=True):
    """UNSET inherits from the namespace, then the mesh."""

    mode: MtlsMode = "UNSET"


class PeerAuthentication(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/security/peer_authentication/

    Keys of `port_level_mtls` are workload ports, in decimal.
    """

    selector: WorkloadSelector | None = None
    mtls: MutualTls | None = None
    port_level_mtls: Mapping[str, MutualTls] = {}
