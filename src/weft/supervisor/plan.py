"""What each instance is given: its name, ports, environment, command, and how the agent hears of it. Pure.

An instance's sidecar listens for the mesh on one port for each of the service's, and takes what the application sends at its HTTP
proxy port. Proxy variables make unchanged programs use it: https://about.gitlab.com/blog/we-need-to-talk-no-proxy/
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.supervisor.address import shown, written
from weft.supervisor.application import Health, Port, Service, Upstream, dns_name
from weft.supervisor.interpolation import settled

_BYPASS = ("localhost", "127.0.0.1", "::1", "127.0.0.0/8")  # no [::1]: httpx cannot start with it
_JAVA_BYPASS = "localhost|127.*|[::1]"
_PROXY_NAMES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "no_proxy", "no_grpc_proxy")
_OURS = ("PORT", "HOST", "WEFT_SERVICE", "WEFT_INSTANCE", "WEFT_VERSION", "WEFT_NAMESPACE", "WEFT_HOME", "WEFT_MESH")


@dataclass(frozen=True, slots=True)
class PortPlan:
    """One port of one instance: the service's, the sidecar's and the application's."""

    port: Port
    listen: int
    application: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One instance, complete."""

    service: Service
    index: int
    ports: tuple[PortPlan, ...] = ()
    http_proxy: int = 0
    upstreams: tuple[tuple[Upstream, int], ...] = ()
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def name(self) -> str:
        """Unique in the mesh."""
        return f"{dns_name(self.service.name)}-{self.index}"

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.service.namespace}/{self.name}"

    @property
    def process(self) -> str:
        """The name of the application's process."""
        return f"app/{self.key}"

    @property
    def checked(self) -> bool:
        """Whether the agent finds out that it is healthy; otherwise it is when it runs."""
        return not self.service.gateway and (bool(self.ports) or bool(self.service.health.type)) and self.health.type != "none"

    @property
    def health(self) -> Health:
        """How it is checked: without ports or a check of its own, not at all."""
        if self.service.gateway or (not self.ports and not self.service.health.type):
            return Health(type="none")
        return self.service.health

    def taken(self) -> tuple[int, ...]:
        """The ports that are its own while it lives."""
        own = [number for plan in self.ports for number in (plan.listen, plan.application)]
        return (*own, *(listen for _, listen in self.upstreams), *([self.http_proxy] if self.http_proxy else []))

    def message(self, state: str, pid: int) -> dict[str, Any]:
        """The instance as the agent is told of it."""
        host = self.service.host
        return {
            "name": self.name,
            "namespace": self.service.namespace,
            "service": self.service.service,
            "service_account": self.service.service_account,
            "labels": labels(self.service),
            "locality": self.service.locality,
            "network": self.service.network,
            "weight": self.service.weight,
            "workload_group": self.service.workload_group,
            "gateway": self.service.gateway,
            "gateway_host": self.service.gateway_host,
            "host": host,
            "http_proxy": {"host": host, "port": self.http_proxy} if self.http_proxy else None,
            "inbound": [
                {
                    "name": plan.port.name,
                    "number": plan.port.number,
                    "protocol": plan.port.protocol,
                    "listen": {"host": host, "port": plan.listen},
                    "application": {"host": host, "port": plan.application},
                    "ask": plan.port.undeclared,
                }
                for plan in self.ports
            ],
            "upstreams": [
                {"host": upstream.host, "port": upstream.port, "listen": {"host": host, "port": listen}}
                for upstream, listen in self.upstreams
            ],
            "health": self._health_message(),
            "drain": self.service.stop_grace,
            "state": state,
            "pid": pid,
        }

    def _health_message(self) -> dict[str, Any]:
        health = self.health
        asked = next((plan.application for plan in self.ports if plan.port.number == health.port), health.port)
        return {
            "type": health.type,
            "path": health.path,
            "port": asked,
            "command": [settled(word, self.environment) for word in health.command],
            "interval": health.interval,
            "timeout": health.timeout,
            "retries": health.retries,
            "start_period": health.start_period,
        }


def labels(service: Service) -> dict[str, str]:
    """What selectors see of it, `app` and `version` as Istio expects them."""
    version = {"version": service.version} if service.version else {}
    return {**dict(service.labels), **version, "app": service.service}


