"""What is held of each federated trust domain: polled as often as its bundle asks, kept on disk, told to agents, and said in its
status."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from weft.ca import keys
from weft.controlplane.federation.bundle_client import Unfetched, fetched
from weft.controlplane.reconcile import Reconciler
from weft.proto import node_pb2
from weft.resource.weft.trust_domain import TrustDomain
from weft.spiffe_bundle import SpiffeBundle, document, spiffe_bundle
from weft.store.store import Conflict, Key, Put, Store
from weft.trust_bundle import TrustBundle

log = logging.getLogger("weft.controlplane")

RESOURCE = "trustdomains.mesh.weft.dev"
SHORTEST, LONGEST = 1.0, 3600.0  # seconds between two looks, whatever a bundle asks for
_FILE = 10.0  # seconds between two looks at a file
_RETRY = 15.0
_OLD = 3  # an endpoint that was not read for so many of its periods is worth an alarm
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(slots=True)
class Held:
    """A domain's bundle, since when it was seen last (Unix seconds; 0: it stands in the resource), and why not since."""

    spec: TrustDomain
    bundle: SpiffeBundle | None = None
    seen: float = 0.0
    due: float = 0.0
    problem: str = ""

    def period(self) -> float:
        """Seconds from one look to the next."""
        if self.spec.bundle_file:
            return _FILE
        return min(max(float(self.bundle.hint if self.bundle else _RETRY), SHORTEST), LONGEST)

    def is_old(self, now: float) -> bool:
        """Whether it was not to be had for too long."""
        return bool(self.problem) and now > self.seen + _OLD * self.period()


