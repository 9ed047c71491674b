"""Gateways: the servers that a gateway workload opens to callers outside the mesh."""

from dataclasses import dataclass
from enum import Enum

from weft.model.labels import Labels, selects
from weft.ref import Ref


class ServerTls(Enum):
    """How a server treats TLS. NONE: plain."""

    NONE = "none"
    PASSTHROUGH = "passthrough"
    SIMPLE = "simple"
    MUTUAL = "mutual"
    ISTIO_MUTUAL = "istio-mutual"


@dataclass(frozen=True, slots=True)
class Server:
    """One port with hosts. `hosts` are (namespace or `*` or `.`, host or wildcard)."""

    port: int
    port_name: str
    protocol: str  # HTTP HTTP2 GRPC HTTPS TCP TLS
    hosts: tuple[tuple[str, str], ...]
    origin: Ref
    tls: ServerTls = ServerTls.NONE
    https_redirect: bool = False
    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    credential_name: str = ""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Servers, and the labels of the workloads that open them: in any namespace, as in Istio, or, `own_namespace`, in its own."""

    namespace: str
    name: str
    selector: Labels
    servers: tuple[Server, ...]
    origin: Ref
    created: str = ""
    own_namespace: bool = False

    @property
    def key(self) -> str:
        """`namespace/name`, as routes name it."""
        return f"{self.namespace}/{self.name}"

    def opened_by(self, namespace: str, of: Labels) -> bool:
        """Whether a workload of `namespace` with these labels opens the servers."""
        return selects(self.selector, of) and (not self.own_namespace or self.namespace == namespace)
