"""Nothing broken reaches a proxy: what is about to be told is judged first, and what Envoy refuses is taken out of effect.

A write through the API was judged when it was admitted (`admission.py`), so here the verdict is known and nothing waits. What
came otherwise (it was stored before an upgrade, is bad only for one caller, or only together with something else) is judged here:
the resource without which Envoy takes it goes, alone and for the whole mesh, back to what was in effect before it, else out; its
status says so. What a proxy refuses all the same changes nothing for others: one proxy cannot take a rule from a mesh.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from weft.compile.snapshot import Cache
from weft.controlplane.canary.canary import Canary, Refusal
from weft.controlplane.reconcile import Reconciler
from weft.controlplane.refusals import blamed, is_operators, is_operators_kind, refusals, said, what
from weft.controlplane.touched import is_unsaid, named, touched
from weft.envoy.types import EnvoyResource
from weft.finding import Finding
from weft.messages import finding
from weft.model.mesh import Change, Mesh
from weft.model.workload import Proxy
from weft.ref import Ref
from weft.resource.resource import Resource
from weft.translate.mesh import advance
from weft.xds.rejection import Rejection
from weft.xds.server import ProxyStatus

LAST_GOOD = "the version before it stays in effect"
LEFT_OUT = "it is left out, as if it were not there, until it is corrected"
KEPT = "that proxy goes on with what it had"
_AT_ONCE = 16  # hosts
_LOOK = 1.0  # seconds between two looks at what proxies refuse

Trial = tuple[tuple[Resource, Resource | None], ...]
"""Resources, and what is tried in place of each."""

_log = logging.getLogger("weft.controlplane")


class Quarantine:
    """Judges what proxies would be told, and takes out what is bad. `proxies`: how far each connected one is."""

    def __init__(self, canary: Canary, reconciler: Reconciler, proxies: Callable[[], Iterable[ProxyStatus]]) -> None:
        self._canary = canary
        self._reconciler = reconciler
        self._proxies = proxies
        self._blaming = asyncio.Lock()
        self._rejected = asyncio.Event()

    def judge(self, proxy: str, resources: Sequence[EnvoyResource]) -> Awaitable[Mapping[str, str]] | None:
        """What of `resources` the proxy must not be told; None, at once, when all is known to be good."""
        asked = [each for each in resources if is_operators(each)]
        if not asked or (self._canary.is_known(asked) and not self._canary.refused(asked)):
            return None
        return self._judged(proxy, asked)

    async def _judged(self, name: str, resources: Sequence[EnvoyResource]) -> Mapping[str, str]:
        refused = await self._canary.judge(resources)
        if proxy := self._reconciler.proxy(name):
            for refusal in refused:
                await self._isolate(proxy, refusal)
        return {each.resource.name: each.words for each in refused}

    async def sweep(self) -> None:
        """Judges all that is stored, some hosts at a time: what was there before this process need not be what Envoy takes. It
        rests for as long as it works."""
        mesh = self._reconciler.translation.mesh
        hosts = [
            *mesh.routes,
            *mesh.policies,
            *(host for host, said in mesh.services.items() if is_service_entry(said[0].origin)),
        ]
        hosts = list(dict.fromkeys(hosts))
        for first in range(0, len(hosts), _AT_ONCE):
            mesh = self._reconciler.translation.mesh
            await self._sweep(mesh, mesh, Change(frozenset(hosts[first : first + _AT_ONCE])))
        if mesh.gateways or mesh.envoy_filters:
            await self._sweep(Mesh(mesh.settings), mesh, Change())

    async def _sweep(self, before: Mesh, after: Mesh, change: Change) -> None:
        began = time.monotonic()
        made = touched(before, after, change, Cache())
        proxies = {id(one.resource): one.proxy for one in made}
        for refusal in await refusals(self._canary, made):
            await self._isolate(proxies[id(refusal.resource)], refusal)
        await asyncio.sleep(time.monotonic() - began)

    # Who is to blame

    async def _isolate(self, proxy: Proxy, refusal: Refusal) -> None:
        """Takes out of effect what makes Envoy refuse this, unless somebody was quicker."""
        async with self._blaming:
            mesh = self._reconciler.translation.mesh
            if not await self._is_refused(mesh, proxy, refusal):
                return
            choices = [self._reconciler.choices(ref) for ref in blamed(refusal)]
            choices.sort(key=lambda each: each[0][0].meta.creation_timestamp if each else "", reverse=True)
            for trial in _trials(choices):
                after, _ = advance(self._reconciler.translation, trial)
                if not await self._is_refused(after.mesh, proxy, refusal):
                    self._put(trial, refusal)
                    return
            _log.error('event=unexplained-refusal resource="%s" problem="%s"', refusal.resource.name, refusal.words)

    async def _is_refused(self, mesh: Mesh, proxy: Proxy, refusal: Refusal) -> bool:
        if not refusal.resource.body:
            return is_unsaid(mesh, refusal.resource)
        resource = named(mesh, proxy, refusal.resource.type_url, refusal.resource.name)
        return resource is not None and bool(await self._canary.judge([resource]))

    def _put(self, trial: Trial, refusal: Refusal) -> None:
        findings = {
            bad.ref: (said("envoy-refuses", refusal, bad, LEFT_OUT if instead is None else LAST_GOOD),) for bad, instead in trial
        }
        for each in itertools.chain.from_iterable(findings.values()):
            _log.warning('event=quarantined resource="%s" problem="%s"', each.ref, refusal.words)
        self._reconciler.put_in_quarantine({bad.ref: instead for bad, instead in trial}, findings)

    # What proxies refuse all the same

    def rejected(self, rejection: Rejection) -> None:
        """A proxy refused something."""
        origins = ",".join(map(str, rejection.origins))
        _log.warning(
            'event=rejected proxy=%s resource="%s" origins="%s" problem="%s"',
            rejection.proxy,
            rejection.name,
            origins,
            rejection.message,
        )
        self._rejected.set()

    async def run(self) -> None:
        """Keeps in the statuses what proxies refuse, for as long as they do; without end."""
        await self.sweep()
        while True:
            await self._rejected.wait()
            self._rejected.clear()
            while found := refused_by_proxies(self._proxies()):
                self._reconciler.proxies_say(found)
                await asyncio.sleep(_LOOK)
            self._reconciler.proxies_say({})


def is_service_entry(ref: Ref) -> bool:
    """Whether a service was declared by a ServiceEntry."""
    return ref.kind == "ServiceEntry"


def refused_by_proxies(proxies: Iterable[ProxyStatus]) -> dict[Ref, tuple[Finding, ...]]:
    """What proxies refuse now, by the whole refs of what it was made from; one finding a resource is enough."""
    found: dict[Ref, tuple[Finding, ...]] = {}
    for rejection in (each for proxy in proxies for kind in proxy.session.types.values() for each in kind.rejections):
        for ref in rejection.origins:
            if not rejection.withheld and is_operators_kind(ref):
                found.setdefault(ref.resource, (_refused(ref, rejection),))
    return found


def _refused(ref: Ref, rejection: Rejection) -> Finding:
    where = what(rejection.type_url, rejection.name)
    return finding("proxy-refused", ref.resource, proxy=rejection.proxy, what=where, words=rejection.message[:800], hint=KEPT)


def _trials(choices: Sequence[tuple[tuple[Resource, Resource | None], ...]]) -> Iterable[Trial]:
    """What is tried: each alone, the newest first; then more and more of them together."""
    for each in choices:
        for choice in each:
            yield (choice,)
    out = [each[-1] for each in choices if each]
    for number in range(2, len(out) + 1):
        yield tuple(out[:number])
