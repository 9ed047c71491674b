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
    OPTIONAL_MUTUAL = "optional-mutual"
    ISTIO_MUTUAL = "istio-mutual"
    AUTO_PASSTHROUGH = "auto-passthrough"

    @property
    def passes(self) -> bool:
        """Whether TLS is not ended here."""
        return self in (ServerTls.NONE, ServerTls.PASSTHROUGH, ServerTls.AUTO_PASSTHROUGH)

    @property
    def asks(self) -> bool:
        """Whether callers are asked for a certificate of the operator's authorities."""
        return self in (ServerTls.MUTUAL, ServerTls.OPTIONAL_MUTUAL)


@dataclass(frozen=True, slots=True)
class Demands:
    """What a server asks of its callers' TLS. Versions are `TLSv1_2` and alike, empty: the default. `names`, `spki` and
    `hashes` are those of certificates it takes; none: any that is trusted. `unverified`: a certificate that is not trusted is
    taken as well."""

    minimum: str = ""
    maximum: str = ""
    ciphers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    spki: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """One port with hosts. `hosts` are (namespace or `*` or `.`, host or wildcard).

    Certificates are `files` (certificate, key) of the gateway's node, or `credentials`: keys of the mesh's, or, without a
    slash, names of Secrets in the namespace of the workload that opens the server. So are `authorities`; where there are none,
    those of the first credential are meant, or of the one called like it with `-cacert` behind. `misdirected` are the hosts of
    other servers of the port: a request for one of them that came in TLS for this one is told so (421). `bind` is
    the IP address at which it listens; empty: that of the workload."""

    port: int
    port_name: str
    protocol: str  # HTTP HTTP2 GRPC HTTPS TCP TLS
    hosts: tuple[tuple[str, str], ...]
    origin: Ref
    tls: ServerTls = ServerTls.NONE
    https_redirect: bool = False
    files: tuple[tuple[str, str], ...] = ()
    ca_certificates: str = ""
    ca_crl: str = ""
    credentials: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    demands: Demands = Demands()
    http3: bool = False
    misdirected: tuple[str, ...] = ()
    bind: str = ""


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
