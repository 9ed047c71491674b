"""The names our Envoy configuration uses, in Istio's forms where it has one, so that dashboards and patches match."""

from collections.abc import Iterable
from hashlib import blake2b
from ipaddress import ip_address

_ANYWHERE = "0.0.0.0"
HTTP_PROXY_ROUTES = "http_proxy"  # the route configuration of the unprivileged mode, filled on demand by VHDS
LIMITER = "weft-limiter"  # the cluster of the rate limiter, which every Envoy has from the start
INNER_LISTENER = "connect_inner"  # the internal listener that routes what comes inside a CONNECT
PASSTHROUGH = "PassthroughCluster"  # the caller's own destination (dynamic forward proxy in unprivileged mode)
BLACK_HOLE = "BlackHoleCluster"
IDENTITY_SECRET = "default"  # the workload's certificate and key
TRUST_SECRET = "ROOTCA"  # the trust bundle
CALLING_WORKLOAD = "weft.workload"  # filter state of an application's connection: who it is, `namespace/name`
CALLING_IDENTITY = "weft.identity"  # and its SPIFFE ID
CALLS_SHARE = "weft.calls"  # runtime key: of how many calls in ten thousand the agent is told
NOT_REACHED = "x-weft-not-reached"  # of a sidecar's answer to the mesh: its application has not seen the request


def outbound_cluster(port: int, subset: str, host: str) -> str:
    """`outbound|9080|v1|reviews.default.svc.cluster.local`; the subset may be empty."""
    return f"outbound|{port}|{subset}|{host}"


def inbound_cluster(port: int) -> str:
    """The cluster of the application beside the proxy: `inbound|9080||`."""
    return f"inbound|{port}||"


def inbound_port(name: str) -> int:
    """The port in the name of an inbound cluster or route configuration; 0: it is none."""
    parts = name.split("|")
    return int(parts[1]) if len(parts) == 4 and parts[0] == "inbound" and parts[1].isdecimal() else 0


def plain_cluster(port: int, subset: str, host: str) -> str:
    """The endpoints of a service in the mesh that have no sidecar: `outbound-plain|9080|v1|reviews.default.svc.cluster.local`."""
    return f"outbound-plain|{port}|{subset}|{host}"


def is_plain(name: str) -> bool:
    """Whether the name is that of a service's endpoints without a sidecar."""
    return name.startswith("outbound-plain|")


def fallback_cluster(name: str) -> str:
    """The cluster that sends to the cluster `name`, or to its fallbacks: `fallback|outbound|9080|v1|reviews...`."""
    return f"fallback|{name}"


def with_fallback(name: str) -> str:
    """The cluster whose fallbacks `name` sends to; empty for any other name."""
    return name.removeprefix("fallback|") if name.startswith("fallback|") else ""


def passed_cluster(port: int, subset: str, host: str) -> str:
    """The cluster to which a gateway passes the mesh's own TLS as it is, and the name that such TLS asks for:
    `outbound_.9080_.v1_.reviews.default.svc.cluster.local`."""
    return f"outbound_.{port}_.{subset}_.{host}"


def is_passed(name: str) -> bool:
    """Whether the cluster is one that gets the mesh's own TLS as it is."""
    return name.startswith("outbound_.")


def parse_outbound(name: str) -> tuple[int, str, str] | None:
    """(port, subset, host) of an outbound cluster's name, of whichever kind; None for any other name."""
    match name.split("_.", 3) if is_passed(name) else name.split("|"):
        case ["outbound" | "outbound-plain", port, subset, host] if port.isdigit():
            return int(port), subset, host
    return None


def upstream_routes(host: str, port: int) -> str:
    """The route configuration of a local port that stands for one HTTP port of a service: `upstream|reviews|9080`."""
    return f"upstream|{host}|{port}"


