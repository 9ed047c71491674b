"""What a `weft.yaml` says, as values. Texts that may hold `$PORT` and its like are `Late`: filled in for each instance."""

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NewType

from weft.protocol import WELL_KNOWN, declared
from weft.supervisor.address import LOOPBACK

Late = NewType("Late", str)
"""A text after the first step of interpolation (see `interpolation`)."""


def dns_name(name: str) -> str:
    """A Compose service's name as a mesh may use it: lower case, digits and dashes."""
    return re.sub(r"[^a-z0-9-]", "-", name.lower()).strip("-") or "service"


class Condition(Enum):
    """What a service waits for in another one. STARTED: its process runs. HEALTHY: ready. COMPLETED: it ended with 0."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


class Restart(Enum):
    """When an application that ended is started again. ON_CRASH, weft's default: when it did not end with 0."""

    NO = "no"
    ALWAYS = "always"
    UNLESS_STOPPED = "unless-stopped"
    ON_FAILURE = "on-failure"
    ON_CRASH = ""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the service. `target` 0: the application listens on the port it is given ($PORT)."""

    name: str
    number: int
    app_protocol: str = ""
    target: int = 0

    @property
    def protocol(self) -> str:
        """The text that tells the protocol."""
        return self.app_protocol or self.name

    @property
    def undeclared(self) -> bool:
        """Whether nothing says what is spoken, so that the application is asked."""
        return declared(self.protocol) is None and (bool(self.app_protocol) or self.number not in WELL_KNOWN)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service reached at a local port. `local` 0: any. `variable` is set to the address."""

    host: str
    port: int
    variable: str
    local: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """How the agent finds out whether the application works. `type` empty: a TCP connection to each of its ports. Seconds."""

    type: str = ""
    path: str = "/"
    port: int = 0
    command: tuple[Late, ...] = ()
    interval: float = 2.0
    timeout: float = 1.0
    retries: int = 1
    start_period: float = 0.0


@dataclass(frozen=True, slots=True)
class Dependency:
    """Another Compose service that must come first."""

    service: str
    condition: Condition = Condition.STARTED
    required: bool = True


@dataclass(frozen=True, slots=True)
class Service:
    """A Compose service: one command in one or more instances, or a gateway (then `command` is empty)."""

    name: str
    line: int
    service: str
    namespace: str
    service_account: str
    version: str = ""
    command: tuple[Late, ...] = ()
    environment: tuple[tuple[str, Late], ...] = ()
    working_dir: Late = Late("")
    depends_on: tuple[Dependency, ...] = ()
    health: Health = Health()
    labels: tuple[tuple[str, str], ...] = ()
    replicas: int = 1
    restart: Restart = Restart.ON_CRASH
    restart_limit: int = 0
    stop_signal: str = "SIGTERM"
    stop_grace: float = 10.0
    ports: tuple[Port, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    locality: str = ""
    network: str = ""
    gateway: bool = False
    gateway_host: str = LOOPBACK
    host: str = LOOPBACK
    weight: int = 1
    workload_group: str = ""

    @property
    def surges(self) -> bool:
        """Whether a new instance can run beside an old one: not when a port is fixed."""
        return not self.gateway and not any(port.target for port in self.ports) and not any(up.local for up in self.upstreams)


@dataclass(frozen=True, slots=True)
class Application:
    """The whole file. `resources` are absolute paths, `host` is where what is weft's own listens. `limiter_redis` is the URL of
    the Redis in which rate limits are counted; empty: the limiter counts itself. `proxy_heap` (bytes) and `proxy_connections`
    bound each Envoy; 0: not said. `authority` is `x-weft.ca` as JSON, its paths absolute."""

    name: str
    file: Path
    services: tuple[Service, ...]
    trust_domain: str = "cluster.local"
    trust_domain_aliases: tuple[str, ...] = ()
    certificate_lifetime: float = 0.0
    authority: str = ""
    resources: tuple[Path, ...] = ()
    host: str = LOOPBACK
    limiter_redis: str = ""
    proxy_heap: int = 0
    proxy_connections: int = 0

    @property
    def folder(self) -> Path:
        """Where relative paths begin."""
        return self.file.parent

    def service(self, name: str) -> Service | None:
        """The Compose service of that name."""
        return next((service for service in self.services if service.name == name), None)
