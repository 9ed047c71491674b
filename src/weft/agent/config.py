"""What the agent is told at its start: a JSON file given by `weft agent --config FILE`, written by whoever starts it."""

from pathlib import Path

import msgspec


class ControlPlane(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the control plane is reached, `host:port`. `enroll` asks no client certificate; `xds` does.

    `server_name` is what its certificate must be valid for; empty: the host of the address.
    """

    xds: str
    enroll: str
    server_name: str = "weft.local"


class AgentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The agent's settings. `home` is kept over restarts, `run` holds sockets (so its path is short).

    `trust` is the PEM file of the roots that the control plane's certificate is first checked with; `token_file` holds a
    one-use join token, needed only until the node has a certificate. `certificate_lifetime` is the seconds asked for, 0 for
    the authority's own choice. `envoy` is the binary, found by itself when empty. `metrics` is the loopback address of
    the Prometheus page; empty: none. `proxy_heap` is how many bytes each Envoy may hold (0: a quarter of the machine's memory, at
    least 512 MiB), `proxy_connections` how many connections of callers (0: as many as it may have files open).
    `key_type` is of workloads' keys; empty: ECDSA P-256.
    """

    node: str
    home: str
    run: str
    supervisor: str
    control_plane: ControlPlane
    trust: str
    token_file: str = ""
    trust_domain: str = "cluster.local"
    domain: str = "cluster.local"
    certificate_lifetime: float = 0.0
    envoy: str = ""
    concurrency: int = 1
    metrics: str = ""
    log_format: str = "text"
    proxy_heap: int = 0
    proxy_connections: int = 0
    key_type: str = ""

    @property
    def directory(self) -> Path:
        """What the agent keeps on disk."""
        return Path(self.home) / "agent"

    @property
    def socket(self) -> Path:
        """Where the agent serves xDS; the supervisor splices the Envoys' socket to it."""
        return Path(self.run) / "agent.sock"

    @property
    def envoy_socket(self) -> Path:
        """Where Envoys connect: held by the supervisor, so that it outlives the agent."""
        return Path(self.run) / "xds.sock"

    @property
    def workload_api(self) -> Path:
        """Where applications ask for their identity (the SPIFFE Workload API)."""
        return Path(self.run) / "spiffe.sock"

    @property
    def admin_socket(self) -> Path:
        """Where the agent answers `weft proxies` and its like."""
        return Path(self.run) / "agent-admin.sock"


def read(path: Path) -> AgentConfig:
    """The configuration in the file `path`. Raises msgspec.ValidationError, naming the field, and OSError."""
    return msgspec.json.decode(path.read_bytes(), type=AgentConfig)
