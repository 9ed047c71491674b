"""Gateway: the servers that a gateway workload opens."""

from collections.abc import Mapping
from typing import Annotated, Literal

from weft.resource.field import UNSUPPORTED, Message, PortNumber, unsupported

ServerTlsMode = Literal["PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"]
TlsProtocol = Literal["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]


class Port(Message, frozen=True, kw_only=True):
    """The port a server listens on. `protocol` is HTTP, HTTPS, GRPC, GRPC-WEB, HTTP2, MONGO, TCP or TLS."""

    number: PortNumber
    protocol: str
    name: str
    target_port: Annotated[int, unsupported("Istio ignores it as well")] = 0


class TlsCertificate(Message, frozen=True, kw_only=True):
    """A certificate and its key, as files of the gateway's node."""

    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""


class ServerTlsSettings(Message, frozen=True, kw_only=True):
    """Certificates are files of the gateway's node, or `credential_name`: a Secret in the namespace of the gateway's workload.

    https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings"""

    https_redirect: bool = False
    mode: ServerTlsMode = "PASSTHROUGH"
    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""
    credential_name: str = ""
    credential_names: tuple[str, ...] = ()
    ca_cert_credential_name: str = ""
    tls_certificates: tuple[TlsCertificate, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    verify_certificate_spki: tuple[str, ...] = ()
    verify_certificate_hash: tuple[str, ...] = ()
    min_protocol_version: TlsProtocol = "TLS_AUTO"
    max_protocol_version: TlsProtocol = "TLS_AUTO"
    cipher_suites: tuple[str, ...] = ()


class Server(Message, frozen=True, kw_only=True):
    """One port with hosts: `host`, `namespace/host`, `./host` or `*/host`, the host perhaps a wildcard. `bind` is an IP address
    of the gateway's machine; without it the gateway's own (`x-weft.gatewayHost`)."""

    port: Port
    hosts: tuple[str, ...]
    tls: ServerTlsSettings | None = None
    name: str = ""
    bind: str = ""
    default_endpoint: Annotated[str, UNSUPPORTED] = ""


class Gateway(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/gateway/

    `selector` asks for workloads of every namespace; empty means all of them.
    """

    servers: tuple[Server, ...] = ()
    selector: Mapping[str, str] = {}
