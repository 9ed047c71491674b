"""Keeps the keys of token issuers: fetched here, once for all proxies, and written down as ConfigMaps of the root namespace.

A key set that was fetched once serves until a newer one is: an issuer that is down for an hour, and a control plane that is
started meanwhile, stop nobody. What is wrong is said of the RequestAuthentication that names the address.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from weft.controlplane.api.admission import Admission
from weft.controlplane.key_set_client import Fetched, Unfetched, key_set
from weft.controlplane.reconcile import Reconciler
from weft.finding import Finding, Severity
from weft.messages import finding
from weft.model.authentication import JwtRule, KeySet, RequestAuthentication
from weft.model.login import OidcLogin
from weft.resource.decode import decode
from weft.resource.istio import request_authentication as written
from weft.store.store import Conflict, Delete, Key, Put, Store
from weft.translate.authentication import (
    AT,
    AUTHORIZATION,
    END,
    JWKS,
    KEY_SET,
    PROBLEM,
    SINCE,
    TOKEN,
    key_set_name,
    request_authentication,
)

RESOURCE, LOGINS = "requestauthentications.security.istio.io", "oidclogins.mesh.weft.dev"
RESOURCES = (RESOURCE, LOGINS)
_AT_ONCE = 8
_FIRST_RETRY, _LAST_RETRY = 1.0, 60.0  # seconds
_KEPT = timedelta(days=1)  # that nobody names, in case it is named again
_NOTED = timedelta(hours=1)  # the age of keys is written down no more exactly
_FETCHED = (JWKS, AUTHORIZATION, TOKEN, END)
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(slots=True)
class _Due:
    """When an address is asked next (seconds of the loop's clock), and how often it failed since it last answered."""

    when: float = 0.0
    failures: int = 0
    fetched: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An address: how long it may take, in seconds, and the issuers whose it is."""

    patience: float
    issuers: frozenset[str]


class KeySets:
    """The fetching. `refresh`: seconds from one to the next. `trusted`: whom to believe that it is the issuer."""

    def __init__(
        self,
        store: Store,
        reconciler: Reconciler,
        refresh: float,
        trusted: ssl.SSLContext,
        namespace: str,
        now: Callable[[], datetime],
    ) -> None:
        self._store, self._reconciler, self._now = store, reconciler, now
        self._refresh, self._namespace, self._trusted = refresh, namespace, trusted
        self._due: dict[str, _Due] = {}
        self._wake = asyncio.Event()

    def touched(self) -> None:
        """Some RequestAuthentication is another one now."""
        self._wake.set()

    async def run(self) -> None:
        """Without end."""
        while True:
            wanted = _wanted(self._rules())
            clock = asyncio.get_running_loop().time()
            due = [at for at in wanted if self._due.setdefault(at, _Due()).when <= clock]
            for start in range(0, len(due), _AT_ONCE):
                await asyncio.gather(*(self._update(at, wanted[at]) for at in due[start : start + _AT_ONCE]))
            await self._forget(wanted)
            await self._sleep(min((self._due[at].when for at in wanted), default=clock + self._refresh))

    async def _sleep(self, until: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(until - asyncio.get_running_loop().time(), 0.01)):
                await self._wake.wait()
        self._wake.clear()

    def _rules(self) -> Iterator[JwtRule]:
        for guards in self._reconciler.translation.mesh.guards.values():
            yield from (rule for one in guards if isinstance(one, RequestAuthentication) for rule in one.rules)
            yield from (JwtRule(one.issuer, "", keys_at=one.keys_at) for one in guards if isinstance(one, OidcLogin))

    async def _update(self, at: str, wanted: _Wanted) -> None:
        due, clock = self._due[at], asyncio.get_running_loop().time()
        try:
            found, problem = _data(await key_set(at, wanted.patience, self._trusted, wanted.issuers)), ""
            due.failures, due.fetched, due.when = 0, self._now(), clock + self._refresh
        except Unfetched as why:
            found, problem = {}, str(why)
            due.when = clock + min(_FIRST_RETRY * 2**due.failures, _LAST_RETRY, self._refresh)
            due.failures = min(due.failures + 1, 10)
        await self._write(at, found, problem, due.fetched)

    async def _write(self, at: str, found: Mapping[str, str], problem: str, fetched: datetime | None) -> None:
        key = Key("configmaps", self._namespace, key_set_name(at))
        stored = await self._store.get(key)
        before: Mapping[str, str] = stored.body.get("data", {}) if stored else {}
        since = fetched.strftime(_FORMAT) if fetched else before.get(SINCE, "")
        kept = found or {name: before.get(name, "") for name in _FETCHED}
        data = {AT: at, **kept, PROBLEM: problem, SINCE: since}
        if _same(data, before):
            return
        body = {**stored.body, "data": data} if stored else _config_map(key, data, self._now())
        with contextlib.suppress(Conflict):  # whoever wrote meanwhile: the next fetching looks again
            await self._store.write([Put(key, body, stored.revision if stored else 0)])

    async def _forget(self, wanted: Mapping[str, _Wanted]) -> None:
        """Drops what nobody has named for a day."""
        oldest = (self._now() - _KEPT).strftime(_FORMAT)
        for kept in list(self._reconciler.translation.mesh.key_sets.values()):
            if kept.at not in wanted and (not kept.jwks or kept.since < oldest):
                with contextlib.suppress(Conflict):
                    await self._store.write([Delete(Key("configmaps", self._namespace, kept.origin.name))])
        for at in self._due.keys() - wanted.keys():
            del self._due[at]

    async def admit(self, changes: Sequence[Admission]) -> tuple[Finding, ...]:
        """What is wrong with addresses that are written and were not known before: each is asked once."""
        known = self._reconciler.translation.mesh.key_sets
        rules = [
            (rule, said, index)
            for said in _authentications(changes)
            for index, rule in enumerate(said.rules)
            if rule.keys_at and rule.keys_at not in known
        ]
        wanted = _wanted(rule for rule, _, _ in rules)
        asked = dict(zip(wanted, await asyncio.gather(*(self._problem(at, of) for at, of in wanted.items())), strict=True))
        return tuple(
            finding(
                "keys-not-fetched",
                said.origin.at(f"spec.jwtRules[{index}].jwksUri"),
                at=rule.keys_at,
                why=why,
                effect=f"tokens of {rule.issuer} are refused until they are",
            )
            for rule, said, index in rules
            if (why := asked[rule.keys_at])
        )

    async def _problem(self, at: str, wanted: _Wanted) -> str:
        try:
            await key_set(at, wanted.patience, self._trusted, wanted.issuers)
        except Unfetched as why:
            return str(why)
        return ""

    def failing(self) -> Iterable[KeySet]:
        """The key sets whose last fetching failed, for the control plane's numbers."""
        return (one for one in self._reconciler.translation.mesh.key_sets.values() if one.problem)


def _authentications(changes: Sequence[Admission]) -> Iterator[RequestAuthentication]:
    for change in changes:
        if change.kind.resource != RESOURCE or change.new is None:
            continue
        decoded = decode(change.new)
        broken = any(one.severity is Severity.ERROR for one in decoded.findings)
        if decoded.resource and not broken and isinstance(decoded.resource.spec, written.RequestAuthentication):
            said = request_authentication(decoded.resource, decoded.resource.spec).guarding
            if isinstance(said, RequestAuthentication):
                yield said


def _wanted(rules: Iterable[JwtRule]) -> dict[str, _Wanted]:
    """The addresses, each once: with the most patience, and all issuers."""
    found: dict[str, _Wanted] = {}
    for rule in rules:
        if rule.keys_at:
            before = found.get(rule.keys_at, _Wanted(rule.patience, frozenset()))
            found[rule.keys_at] = replace(
                before, patience=max(before.patience, rule.patience), issuers=before.issuers | {rule.issuer}
            )
    return found


def _same(data: Mapping[str, str], before: Mapping[str, str]) -> bool:
    """Whether there is nothing to write: a small difference in age is none while all goes well."""
    if any(data[name] != before.get(name) for name in (AT, *_FETCHED, PROBLEM)):
        return False
    try:
        ages = (datetime.strptime(of, _FORMAT).replace(tzinfo=UTC) for of in (data[SINCE], before[SINCE]))
        return abs(next(ages) - next(ages)) < _NOTED
    except (KeyError, ValueError):
        return data[SINCE] == before.get(SINCE)


def _data(of: Fetched) -> dict[str, str]:
    return {JWKS: of.jwks, AUTHORIZATION: of.authorization, TOKEN: of.token, END: of.end}


def _config_map(key: Key, data: Mapping[str, str], now: datetime) -> dict[str, Any]:
    meta = {
        "name": key.name,
        "namespace": key.namespace,
        "uid": str(uuid4()),
        "creationTimestamp": now.strftime(_FORMAT),
        "labels": {KEY_SET: "true"},
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(data)}
