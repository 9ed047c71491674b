"""The instances of all services: how many there are, in which order they start and end, and how they are replaced."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from weft.supervisor.application import Application, Condition, Dependency, Service
from weft.supervisor.changes import Changes
from weft.supervisor.instance import Instance, Phase
from weft.supervisor.progress import Progress


class CannotReplace(Exception):
    """A new instance did not become ready: the old ones go on. The text says why."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What another file says of the services: names of Compose services. `leaving` are removed and changed ones as they were."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    scaled: tuple[str, ...]
    removed: tuple[str, ...]
    leaving: tuple[Service, ...]


class Fleet:
    """All instances. `make(service, index)` plans one and gives it its ports; `unmake` takes them back, and tells the agent
    at once: a name that went and came again between two looks would seem never to have gone."""

    def __init__(
        self,
        application: Application,
        *,
        make: Callable[[Service, int], Instance],
        unmake: Callable[[Instance], None],
        tasks: asyncio.TaskGroup,
        changes: Changes,
        progress: Progress,
    ) -> None:
        self._services = {service.name: service for service in application.services}
        self._written = dict(self._services)  # as the file says: `scale` has not touched them
        self._stopping = False
        self._make, self._unmake, self._tasks = make, unmake, tasks
        self._changes, self._progress = changes, progress
        self._instances: dict[str, Instance] = {}
        self._busy: dict[str, asyncio.Lock] = {name: asyncio.Lock() for name in self._services}

    def all(self) -> tuple[Instance, ...]:
        """Every instance, those that drain included; in the file's order, then by number."""
        order = {name: place for place, name in enumerate(self._services)}
        return tuple(sorted(self._instances.values(), key=lambda each: (order[each.plan.service.name], each.plan.index)))

    def service(self, name: str) -> Service | None:
        """The Compose service of that name."""
        return self._services.get(name)

    def services(self) -> tuple[Service, ...]:
        """All, as they are now: `replicas` is what was last asked for."""
        return tuple(self._services.values())

    def of(self, service: str) -> tuple[Instance, ...]:
        """The instances of a Compose service that are not on their way out."""
        return tuple(each for each in self.all() if each.plan.service.name == service and each.phase is not Phase.DRAINING)

    def by_key(self, key: str) -> Instance | None:
        """The instance `namespace/name`."""
        return self._instances.get(key)

    def named(self, name: str) -> tuple[Instance, ...]:
        """What an operator may mean by `name`: a Compose service, an instance, a service of the mesh (`namespace/` optional)."""
        for matches in (
            lambda each: each.plan.service.name == name,
            lambda each: name in (each.plan.name, each.plan.key),
            lambda each: name in (each.plan.service.service, f"{each.plan.service.namespace}/{each.plan.service.service}"),
        ):
            if found := tuple(each for each in self.all() if matches(each)):
                return found
        return ()

    def start(self) -> None:
        """Makes every instance that is wanted. Their applications start in the order of `depends_on`."""
        for service in self._services.values():
            for _ in range(service.replicas):
                self._add(service)

    def _add(self, service: Service, *, but: frozenset[int] = frozenset()) -> Instance:
        """A new instance, with the lowest number that is neither taken nor among `but`."""
        if self._stopping:
            raise CannotReplace("the mesh is being stopped")
        used = but | {each.plan.index for each in self.all() if each.plan.service.name == service.name}
        index = next(number for number in range(len(used) + 1) if number not in used)
        instance = self._make(service, index)
        self._instances[instance.plan.key] = instance
        self._tasks.create_task(self._life(instance), name=instance.plan.key)
        self._changes.ring()
        return instance

    async def _life(self, instance: Instance) -> None:
        try:
            await instance.run()
        finally:
            self._instances.pop(instance.plan.key, None)
            self._unmake(instance)
            self._changes.ring()

    # what comes first

    async def admitted(self, instance: Instance) -> None:
        """Waits for what the instance's service depends on."""
        depends_on = instance.plan.service.depends_on
        await self._changes.until(lambda: all(self._fulfilled(dependency) for dependency in depends_on))

    def _fulfilled(self, dependency: Dependency) -> bool:
        instances = self.of(dependency.service)
        if not instances:
            return dependency.service not in self._services or self._services[dependency.service].replicas == 0
        match dependency.condition:
            case Condition.STARTED:
                return all(each.pid or each.ready or each.exit_code is not None for each in instances)
            case Condition.HEALTHY:
                return all(each.ready for each in instances)
            case Condition.COMPLETED:
                return all(each.phase is Phase.COMPLETED for each in instances)

    # changes

    async def scale(self, name: str, replicas: int) -> None:
        """Brings the service to so many instances: new ones are made, the youngest are drained."""
        async with self._busy[name]:
            if self._stopping:
                return
            service = self._services[name] = replace(self._services[name], replicas=replicas)
            for _ in range(replicas - len(self.of(name))):
                self._add(service)
            surplus = self.of(name)[replicas:]
            await asyncio.gather(*(instance.stop() for instance in surplus))

    async def restart(self, name: str, limit: float = 60.0) -> None:
        """Replaces the instances one by one, each new one ready before an old one drains. Where a fixed port forbids that, each
        is stopped first. Raises CannotReplace."""
        async with self._busy[name]:
            service, olds = self._services[name], self.of(name)
            replaced = frozenset(old.plan.index for old in olds)
            for old in olds:
                if service.surges:
                    await self._ready(self._add(service, but=replaced), limit)
                    await old.stop()
                else:
                    await old.stop()
                    await self._ready(self._add(service, but=replaced), limit)

    def difference(self, services: Iterable[Service]) -> Difference:
        """What has to happen for these to run. A number of instances that the file does not change is left as it was scaled."""
        wanted, written = {service.name: service for service in services}, self._written
        both = [name for name in wanted if name in written]
        changed = tuple(name for name in both if _unlike(wanted[name], written[name]))
        scaled = tuple(name for name in both if wanted[name].replicas != written[name].replicas and name not in changed)
        removed = tuple(name for name in written if name not in wanted)
        added = tuple(name for name in wanted if name not in written)
        return Difference(added, changed, scaled, removed, tuple(written[name] for name in (*removed, *changed)))

    async def become(self, services: tuple[Service, ...]) -> dict[str, str]:
        """Makes the difference: new and changed services first, then those go that are not among `services`. Answers which could
        not be replaced, and why: of those the old instances go on."""
        difference, wanted = self.difference(services), {service.name: service for service in services}
        for name in difference.added:
            self._services[name], self._busy[name] = replace(wanted[name], replicas=0), asyncio.Lock()
        became = {name: self._become(wanted[name]) for name in (*difference.added, *difference.changed, *difference.scaled)}
        results = await asyncio.gather(*became.values())
        failed = {name: why for name, why in zip(became, results, strict=True) if why}
        await asyncio.gather(*(self.scale(name, 0) for name in difference.removed))
        old = {name: service for name, service in self._written.items() if name in failed}
        self._written = {**wanted, **old}
        self._services = {name: self._services[name] for name in wanted}
        return failed

    async def _become(self, wanted: Service) -> str:
        """Replaces what runs of a service; empty, or why it could not be done."""
        name, held, written = wanted.name, self._services[wanted.name], self._written.get(wanted.name, wanted)
        replicas = wanted.replicas if wanted.name not in self._written or wanted.replicas != written.replicas else held.replicas
        try:
            if _unlike(wanted, written):
                self._services[name] = replace(wanted, replicas=held.replicas)
                await self.restart(name)
            await self.scale(name, replicas)
        except CannotReplace as error:
            self._services[name] = held
            return str(error)
        return ""

    async def _ready(self, fresh: Instance, limit: float) -> None:
        try:
            async with asyncio.timeout(limit):
                await self._changes.until(lambda: fresh.ready or bool(fresh.failure))
        except TimeoutError:
            fresh.failure = fresh.reason or f"is not ready after {limit:g} s"
        if not fresh.ready:
            why = f"{fresh.plan.name} {fresh.failure}"
            if fresh.plan.service.surges:
                await fresh.stop()
            raise CannotReplace(why)

    async def stop(self) -> None:
        """Drains and ends everything, who depends on a service before the service."""
        self._stopping = True
        ending = {name: asyncio.create_task(self._stop_service(name, lambda: ending)) for name in self._services}
        await asyncio.gather(*ending.values())

    async def _stop_service(self, name: str, ending: Callable[[], dict[str, "asyncio.Task[None]"]]) -> None:
        await asyncio.sleep(0)  # until all tasks are made
        await asyncio.gather(*(ending()[other] for other in self._dependents(name)))
        await asyncio.gather(*(instance.stop() for instance in self.all() if instance.plan.service.name == name))

    def _dependents(self, name: str) -> Iterable[str]:
        return [other.name for other in self._services.values() if any(each.service == name for each in other.depends_on)]


def _unlike(one: Service, other: Service) -> bool:
    """Whether instances of the one are other instances than those of the other."""
    return replace(one, line=0, replicas=0) != replace(other, line=0, replicas=0)
