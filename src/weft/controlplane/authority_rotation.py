"""The authority's rotation, driven: looks at what every proxy serves, and goes on when nothing is lacking.

In a rotation all agents are asked for a look again and again; without one once a minute, so that a proxy that serves an old
certificate is found and named. The state on disk is written before anything is done in it: a control plane that is killed goes on
where it was. `ca/succession.py` says what the states are.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from weft.ca import succession
from weft.ca.alarms import Alarm, alarms
from weft.ca.folder import CurrentAuthority
from weft.ca.nodes import CertifiedNodes
from weft.ca.proof import Sighting, fingerprint, lacking, shown
from weft.ca.succession import CannotChange, Demand, Kind, Rotation
from weft.ca.succession_files import Successor
from weft.ca.transport.server import Listener
from weft.discovery.registry import Registry
from weft.discovery.server import RegistryServicer
from weft.proto import node_pb2

log = logging.getLogger("weft.ca")

CONTROL_PLANE = "control-plane"
_IDLE = 60.0  # seconds between two looks
_ROTATING = 0.25
_AGAIN = 5.0  # after a look at which somebody lacked something for the first time
_ANSWERED = 5.0  # seconds that a look may take


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one proxy, node (`node/NAME`) or the control plane: `problem` is what is lacking, empty when it is
    verified."""

    name: str
    node: str
    problem: str
    sighting: Sighting | None = None