def plan(
    service: Service,
    index: int,
    *,
    take: Callable[[int], int],
    folder: Path,
    inherited: Mapping[str, str],
    weft: Sequence[str],
    workload_api: Path | None = None,
) -> Plan:
    """The instance `index` of `service`. `take` gives a free port, the one asked for (when not 0) if that is free. `inherited` is
    the environment of `weft up`, `weft` how this program is called, `folder` where relative paths begin, `workload_api` the
    socket at which applications ask for their identity."""
    if service.gateway:
        return Plan(service, index, folder=folder)
    ports = tuple(PortPlan(port, take(0), port.target or take(0)) for port in service.ports)
    upstreams = tuple((upstream, take(upstream.local)) for upstream in service.upstreams)
    bare = Plan(service, index, ports, take(0), upstreams)
    own = _own(bare)
    found = {**inherited, **({"SPIFFE_ENDPOINT_SOCKET": f"unix://{workload_api}"} if workload_api else {})}
    environment = _environment(bare, own, found, weft)
    late = {**environment, **own}
    argv = tuple(settled(word, late) for word in service.command)
    return Plan(
        service,
        index,
        ports,
        bare.http_proxy,
        upstreams,
        argv=(*weft, *argv[1:]) if argv[:1] == ("weft",) else argv,
        environment=environment,
        folder=folder / settled(service.working_dir, late),
    )


def _own(bare: Plan) -> dict[str, str]:
    """The variables that each instance has its own values of."""
    service = bare.service
    found = {
        "HOST": service.host,
        "WEFT_SERVICE": service.service,
        "WEFT_INSTANCE": bare.name,
        "WEFT_VERSION": service.version,
        "WEFT_NAMESPACE": service.namespace,
    }
    for planned in reversed(bare.ports):
        found[f"PORT_{_variable(planned.port.name)}"] = found["PORT"] = str(planned.application)
    for upstream, listen in reversed(bare.upstreams):
        address = shown(service.host, listen)
        found[upstream.variable] = address
        found[f"{upstream.variable.removesuffix('_ADDR')}_{upstream.port}_ADDR"] = address
    return found


def _variable(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _environment(bare: Plan, own: Mapping[str, str], inherited: Mapping[str, str], weft: Sequence[str]) -> dict[str, str]:
    environment = {name: value for name, value in inherited.items() if not _is_ours(name)}
    environment.setdefault("PYTHONUNBUFFERED", "1")  # a log file is no terminal; lines should be there when they are written
    environment["PATH"] = f"{environment.get('PATH', '/usr/bin:/bin')}:{Path(weft[0]).parent}"
    late = {**environment, **own}
    environment |= {name: settled(value, late) for name, value in bare.service.environment}
    proxied = {**environment, **proxy_variables(bare.service.host, bare.http_proxy)}
    host = written(bare.service.host)
    java = f"-Dhttp.proxyHost={host} -Dhttp.proxyPort={bare.http_proxy} -Dhttps.proxyHost={host}"
    java += f" -Dhttps.proxyPort={bare.http_proxy} -Dhttp.nonProxyHosts={_JAVA_BYPASS}"
    proxied["JAVA_TOOL_OPTIONS"] = f"{environment.get('JAVA_TOOL_OPTIONS', '')} {java}".strip()
    return {**proxied, **own}


def proxy_variables(host: str, port: int) -> dict[str, str]:
    """What makes programs send through the HTTP proxy at `host:port` all but what is on this machine's loopback."""
    url, bypass = f"http://{shown(host, port)}", ",".join(_BYPASS)
    found = {"NODE_USE_ENV_PROXY": "1", "grpc_proxy": url, "no_grpc_proxy": bypass}
    for name, value in (("http_proxy", url), ("https_proxy", url), ("no_proxy", bypass)):
        found[name] = found[name.upper()] = value
    return found


def without_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of our own processes: those never use a proxy that a variable names."""
    return {name: value for name, value in environ.items() if name.lower() not in _PROXY_NAMES}


def _is_ours(name: str) -> bool:
    return name.lower() in _PROXY_NAMES or name in _OURS or name.startswith("PORT_")
