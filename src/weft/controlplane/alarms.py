"""Alarms about enforcement: calls that passed and should not have, and proxies that may not have the newest policies.

They are looked for every few seconds, told once in the log, counted in the metrics, and listed for who asks.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from weft.controlplane.call_list import row, time_text
from weft.controlplane.evidence import Evidence, rule_words
from weft.controlplane.reconcile import Reconciler
from weft.discovery.registry import Registry
from weft.evidence.bypass import Bypass
from weft.model.authorization import AuthorizationPolicy
from weft.xds.status import SessionStatus, Sync

log = logging.getLogger("weft.controlplane")
_PERIOD = 3.0
_PATIENCE = 10.0
"""Seconds after which a proxy that has not acknowledged all it was told is named."""

Json = Mapping[str, Any]


class Alarms:
    """What is wrong with enforcement now. `sessions` are those of the proxies that are connected."""

    def __init__(
        self,
        evidence: Evidence,
        reconciler: Reconciler,
        registry: Registry,
        sessions: Callable[[], Mapping[str, SessionStatus]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._evidence = evidence
        self._reconciler = reconciler
        self._registry = registry
        self._sessions = sessions
        self._monotonic = monotonic
        self._behind: dict[str, tuple[str, float]] = {}  # proxy -> how it is, and since when
        self._told: set[tuple[str, ...]] = set()
        self.items: tuple[Json, ...] = ()

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(_PERIOD)
            self.look()

    def look(self) -> None:
        """Looks once."""
        items = [*map(bypassed, self._evidence.bypasses()), *self._late()]
        told = {(one["kind"], one["message"]) for one in items}
        for kind, message in sorted(told - self._told):
            log.warning('event=policy-alarm kind=%s message="%s"', kind, message)
        self._told, self.items = set(told), tuple(items)

    def _late(self) -> Iterator[Json]:
        now, sessions = self._monotonic(), self._sessions()
        behind: dict[str, tuple[str, float]] = {}
        for name, proxy in sorted(self._registry.proxies.items()):
            session = sessions.get(name)
            how = "" if session and session.sync is Sync.SYNCED else session.sync.value if session else "NOT_CONNECTED"
            if not how or not self._is_guarded(proxy.workload.namespace):
                continue
            last = self._behind.get(name)
            behind[name] = last if last is not None and last[0] == how else (how, now)
            if (seconds := now - behind[name][1]) >= _PATIENCE:
                yield _unacknowledged(name, how, seconds)
        self._behind = behind

    def _is_guarded(self, namespace: str) -> bool:
        mesh = self._reconciler.translation.mesh
        for place in (namespace, mesh.settings.root_namespace):
            if any(isinstance(one, AuthorizationPolicy) for one in mesh.guards.get(place, ())):
                return True
        return False


def bypassed(of: Bypass) -> Json:
    """The alarm about a call that passed."""
    edge, there = of.call.edge, of.call.edge.destination
    caller = edge.caller.identity or f"{edge.caller.address} ({edge.caller.transport})"
    asked = f"{of.call.operation.method} {of.call.operation.path}" if not of.call.is_tcp else "a connection"
    where = f"{there.namespace}/{there.workload}:{edge.port}"
    since = f"although since {time_text(of.since)} {rule_words(of.decision)}"
    message = f"{asked} of {caller} reached {where} {since}"
    return {"kind": "bypassed", "message": message, "rule": rule_words(of.decision), "call": row(of.call)}


def _unacknowledged(proxy: str, how: str, seconds: float) -> Json:
    words = {"STALE": "has not acknowledged all it was told", "NACKED": "refused something it was told"}
    message = f"the proxy {proxy} {words.get(how, 'is not connected')}: it may not have the newest policies"
    return {"kind": "not-acknowledged", "message": message, "proxy": proxy, "sync": how, "seconds": round(seconds)}
