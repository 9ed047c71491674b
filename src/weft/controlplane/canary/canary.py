"""Who is asked what: verdicts by content, questions together, and halves of them until the offender stands alone.

A refusal is Envoy's own about one resource alone. An Envoy that ends over a question has refused it, when it does so twice over
the same resource alone. Without any Envoy, or without an answer in time, nothing is refused, and nothing is remembered.
"""

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf import json_format

from weft.controlplane.canary.candidate import Candidate, candidates, parts, route_configuration
from weft.controlplane.canary.process import ROUTES, CanaryProcess, routes_listener, static_bootstrap
from weft.controlplane.canary.server import CanaryServer, Gone, Silent
from weft.envoy.binary import Binary, validate
from weft.envoy.types import CLUSTER, LISTENER, ROUTE_CONFIGURATION, VIRTUAL_HOST, EnvoyResource, TypeUrl

_TOGETHER = 256  # questions in one
_ANSWER = 2.0  # seconds for the canary to answer
_KEPT = 100_000  # verdicts
_LONGEST = 800  # characters of Envoy's words

_log = logging.getLogger("weft.controlplane.canary")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An Envoy resource that Envoy refuses, in its words. `field`: what the refused route was made from, as `str(Ref)` has it."""

    resource: EnvoyResource
    words: str
    field: str = ""


class NoAnswer(Exception):
    """Nobody could be asked."""


class Canary:
    """The judge of Envoy resources. `binary` None: there is no Envoy here, and nothing is refused. `home`: the mesh's folder.
    `patience`: seconds for the resident Envoy to start, after which the validating mode is asked."""

    def __init__(self, binary: Binary | None, home: Path | None = None, patience: float = 5.0) -> None:
        self._patience = patience
        self._binary = binary
        self._server = CanaryServer(_routes(()))
        self._process = CanaryProcess(binary, self._server, home) if binary else None
        self._verdicts: OrderedDict[str, str] = OrderedDict()
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._resident = True
        self.questions = 0  # a counter

    async def run(self) -> None:
        """Keeps the canary running, without end."""
        if self._process is None:
            await asyncio.Event().wait()
        else:
            await self._process.run()

    @property
    def pid(self) -> int:
        """The canary's process; 0 while there is none."""
        return 0 if self._process is None else self._process.pid

    def is_known(self, resources: Iterable[EnvoyResource]) -> bool:
        """Whether all verdicts are there already."""
        return all(one.key in self._verdicts for each in resources for one in candidates(each))

    def refused(self, resources: Iterable[EnvoyResource]) -> tuple[Refusal, ...]:
        """Those of which it is known that Envoy refuses them."""
        found = (_refusal(each, self._verdicts) for each in resources)
        return tuple(each for each in found if each is not None)

    async def judge(self, resources: Sequence[EnvoyResource]) -> tuple[Refusal, ...]:
        """Those that Envoy refuses."""
        if self._process is None:
            return ()
        questions = [one for each in resources for one in candidates(each)]
        if questions:
            self._process.wanted.set()
            await self._settle(questions)
        return tuple([await self._narrowed(each) for each in self.refused(resources)])

    async def _narrowed(self, of: Refusal) -> Refusal:
        """The refusal with the one route that is to blame, where one is."""
        for host in candidates(of.resource):
            if host.type_url != VIRTUAL_HOST or not self._verdicts.get(host.key):
                continue
            routes = parts(host)
            await self._settle([one for _, one in routes])
            for field, one in routes:
                if words := self._verdicts.get(one.key):
                    return replace(of, words=words, field=field)
        return of

    # Asking

    async def _settle(self, questions: Iterable[Candidate]) -> None:
        """Until there is a verdict on each, or nobody to ask."""
        tasks: set[asyncio.Task[None]] = set()
        new: dict[str, Candidate] = {}
        for one in questions:
            if one.key in self._verdicts:
                self._verdicts.move_to_end(one.key)
            elif one.key in self._asked:
                tasks.add(self._asked[one.key])
            else:
                new[one.key] = one
        for batch in rounds(tuple(new.values())):
            task = asyncio.create_task(self._examine(batch))
            self._asked.update((one.key, task) for one in batch)
            tasks.add(task)
        await asyncio.gather(*tasks)

    async def _examine(self, batch: tuple[Candidate, ...]) -> None:
        try:
            await self._halve(batch)
        finally:
            for one in batch:
                del self._asked[one.key]
            while len(self._verdicts) > _KEPT:
                self._verdicts.popitem(last=False)

    async def _halve(self, batch: tuple[Candidate, ...]) -> None:
        try:
            words = await self._words(batch)
        except NoAnswer as problem:
            _log.warning("event=canary-silent about=%s problem=%s", batch[0].name, problem)
            return
        if words and len(batch) > 1:
            half = len(batch) // 2
            await self._halve(batch[:half])
            await self._halve(batch[half:])
            return
        if words and _cut(words):
            words = await self._validated(batch)
        self._verdicts.update((one.key, tidy(words)) for one in batch)

    async def _words(self, batch: tuple[Candidate, ...]) -> str:
        """What Envoy has against `batch`."""
        self.questions += 1
        for _ in range(2):
            try:
                return await self._ask(batch)
            except Gone as problem:
                ended = str(problem)
                if not self._resident:
                    return await self._validated(batch)
            except Silent as problem:
                assert self._process
                self._process.restart()
                if len(batch) == 1:
                    raise NoAnswer(str(problem)) from None
                ended = str(problem)
            if len(batch) > 1:
                return ended
        return f"Envoy does not survive it: {ended}"

    async def _ask(self, batch: tuple[Candidate, ...]) -> str:
        assert self._process
        try:
            async with asyncio.timeout(self._patience if self._resident else 0.001):
                await self._server.ready()
        except TimeoutError:
            if self._resident:
                _log.warning("event=no-canary starts=%d instead=validate", self._process.starts)
            self._resident = False
            raise Gone("it does not start") from None
        self._resident = True
        type_url = batch[0].type_url
        if type_url == VIRTUAL_HOST:
            return await self._server.ask(ROUTE_CONFIGURATION, (_routes(batch),), _ANSWER)
        return await self._server.ask(type_url, map(_shown, batch), _ANSWER)

    async def _validated(self, batch: tuple[Candidate, ...]) -> str:
        assert self._binary
        try:
            return await asyncio.to_thread(validate, self._binary, static(batch))
        except (OSError, ValueError) as problem:
            raise NoAnswer(str(problem)) from None


