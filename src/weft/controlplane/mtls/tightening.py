"""Makes a part of the mesh refuse plaintext, as `rollout.tighten` decides, and goes on with it after a restart.

The state is on disk before anything is done that it asks for. Whatever is done may be done twice.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from weft.controlplane.api.change import Resources
from weft.controlplane.api.status import Refused
from weft.controlplane.mtls import peer_authentication
from weft.controlplane.mtls.port_modes import PortMode, app, port_modes
from weft.controlplane.reconcile import Imagined, Reconciler
from weft.model.security import MtlsMode
from weft.model.workload import Proxy
from weft.resource.kinds import PEER_AUTHENTICATION
from weft.rollout.scope import Scope
from weft.rollout.tighten import Action, Failures, Limits, Phase, Seen, Sighting, Tightening, decided
from weft.store.store import Key

log = logging.getLogger("weft.controlplane.mtls")
_LOOK = 0.2  # seconds between two looks


class Evidence(Protocol):
    """What sidecars saw."""

    @property
    def since(self) -> float:
        """From when on everything is recorded (Unix seconds)."""
        ...

    def plaintext(self, since: float) -> Iterable[Sighting]:
        """Plaintext that was last seen after `since`."""
        ...

    def failures(self, proxies: Iterable[Proxy]) -> Failures:
        """Of the requests sent to these in the last seconds."""
        ...


class NotNow(Exception):
    """A tightening that is not begun, and why: one reason a line."""

    def __init__(self, reasons: Iterable[str], plaintext: Iterable[Sighting] = ()) -> None:
        self.reasons = tuple(reasons)
        self.plaintext = tuple(plaintext)
        super().__init__("; ".join(self.reasons))


class Tightener:
    """The tightenings of one mesh, one at a time. `proxies` are those registered, `behind` those that have not acknowledged what
    they were told."""

    def __init__(
        self,
        path: Path,
        resources: Resources,
        reconciler: Reconciler,
        proxies: Callable[[], Mapping[str, Proxy]],
        behind: Callable[[], tuple[str, ...]],
        evidence: Evidence,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._resources = resources
        self._reconciler = reconciler
        self._proxies = proxies
        self._behind = behind
        self._evidence = evidence
        self._now = now
        self._aborted = False
        self._begun = asyncio.Event()
        self.state: Tightening | None = None
        """The last one, over or not; None: there was none yet."""

    def load(self) -> None:
        """Takes up what an earlier control plane kept."""
        with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
            self.state = msgspec.json.decode(self._path.read_bytes(), type=Tightening)

    @property
    def goes_on(self) -> bool:
        """Whether one is under way."""
        return self.state is not None and not self.state.phase.is_over

    # What operators ask

    async def begin(self, scope: Scope, limits: Limits, keep_exceptions: bool = False) -> Tightening:
        """Begins one. Raises NotNow."""
        if self.state and self.goes_on:
            raise NotNow([f"{self.state.scope} is being tightened: it is {self.state.phase.value}"])
        ports, label = self._ports(scope), self._label(scope)
        if not ports:
            raise NotNow([f"no port of a workload is in {scope}"])
        mesh, now = self._reconciler.translation.mesh, self._now()
        key = peer_authentication.key_for(mesh, scope, label)
        stored = await self._resources.store.get(key)
        plaintext = self._plaintext(scope, now - limits.window)
        new = peer_authentication.strict(stored.body if stored else None, key, label if scope.workload else None)
        reasons = [*self._obstacles(scope, ports, self._reconciler.imagined([(key, new)]), keep_exceptions)]
        if other := peer_authentication.nearer(mesh, scope, label, key):
            reasons.append(f"{other} holds for {scope}, before any other: change it")
        if self._evidence.since > now - limits.window:
            known = max(0.0, now - self._evidence.since)
            reasons.append(f"who sends plaintext is known for the last {known:.0f} s only, not for {limits.window:g} s")
        reasons += [f"{one}: plaintext, {one.count} times, last {now - one.last:.0f} s ago" for one in plaintext]
        if reasons:
            raise NotNow(reasons, plaintext)
        resource, before = f"{key.namespace}/{key.name}", peer_authentication.specification(stored)
        self._aborted = False
        self._keep(Tightening(scope, limits, resource, before, now, now))
        assert self.state
        return self.state

    def abort(self) -> Tightening | None:
        """Has the one that goes on undone."""
        self._aborted = True
        return self.state

    def _obstacles(self, scope: Scope, ports: Iterable[PortMode], imagined: Imagined, keep: bool) -> Iterator[str]:
        """What stands in the way of STRICT, and what it would cut off."""
        after = {(one.proxy.workload.key, one.port): one.by for one in self._after(scope, imagined)}
        for one in ports:
            then = after[one.proxy.workload.key, one.port]
            what = f"{one.proxy.workload.key} port {one.port}"
            if then.mode is not MtlsMode.STRICT:
                if not keep:
                    yield f"{what} stays {then.mode.name}, says {then.origin}: change that, or --keep-exceptions"
            elif one.by.mode is MtlsMode.DISABLE:
                yield f"{what} takes no mTLS, says {one.by.origin}: its callers send plaintext; make it PERMISSIVE first"
        before = imagined.before.findings
        for ref, found in imagined.after.findings.items():
            for each in found:
                if each.code == "tls-mode-mismatch" and each not in before.get(ref, ()):
                    yield f"{each.ref}: {each.message}"

    def _after(self, scope: Scope, imagined: Imagined) -> Iterator[PortMode]:
        return port_modes(imagined.after.mesh, self._proxies().values(), scope)

    # The work

    async def run(self) -> None:
        """Without end."""
        while True:
            if self.state is None or self.state.phase.is_over:
                self._begun.clear()
                await self._begun.wait()
            await self._step()
            await asyncio.sleep(_LOOK)

    async def _step(self) -> None:
        assert self.state
        stored = await self._resources.store.get(self._key(self.state))
        written = peer_authentication.says_strict(stored.body if stored else None)
        settled = self._reconciler.revision >= await self._resources.store.revision()
        next_, action = decided(self.state, self._seen(self.state, written, settled))
        if next_ != self.state:
            self._keep(next_)
        with contextlib.suppress(Refused):  # somebody else wrote it at the same moment: the next look sees what
            await self._act(action, next_)

    def _seen(self, of: Tightening, written: bool, settled: bool) -> Seen:
        now = self._now()
        waiting = self._behind() if settled else ("the control plane",)
        ports = self._ports(of.scope)
        since = min(of.since, now - of.limits.window) if of.phase is Phase.ACKNOWLEDGING else of.since
        failures = self._evidence.failures({one.proxy.workload.key: one.proxy for one in ports}.values())
        return Seen(now, waiting, self._plaintext(of.scope, since), failures, written, self._aborted)

    async def _act(self, action: Action, of: Tightening) -> None:
        key, label = self._key(of), self._label(of.scope)
        stored = await self._resources.store.get(key)
        body = stored.body if stored else None
        if action is Action.ENFORCE and not peer_authentication.says_strict(body):
            new = peer_authentication.strict(body, key, label if of.scope.workload else None)
            await peer_authentication.write(self._resources, stored, key, new)
        if action is Action.RESTORE and stored and peer_authentication.says_strict(stored.body):
            await peer_authentication.write(
                self._resources, stored, key, peer_authentication.restored(stored.body, key, of.before)
            )

    # What it looks at

    def _key(self, of: Tightening) -> Key:
        namespace, _, name = of.resource.partition("/")
        return Key(PEER_AUTHENTICATION.resource, namespace, name)

    def _ports(self, scope: Scope) -> tuple[PortMode, ...]:
        return tuple(port_modes(self._reconciler.translation.mesh, self._proxies().values(), scope))

    def _label(self, scope: Scope) -> tuple[str, str]:
        """How the instances of the scope's workload are selected."""
        found = (app(proxy.workload) for proxy in self._proxies().values() if proxy.workload.namespace == scope.namespace)
        return next(((name, value) for name, value in found if name and value == scope.workload), ("app", scope.workload))

    def _plaintext(self, scope: Scope, since: float) -> tuple[Sighting, ...]:
        inside = {one.workload for one in self._ports(scope)}
        found = (one for one in self._evidence.plaintext(since) if one.workload in inside)
        return tuple(sorted(found, key=lambda one: (one.workload, one.port, one.address, one.refused)))

    def _keep(self, state: Tightening) -> None:
        old, self.state = self.state, state
        partial = self._path.with_suffix(".new")
        partial.write_bytes(msgspec.json.encode(state))
        partial.replace(self._path)
        if old is None or (old.began, old.phase) != (state.began, state.phase):
            log.info("event=tightening scope=%s phase=%s reason=%r", state.scope, state.phase.value, state.reason)
        self._begun.set()


def limits(said: Mapping[str, Any]) -> Limits:
    """The limits that a request says, in seconds. Raises ValueError."""
    usual = Limits()
    window, watch, patience = (
        float(said.get(name, default))
        for name, default in (("window", usual.window), ("watch", usual.watch), ("patience", usual.patience))
    )
    if not all(0 <= value <= 30 * 86400 for value in (window, watch, patience)):
        raise ValueError("window, watch and patience are seconds, of at most 30 days")
    return Limits(window, watch, patience)