def parse_upstream_routes(name: str) -> tuple[str, int] | None:
    """(host, port) of such a route configuration's name."""
    match name.split("|"):
        case ["upstream", host, port] if port.isdigit():
            return host, int(port)
    return None


def gateway_listener(port: int, bind: str = "") -> str:
    """The listener of a gateway's port: `0.0.0.0_80`, wherever it really listens, or at the address that a server binds."""
    return f"{bind or _ANYWHERE}_{port}"


def datagram_listener(port: int, bind: str = "") -> str:
    """The listener of a gateway's UDP port: `udp_0.0.0.0_53`, in the same way."""
    return f"udp_{gateway_listener(port, bind)}"


def gateway_port(listener: str) -> int:
    """The port of a TCP listener; 0 when it is none of a gateway's."""
    address, _, port = listener.partition("_")
    return int(port) if port.isdigit() and _is_address(address) else 0


def datagram_port(listener: str) -> int:
    """The port of a UDP listener; 0 when it is none of a gateway's."""
    return gateway_port(listener.removeprefix("udp_")) if listener.startswith("udp_") else 0


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def vhds_name(route_config: str, host: str) -> str:
    """What Envoy asks for when it needs the virtual host of `host`."""
    return f"{route_config}/{host}"


_SHOWN, _TRUSTED, _LISTED = "kubernetes://", "kubernetes-ca://", "ca://"
_CLIENT, _SESSION = "oidc-client://", "oidc-session://"
_OF_NAME = "-cacert"


def certificate_secret(namespace: str, name: str) -> str:
    """The certificate and key of a Secret: `kubernetes://default/web`."""
    return f"{_SHOWN}{namespace}/{name}"


def trust_secret(namespace: str, name: str) -> str:
    """The authorities of a Secret, or of the one called like it with `-cacert` behind, which comes first."""
    return f"{_TRUSTED}{namespace}/{name}"


def listed_trust_secret(credentials: Iterable[str]) -> str:
    """The authorities of all these Secrets and ConfigMaps: `ca://ConfigMap/default/ours,Secret/default/theirs`."""
    return _LISTED + ",".join(credentials)


def client_secret(namespace: str, name: str) -> str:
    """The secret with which a gateway is known to an OpenID provider."""
    return f"{_CLIENT}{namespace}/{name}"


def session_secret(namespace: str, name: str) -> str:
    """The key of the sessions at a gateway, which follows from the client's secret."""
    return f"{_SESSION}{namespace}/{name}"


def login_cookie(namespace: str, login: str, what: str) -> str:
    """A cookie of a session, the login's own, since browsers send those of one host to all that is behind it."""
    own = blake2b(f"{namespace}/{login}".encode(), digest_size=4).hexdigest()
    return f"weft-{what}-{own}"


def is_client_secret(name: str) -> bool:
    """Whether it is one of an OpenID provider's client."""
    return name.startswith(_CLIENT)


def is_session_secret(name: str) -> bool:
    """Whether it is the key of sessions."""
    return name.startswith(_SESSION)


def is_certificate_secret(name: str) -> bool:
    """Whether what is named is shown, with its key, and not trusted."""
    return name.startswith(_SHOWN)


def is_listed_trust_secret(name: str) -> bool:
    """Whether what is named are the authorities of all its sources, and not of the first that has any."""
    return name.startswith(_LISTED)


def secret_sources(name: str) -> tuple[str, ...]:
    """The keys of the credentials that an SDS secret is made from, the first first; none: it is not the control plane's."""
    if name.startswith(_SHOWN):
        return (f"Secret/{name.removeprefix(_SHOWN)}",)
    if name.startswith((_CLIENT, _SESSION)):
        return (f"Secret/{name.partition('://')[2]}",)
    if name.startswith(_TRUSTED):
        place = name.removeprefix(_TRUSTED)
        return f"Secret/{place}{_OF_NAME}", f"Secret/{place}"
    return tuple(name.removeprefix(_LISTED).split(",")) if name.startswith(_LISTED) else ()
