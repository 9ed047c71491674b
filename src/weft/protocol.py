"""What is spoken on a port, and the words that say it: those of Istio and of Kubernetes.

`appProtocol` decides, else the part of the port's name before its first dash. Istio guesses at the first bytes of each connection
where neither says anything; weft does not: such a port is TCP, or what its application answered when it was asked once.
https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
"""

from enum import Enum


class Protocol(Enum):
    """What is spoken on a port."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    GRPC_WEB = "grpc-web"
    TCP = "tcp"
    TLS = "tls"
    HTTPS = "https"
    UDP = "udp"

    @property
    def is_http(self) -> bool:
        """Whether a proxy may read requests on it."""
        return self in (Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB)

    @property
    def is_http2(self) -> bool:
        """Whether the application is spoken to in HTTP/2."""
        return self in (Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB)


_PROTOCOLS = {
    "http": Protocol.HTTP,
    "http_proxy": Protocol.HTTP,
    "http2": Protocol.HTTP2,
    "grpc": Protocol.GRPC,
    "grpc-web": Protocol.GRPC_WEB,
    "https": Protocol.HTTPS,
    "tcp": Protocol.TCP,
    "tls": Protocol.TLS,
    "mongo": Protocol.TCP,
    "mysql": Protocol.TCP,
    "redis": Protocol.TCP,
    "udp": Protocol.UDP,
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}

# Names of IANA that people write and Istio does not know. Their bytes are passed on.
_OPAQUE = frozenset(
    ("amqp", "cassandra", "dns", "ftp", "imap", "kafka", "ldap", "mariadb", "memcache", "memcached", "mongodb", "mqtt", "mssql")
    + ("nats", "pop3", "postgres", "postgresql", "smtp", "ssh", "telnet", "zookeeper")
)

KNOWN = ("http", "http2", "https", "grpc", "grpc-web", "tcp", "tls", "mongo", "mysql", "redis", "udp")
"""The words that Istio documents."""

WELL_KNOWN = frozenset({25, 53, 3306, 27017})
"""Ports that are TCP unless something is declared, as in Istio: SMTP, DNS, MySQL, MongoDB."""


def declared(text: str) -> Protocol | None:
    """The protocol that an `appProtocol` or a port's name says; None when it says nothing."""
    word = text.lower()
    first = "grpc-web" if word.startswith("grpc-web") else word.partition("-")[0]
    return _PROTOCOLS.get(word) or _PROTOCOLS.get(first) or (Protocol.TCP if first in _OPAQUE else None)


def protocol(text: str) -> Protocol:
    """The same; TCP when it says nothing."""
    return declared(text) or Protocol.TCP
