"""`weft up` on a mesh that runs: what changed in the file is applied, and nothing else is touched.

Order: what the file declares and its resources first, so that what starts finds its policies; then new services and changed
ones, each new instance ready before an old one drains; last what is no longer in the file.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from weft.supervisor.application import Application
from weft.supervisor.compose import decode
from weft.supervisor.config import SupervisorConfig
from weft.supervisor.control import Connection, Json, Refused
from weft.supervisor.fleet import Difference, Fleet
from weft.supervisor.progress import Progress
from weft.supervisor.startup import StartFailed, Startup

_FIXED = {
    "name": "name",
    "trust_domain": "trustDomain",
    "trust_domain_aliases": "trustDomainAliases",
    "certificate_lifetime": "certificateLifetime",
    "host": "host",
    "limiter_redis": "limiter",
    "proxy_heap": "proxies.heap",
    "proxy_connections": "proxies.connections",
    "authority": "ca",
}
"""What of `x-weft` holds for the life of a mesh, by its field here."""


class Reload:
    """The operation `reload` of the control socket, over a mesh that runs `application`."""

    def __init__(
        self,
        config: SupervisorConfig,
        application: Application,
        fleet: Fleet,
        startup: Startup,
        progress: Progress,
        environ: Mapping[str, str],
    ) -> None:
        self._config, self._application, self._environ = config, application, environ
        self._fleet, self._startup, self._progress = fleet, startup, progress
        self._one_at_a_time = asyncio.Lock()

    async def operation(self, _: Connection, request: Json) -> Json:
        """Reads the file again with `profiles`, and answers which Compose services were `added`, `changed` and `removed`, and
        which of them `failed` and why: their old instances go on."""
        async with self._one_at_a_time:
            wanted = self._read(tuple(map(str, request.get("profiles") or ())))
            difference = self._fleet.difference(wanted.services)
            await self._declare(wanted, difference)
            self._tell(difference)
            failed = await self._fleet.become(wanted.services)
            self._application = wanted
            await self._forget()
            return {
                "added": list(difference.added),
                "changed": list(difference.changed),
                "removed": list(difference.removed),
                "failed": failed,
            }

    def _read(self, profiles: tuple[str, ...]) -> Application:
        path = self._config.path
        try:
            decoded = decode(path.read_text(), path, environ=self._environ, profiles=profiles)
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"{path} cannot be read: {error}") from error
        if decoded.application is None:
            raise Refused("\n".join(map(str, decoded.findings)))
        return self._with_what_stays(decoded.application)

    def _with_what_stays(self, read: Application) -> Application:
        held = {field: getattr(self._application, field) for field in _FIXED}
        for field, name in _FIXED.items():
            if getattr(read, field) != held[field]:
                self._progress.warn("", f"x-weft.{name} was changed: it takes effect after `weft down` and `weft up`")
        return replace(read, **held)

    async def _declare(self, wanted: Application, difference: Difference) -> None:
        """Services and resources, beside those of what is still to go. When a resource is refused all is as it was."""
        try:
            await self._startup.declare((*difference.leaving, *wanted.services))
            await self._startup.apply(wanted.resources)
        except StartFailed as error:
            with suppress(StartFailed):
                await self._startup.declare(self._application.services)
            raise Refused(str(error)) from error

    async def _forget(self) -> None:
        """What was declared for services that are gone is removed; what cannot be now, the next time."""
        try:
            await self._startup.declare(self._application.services)
        except StartFailed as error:
            self._progress.warn("", str(error))

    def _tell(self, difference: Difference) -> None:
        words = {
            "starts": difference.added,
            "is replaced": difference.changed,
            "is scaled": difference.scaled,
            "ends": difference.removed,
        }
        for verb, names in words.items():
            for name in names:
                self._progress.tell(name, f"{verb}, as {self._config.path.name} says now")
        if not any(words.values()):
            self._progress.tell("", f"no service was changed in {self._config.path.name}")
