"""What applications answered when they were asked what they speak, pinned to the Services they stand behind.

An agent asks the application of a port that declares nothing. The answer is written to the Service, where it is seen, stays
whatever becomes of the instances, and gives way to an `appProtocol` or a name that says something.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from weft.controlplane.reconcile import Reconciler
from weft.model.workload import InboundPort, Proxy
from weft.protocol import declared
from weft.resource.core.service import Service, ServicePort
from weft.store.store import Conflict, Key, Put, Store
from weft.translate.services import ASKED, asked_protocols

SERVICES = "services"


def answers(spec: Service, pinned: Mapping[int, str], proxies: Iterable[Proxy]) -> dict[int, str]:
    """What is to be pinned to a Service, by port number: what is, and what those of `proxies` (of its namespace) that it selects
    answered. Where they disagree its bytes are passed on. A port that declares something has none."""
    selected = [proxy for proxy in proxies if spec.selector and spec.selector.items() <= dict(proxy.workload.labels).items()]
    found = {port.port: pinned.get(port.port) or _answer(port, selected) for port in spec.ports if undeclared(port)}
    return {number: protocol for number, protocol in sorted(found.items()) if protocol}


def undeclared(port: ServicePort) -> bool:
    """Whether nothing says what is spoken."""
    return port.protocol == "TCP" and declared(port.app_protocol or port.name) is None


def _answer(port: ServicePort, proxies: Iterable[Proxy]) -> str:
    said = {one.protocol for proxy in proxies for one in proxy.inbound if one.asked and _is(port, one)}
    return said.pop() if len(said) == 1 else "tcp" if said else ""


def _is(port: ServicePort, one: InboundPort) -> bool:
    target = port.target_port or port.port
    if isinstance(target, str) and not target.isdigit():
        return one.name == target
    return int(target) in (one.number, one.application.port)


class AskedProtocols:
    """Keeps the annotations. `changed` is told of proxies, `touched` that Services changed."""

    def __init__(self, store: Store, reconciler: Reconciler, proxies: Callable[[], Mapping[str, Proxy]]) -> None:
        self._store = store
        self._reconciler = reconciler
        self._proxies = proxies
        self._wake = asyncio.Event()

    def changed(self, names: Iterable[str]) -> None:
        """These proxies came, changed or went."""
        proxies = self._proxies()
        if any(port.asked for name in names if name in proxies for port in proxies[name].inbound):
            self._wake.set()

    def touched(self) -> None:
        """Some Service is another one now."""
        self._wake.set()

    async def run(self) -> None:
        """Without end."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            asking = [proxy for proxy in self._proxies().values() if any(port.asked for port in proxy.inbound)]
            for resource in tuple(self._reconciler.resources) if asking else ():
                if isinstance(resource.spec, Service) and any(undeclared(port) for port in resource.spec.ports):
                    await self._pin(resource.meta.namespace, resource.meta.name, resource.spec, asking)

    async def _pin(self, namespace: str, name: str, spec: Service, asking: Iterable[Proxy]) -> None:
        stored = await self._store.get(Key(SERVICES, namespace, name))
        if stored is None:
            return
        annotations = dict(stored.body["metadata"].get("annotations") or {})
        pinned = asked_protocols(annotations.get(ASKED, ""))
        wanted = answers(spec, pinned, [proxy for proxy in asking if proxy.workload.namespace == namespace])
        if wanted == pinned:
            return
        try:
            await self._store.write([Put(stored.key, _annotated(stored.body, annotations, wanted), stored.revision)])
        except Conflict:
            self._wake.set()


def _annotated(body: Mapping[str, Any], annotations: Mapping[str, str], pinned: Mapping[int, str]) -> dict[str, Any]:
    said = json.dumps({str(number): protocol for number, protocol in pinned.items()}, separators=(",", ":"))
    return {**body, "metadata": {**body["metadata"], "annotations": {**annotations, ASKED: said}}}