class Domains:
    """All federated domains. `changed` is set when agents are to be told."""

    def __init__(self, folder: Path, store: Store, reconciler: Reconciler, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._store = store
        self._reconciler = reconciler
        self._now = now
        self._held: dict[str, Held] = {}
        self._wake = asyncio.Event()
        self.changed = asyncio.Event()

    def touched(self) -> None:
        """Some TrustDomain is another one now."""
        self._wake.set()

    @property
    def trust(self) -> tuple[node_pb2.FederatedDomain, ...]:
        """What agents are told."""
        return tuple(
            node_pb2.FederatedDomain(trust_domain=name, bundle=held.bundle.roots.pem, jwks=held.bundle.jwks)
            for name, held in sorted(self._held.items())
            if held.bundle
        )

    def ages(self) -> Iterator[tuple[str, float]]:
        """For the control plane's numbers: seconds since a domain's bundle was seen last; those that only stand in a resource
        have no age."""
        now = self._now().timestamp()
        return ((name, now - held.seen) for name, held in sorted(self._held.items()) if held.seen)

    async def run(self) -> None:
        """Without end."""
        while True:
            self._follow()
            now = self._now().timestamp()
            due = [name for name, held in self._held.items() if held.due <= now]
            await asyncio.gather(*(self._look(name, self._held[name]) for name in due))
            await self._sleep(min((held.due for held in self._held.values()), default=now + LONGEST))

    async def _sleep(self, until: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(max(until - self._now().timestamp(), 0.05), _FILE)):
                await self._wake.wait()
        self._wake.clear()

    def _follow(self) -> None:
        """Takes the TrustDomains as they are written now."""
        federated = self._reconciler.translation.mesh.federated
        wanted = {
            each.meta.name: each.spec
            for each in self._reconciler.resources
            if isinstance(each.spec, TrustDomain) and each.meta.name in federated
        }
        for name in self._held.keys() - wanted.keys():
            del self._held[name]
            self._path(name).unlink(missing_ok=True)
            self.changed.set()
        for name, spec in wanted.items():
            if name not in self._held or self._held[name].spec != spec:
                self._held[name] = self._begun(name, spec, self._held.get(name))
                self.changed.set()

    def _begun(self, name: str, spec: TrustDomain, before: Held | None) -> Held:
        """What is held at first: what an earlier run kept of the same place, else what the resource says."""
        if before and before.bundle and (spec.bundle_endpoint, spec.bundle) == (before.spec.bundle_endpoint, before.spec.bundle):
            return Held(spec, before.bundle, before.seen)
        held = Held(spec)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self._path(name).read_bytes())
            if kept["from"] == _place(spec):
                held.bundle, held.seen = spiffe_bundle(name, kept["bundle"].encode()), float(kept["seen"])
        if held.bundle is None and spec.bundle:
            with contextlib.suppress(ValueError):
                held.bundle = spiffe_bundle(name, spec.bundle.encode())
        return held

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    async def _look(self, name: str, held: Held) -> None:
        """Asks for the bundle again, and keeps it when it is good."""
        if not held.spec.bundle_endpoint and not held.spec.bundle_file:
            held.due = float("inf")
            await self._say(name, held)
            return
        try:
            found = await self._found(name, held)
        except (Unfetched, OSError, ValueError) as problem:
            if str(problem) != held.problem:
                log.warning("event=bundle-not-read trust_domain=%s reason=%r", name, str(problem))
            held.problem, held.due = str(problem), self._now().timestamp() + min(held.period(), _RETRY)
        else:
            self._take(name, held, found)
        if self._held.get(name) is held:
            await self._say(name, held)

    async def _found(self, name: str, held: Held) -> SpiffeBundle:
        if held.spec.bundle_endpoint:
            return await fetched(name, held.spec.bundle_endpoint, self._roots())
        return spiffe_bundle(name, await asyncio.to_thread(Path(held.spec.bundle_file).read_bytes))

    def _roots(self) -> Mapping[str, TrustBundle]:
        return {name: held.bundle.roots for name, held in self._held.items() if held.bundle}

    def _take(self, name: str, held: Held, found: SpiffeBundle) -> None:
        now = self._now().timestamp()
        if held.bundle is None or (found.roots, found.keys) != (held.bundle.roots, held.bundle.keys):
            log.info("event=bundle-changed trust_domain=%s roots=%d keys=%d", name, len(found.roots.roots), len(found.keys))
            self.changed.set()
        if held.problem:
            log.info("event=bundle-read-again trust_domain=%s", name)
        held.bundle, held.seen, held.problem = found, now, ""
        held.due = now + held.period()
        kept = {"from": _place(held.spec), "seen": now, "bundle": document(found).decode()}
        keys.write(self._path(name), json.dumps(kept).encode())

    async def _say(self, name: str, held: Held) -> None:
        """The status of the TrustDomain, when something else is to be said than stands there."""
        key = Key(RESOURCE, "", name)
        stored = await self._store.get(key)
        if stored is None:
            return
        said = _condition(held, self._now())
        status = stored.body.get("status") or {}
        others = [one for one in status.get("conditions", ()) if one.get("type") != said["type"]]
        before: Mapping[str, Any] = next((one for one in status.get("conditions", ()) if one.get("type") == said["type"]), {})
        if all(before.get(each) == said[each] for each in ("status", "reason", "message")):
            return
        with contextlib.suppress(Conflict):  # whoever wrote meanwhile: the next look says it
            body = {**stored.body, "status": {**status, "conditions": [*others, said]}}
            await self._store.write([Put(key, body, stored.revision)])


def _place(of: TrustDomain) -> str:
    return of.bundle_endpoint.url if of.bundle_endpoint else of.bundle_file


def _condition(held: Held, now: datetime) -> dict[str, Any]:
    """Whether the domain's workloads are known, and whether that is so of late."""
    if held.bundle is None:
        status, reason, message = "False", "NoBundle", f"nobody of the domain is known: {held.problem or 'it was not read yet'}"
    elif held.is_old(now.timestamp()):
        since = datetime.fromtimestamp(held.seen, now.tzinfo).strftime(_FORMAT) if held.seen else "never"
        status, reason, message = "True", "Old", f"the bundle was last read {since}: {held.problem}"
    else:
        status, reason, message = "True", "Held", f"{len(held.bundle.roots.roots)} roots, {len(held.bundle.keys)} token keys"
    time = now.strftime(_FORMAT)
    return {"type": "BundleHeld", "status": status, "reason": reason, "message": message, "lastTransitionTime": time}