class AuthorityRotation:
    """One authority, those who hold its certificates, and the way from one root to the next."""

    def __init__(
        self,
        authority: CurrentAuthority,
        listeners: Sequence[Listener],
        registrations: RegistryServicer,
        registry: Registry,
        nodes: CertifiedNodes,
        now: Callable[[], datetime],
    ) -> None:
        self._authority, self._listeners, self._now = authority, listeners, now
        self._registrations, self._registry, self._nodes = registrations, registry, nodes
        self._sightings: dict[str, Sighting] = {}
        self._number = time.time_ns() // 1000  # after a restart too a later look has a larger number
        self._since = self._number
        self._wake = asyncio.Event()
        self._seen = asyncio.Condition()
        self._said_of: frozenset[str] = frozenset()
        self._lacking: frozenset[str] = frozenset()  # at the last look
        self._persisting: frozenset[str] = frozenset()  # and at the one before
        self.looked = 0.0
        registrations.on_sightings = self._sighted

    # What is asked of it

    def begin(
        self, kind: Kind, brought: Successor | None = None, *, compromised: bool = False, stepwise: bool = False
    ) -> Rotation:
        """Begins a rotation. Raises CannotChange and BrokenFolder."""
        if self._authority().external is not None:
            raise CannotChange("certificates are signed elsewhere\n  hint: rotate there; the roots it shows are taken over")
        rotation = self._authority.folder.begin(kind, self._now(), brought, compromised=compromised, stepwise=stepwise)
        self._entered(rotation)
        return rotation

    def pause(self, wanted: bool) -> Rotation:
        """Stays in the state it is in, or goes on. Raises CannotChange."""
        rotation = succession.paused(self._current(), wanted)
        self._authority.folder.files.save(rotation)
        self._wake.set()
        return rotation

    def abort(self) -> Rotation:
        """Takes it back: every proxy serves the old chain before the new root is forgotten. Raises CannotChange."""
        rotation = succession.aborted(self._current(), self._said())
        self._authority.folder.files.save(rotation)
        self._entered(rotation)
        return rotation

    def _current(self) -> Rotation:
        rotation = self.rotation
        if rotation is None:
            raise CannotChange("there is no rotation\n  hint: `weft ca rotate` begins one")
        return rotation

    @property
    def rotation(self) -> Rotation | None:
        """The one that goes on."""
        return self._authority.folder.files.rotation()

    @property
    def last(self) -> Mapping[str, Any]:
        """How the last one ended."""
        return self._authority.folder.files.last()

    async def verify(self) -> list[Row]:
        """A look at everything, now."""
        await self._look(self.rotation)
        return self.rows()

    # Its life

    async def run(self) -> None:
        """Looks and advances until cancelled."""
        await self._registrations.publish_bundle(self._authority().bundle)
        while True:
            rotation = self.rotation
            await self._look(rotation)
            if rotation is not None and not rotation.paused and rotation == self.rotation and not self._missing():
                await self._advance(rotation)
                continue
            missing = frozenset(row.name for row in self._missing())
            self._persisting, self._lacking = missing & self._lacking, missing
            self._say(self.alarms())
            await self._pause(_ROTATING if rotation else _AGAIN if missing != self._persisting else _IDLE)

    def _say(self, found: tuple[Alarm, ...]) -> None:
        """Each alarm once."""
        for alarm in found:
            if alarm.of not in self._said_of:
                log.warning("event=alarm of=%s message=%r", alarm.of, alarm.message)
        self._said_of = frozenset(alarm.of for alarm in found)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _advance(self, rotation: Rotation) -> None:
        following = succession.following(rotation, self._said())
        self._authority.folder.files.save(following)
        self._entered(following)
        await self._registrations.publish_bundle(self._authority().bundle)

    def _entered(self, rotation: Rotation) -> None:
        self._authority.refresh()
        self._since = self._number + 1
        log.info("event=rotation of=%s state=%s", rotation.kind, rotation.state)
        self._wake.set()

    def _said(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    # Looks

    async def _look(self, rotation: Rotation | None) -> None:
        demand = succession.demand(rotation)
        await self._registrations.publish_bundle(self._authority().bundle)
        self._number = max(self._number + 1, time.time_ns() // 1000)
        wanted = node_pb2.Look(number=self._number, roots=sorted(demand.tried), issuer=succession.wanted_issuer(rotation))
        await self._registrations.look(wanted)
        try:
            async with asyncio.timeout(_ANSWERED), self._seen:
                await self._seen.wait_for(self._answered)
        except TimeoutError:
            pass  # who did not answer is named
        self.looked = time.time()

    def _answered(self) -> bool:
        return all(
            (seen := self._sightings.get(f"node/{node}")) is not None and seen.look >= self._number
            for node in self._registrations.nodes
        )

    def _sighted(self, node: str, sightings: Sequence[node_pb2.Sighting]) -> None:
        for each in sightings:
            self._sightings[each.proxy or f"node/{node}"] = Sighting(
                proxy=each.proxy,
                look=each.look,
                chain=tuple(each.chain),
                accepts=frozenset(each.accepts),
                refuses=frozenset(each.refuses),
                held=each.held,
                leaf=each.leaf,
                problem=each.problem,
            )
        asyncio.get_running_loop().create_task(self._notify()).add_done_callback(lambda _: None)

    async def _notify(self) -> None:
        async with self._seen:
            self._seen.notify_all()

    # What is known

    def rows(self) -> list[Row]:
        """The control plane, all nodes and all proxies, and what is lacking of each."""
        rotation = self.rotation
        demand, connected = succession.demand(rotation), self._registrations.nodes
        known = {*self._registry.proxies, *(f"node/{node}" for node in connected)}
        self._sightings = {name: seen for name, seen in self._sightings.items() if name in known}
        rows = [Row(CONTROL_PLANE, "", self._own_problem(demand))]
        rows += [self._row(f"node/{node}", node, demand) for node in sorted(connected)]
        rows += [
            Row(f"node/{node}", node, f"its agent is not connected, and its certificate is valid until {end:%Y-%m-%dT%H:%M:%SZ}")
            for node, end in sorted(self._nodes.at(self._now()).items())
            if node not in connected
        ]
        return rows + [self._row(name, self._registry.node_of(name) or "", demand) for name in sorted(self._registry.proxies)]

    def _row(self, name: str, node: str, demand: Demand) -> Row:
        seen = self._sightings.get(name)
        problem = lacking(seen, demand, self._authority().roots, self._now(), self._since if self.rotation else 0)
        return Row(name, node, problem, seen)

    def _own_problem(self, demand: Demand) -> str:
        shown_now = [listener.material for listener in self._listeners]
        if demand.issuer and any(fingerprint(each.issuer) != demand.issuer for each in shown_now):
            return "shows no certificate of the new issuer yet"
        if any(each.bundle != self._authority().bundle for each in shown_now):
            return "does not trust the roots of the moment yet"
        return ""

    def _missing(self) -> list[Row]:
        return [row for row in self.rows() if row.problem]

    def ends(self) -> tuple[tuple[str, float], ...]:
        """When root and intermediate end, in Unix seconds: of several roots the first that does."""
        authority = self._authority()
        root = min(one.not_valid_after_utc for one in authority.roots)
        return ("root", root.timestamp()), ("intermediate", authority.signer.certificate.not_valid_after_utc.timestamp())

    def alarms(self) -> tuple[Alarm, ...]:
        """What ends too soon, and who serves what it should not at two looks in a row: an Envoy that has just begun serves
        nothing yet."""
        authority = self._authority()
        leaves = {}
        for name, seen in self._sightings.items():
            if seen.chain:
                leaves[name] = shown(seen.chain, ()).leaf
        found = alarms(authority.roots, authority.signer.certificate, leaves, self._now())
        if self.rotation is not None:
            return found
        named = {alarm.of for alarm in found}
        hint = "`weft ca verify` looks once more; its agent's log tells why"
        stale = [
            Alarm(r.name, f"{r.name} {r.problem}", hint)
            for r in self.rows()
            if r.sighting and r.problem and r.name in self._persisting and r.name not in named
        ]
        return (*found, *stale)