def rounds(questions: Sequence[Candidate]) -> tuple[tuple[Candidate, ...], ...]:
    """Questions of one type that may be asked together: no two of one name or domain."""
    groups: dict[TypeUrl, list[tuple[list[Candidate], set[str]]]] = {}
    for one in questions:
        claims = {one.name, *one.domains} if one.domains or one.type_url != VIRTUAL_HOST else set()
        open_groups = groups.setdefault(one.type_url, [])
        group = next((each for each in open_groups if len(each[0]) < _TOGETHER and not claims & each[1]), None)
        if group is None:
            group = ([], set())
            open_groups.append(group)
        group[0].append(one)
        group[1].update(claims)
    return tuple(tuple(batch) for each in groups.values() for batch, _ in each)


_SPACE = re.compile(r"\s+")
_DUMP = re.compile(r"^.*(?=Proto constraint validation failed)", re.DOTALL)  # the whole message, before what is wrong with it
_WHICH = re.compile(r"^Error adding/updating \w+\(s\) \S+: ")
_LOG = re.compile(r"^\[.*?\] error initializing configuration '.*?': ")


def tidy(words: str) -> str:
    """Envoy's words on one line, without the configuration they are about."""
    return _SPACE.sub(" ", _WHICH.sub("", _LOG.sub("", _DUMP.sub("", words)))).strip()[:_LONGEST]


def _cut(words: str) -> bool:
    """Whether Envoy's words, which begin with the configuration they are about, end before they say anything."""
    return words.startswith("goo.gle/debug") and _DUMP.match(words) is None


def _refusal(of: EnvoyResource, verdicts: Mapping[str, str]) -> Refusal | None:
    words = next((words for one in candidates(of) if (words := verdicts.get(one.key))), "")
    return Refusal(of, words) if words else None


def _shown(one: Candidate) -> EnvoyResource:
    return EnvoyResource(one.type_url, one.name, one.body, one.key)


def _routes(hosts: tuple[Candidate, ...]) -> EnvoyResource:
    return EnvoyResource(ROUTE_CONFIGURATION, ROUTES, route_configuration(ROUTES, hosts), "")


def static(batch: tuple[Candidate, ...]) -> dict[str, Any]:
    """The bootstrap in which `batch` stands as static resources, for the validating mode."""
    config = static_bootstrap()
    resources = config["static_resources"]
    for one in batch:
        if one.type_url == CLUSTER:
            resources["clusters"].append(_json(Cluster.FromString(one.body)))
        elif one.type_url == LISTENER:
            resources["listeners"].append(_json(Listener.FromString(one.body)))
    hosts = tuple(one for one in batch if one.type_url == VIRTUAL_HOST)
    if hosts:
        routes = _json(RouteConfiguration.FromString(route_configuration(ROUTES, hosts))) | {"validate_clusters": False}
        resources["listeners"].append(routes_listener(ROUTES, {"route_config": routes}))
    return config


def _json(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found
