"""What every port of every workload accepts, and which resource says so."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from weft.model.mesh import Mesh
from weft.model.mtls import Decision, decision
from weft.model.workload import Proxy, Workload
from weft.rollout.scope import Scope

_NAMES = ("app", "app.kubernetes.io/name")


@dataclass(frozen=True, slots=True)
class PortMode:
    """One port of one instance. `workload` is what the instance belongs to: `namespace/app`."""

    proxy: Proxy
    workload: str
    port: int
    by: Decision


def app(of: Workload) -> tuple[str, str]:
    """The label, and its value, by which the instances of a workload are known; no label: it is the instance's own name."""
    labels = dict(of.labels)
    return next(((name, labels[name]) for name in _NAMES if labels.get(name)), ("", of.name))


def port_modes(mesh: Mesh, proxies: Iterable[Proxy], scope: Scope) -> Iterator[PortMode]:
    """The ports of the scope, sorted. Gateways have none: their servers say themselves what they take."""
    for proxy in sorted(proxies, key=lambda one: one.workload.key):
        of = proxy.workload
        name = app(of)[1]
        if proxy.gateway or not scope.covers(of.namespace, name):
            continue
        for port in sorted(proxy.inbound, key=lambda one: one.number):
            by = decision(mesh, of.namespace, of.labels, port.number, port.application.port)
            yield PortMode(proxy, f"{of.namespace}/{name}", port.number, by)
