"""What is known of every proxy, put together from who registered it, what it holds, and what its agent says."""

from collections.abc import Iterator, Mapping
from typing import Any

from weft.controlplane.observation import Observation
from weft.discovery.registry import Registry
from weft.model.endpoint import Health
from weft.model.workload import InboundPort
from weft.protocol import protocol
from weft.xds.status import SessionStatus


def proxies(registry: Registry, sessions: Mapping[str, SessionStatus], observation: Observation) -> Iterator[dict[str, Any]]:
    """A row for each registered proxy, sorted by name. `sync` is NOT_CONNECTED while it has no session."""
    observation.forget(registry.proxies)
    for name, proxy in sorted(registry.proxies.items()):
        session, state = sessions.get(name), observation.state(name)
        labels = dict(proxy.workload.labels)
        yield {
            "proxy": name,
            "service": labels.get("app", ""),
            "version": labels.get("version", ""),
            "node": registry.node_of(name) or "",
            "gateway": proxy.gateway,
            "sync": session.sync.value if session else "NOT_CONNECTED",
            "holds": {_short(url): each.held for url, each in session.types.items()} if session else {},
            "unknownHosts": session.unknown_names + session.shared_names if session else 0,
            "rejections": [_rejection(each) for each in _rejections(session)],
            "envoy": proxy.envoy_version,
            "certificateNotAfter": state.certificate_not_after if state else 0,
            "health": "healthy" if proxy.workload.health is Health.HEALTHY else proxy.workload.health.value,
            "ports": {str(port.number): _spoken(port) for port in proxy.inbound},
            "listeners": {str(asked): bound for asked, bound in state.listeners.items()} if state else {},
        }


def _spoken(port: InboundPort) -> dict[str, Any]:
    """What is spoken on a port of the application, and whether it was asked."""
    return {"name": port.name, "protocol": protocol(port.protocol or port.name).value, "asked": port.asked}


def _rejections(session: SessionStatus | None) -> Iterator[Any]:
    for each in session.types.values() if session else ():
        yield from each.rejections


def _rejection(rejection: Any) -> dict[str, Any]:
    return {
        "resource": rejection.name,
        "message": rejection.message,
        "origins": [str(origin) for origin in rejection.origins],
    }


def _short(type_url: str) -> str:
    return type_url.rpartition(".")[2]
