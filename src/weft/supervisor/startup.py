"""How a mesh comes up: control plane, then what the file declares, then the agent, then the operator's resources.

Sidecars start as soon as the agent runs; applications wait for all of this, so that none serves before its policies hold.
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from weft.supervisor import objects
from weft.supervisor.address import shown
from weft.supervisor.api import Api, ApiError, api
from weft.supervisor.application import Application, Service
from weft.supervisor.config import SupervisorConfig
from weft.supervisor.home import Home, read, written
from weft.supervisor.kept import Kept
from weft.supervisor.logs import last_lines
from weft.supervisor.plan import without_proxies
from weft.supervisor.ports import Ports
from weft.supervisor.processes import Processes
from weft.supervisor.progress import Progress

CONTROL_PLANE, AGENT, LIMITER = "control-plane", "agent", "limiter"
_SERVERS = ("api", "xds", "enroll", "metrics", "bundle")
_READY_LIMIT = 30.0
_TOKEN_LIFE = 600


class StartFailed(Exception):
    """The mesh cannot come up. The text says why."""


class Startup:
    """The two processes that must always run, and the way up."""

    def __init__(
        self,
        config: SupervisorConfig,
        application: Application,
        home: Home,
        processes: Processes,
        progress: Progress,
        ports: Ports,
        environ: Mapping[str, str],
    ) -> None:
        self._config, self._application, self._home = config, application, home
        self._processes, self._progress = processes, progress
        self._environ = without_proxies(environ)
        host = application.host
        self._addresses = {server: shown(host, ports.take(host)) for server in _SERVERS}
        self._agent_metrics = shown(host, ports.take(host))
        self.control_plane = self._kept(CONTROL_PLANE, lambda: self._serve_argv())
        self.agent = self._kept(AGENT, lambda: (*config.agent, "--config", str(self._agent_config)))
        self.limiter = self._kept(LIMITER, self._limiter_argv, WEFT_LIMITER_REDIS=application.limiter_redis)
        self._limiting = False
        self._lifetime = config.certificate_lifetime or application.certificate_lifetime

    @property
    def _agent_config(self) -> Path:
        return self._home.path / "agent.json"

    @property
    def _token(self) -> Path:
        return self._home.path / "join-token"

    @property
    def addresses(self) -> dict[str, str]:
        """Where everything of ours listens."""
        return {**self._addresses, "agentMetrics": self._agent_metrics}

    def _kept(self, name: str, argv: Callable[[], tuple[str, ...]], **further: str) -> Kept:
        return Kept(
            name,
            argv,
            env={**self._environ, **{key: value for key, value in further.items() if value}},
            folder=self._home.path,
            log=self._home.log(name),
            processes=self._processes,
            progress=self._progress,
        )

    def _serve_argv(self) -> tuple[str, ...]:
        addresses = [word for server in _SERVERS for word in (f"--{server}", self._addresses[server])]
        lifetime = ("--certificate-lifetime", f"{self._lifetime:g}s") if self._lifetime else ()
        command = _with_log_format(self._config.serve, self._config.log_format)
        aliases = (word for alias in self._application.trust_domain_aliases for word in ("--trust-domain-alias", alias))
        trust = ("--trust-domain", self._application.trust_domain, *aliases)
        supervisor = ("--supervisor", str(self._home.control_socket))
        authority = ("--ca-settings", str(self._authority_settings)) if self._application.authority else ()
        return (*command, "--home", str(self._home.path), *addresses, *trust, *lifetime, *supervisor, *authority)

    def _limiter_argv(self) -> tuple[str, ...]:
        command = _with_log_format(self._config.limiter, self._config.log_format)
        return (*command, "--socket", str(self._home.limiter_socket))

    def limit(self, tasks: asyncio.TaskGroup) -> None:
        """The rate limiter runs from now on."""
        if not self._limiting:
            self._limiting = True
            self._progress.tell(LIMITER, "starts: a RateLimit counts for all proxies together")
            tasks.create_task(self.limiter.run())

    @property
    def _authority_settings(self) -> Path:
        return self._home.path / "ca-settings.json"

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Brings it up; both processes are kept in `tasks`. Raises StartFailed."""
        self._home.serve_file.unlink(missing_ok=True)
        if self._application.authority:
            written(self._authority_settings, json.loads(self._application.authority))
        tasks.create_task(self.control_plane.run())
        await self._control_plane_ready()
        try:
            reached = api(self._home.kubeconfig, self._home.runtime)
            self._progress.tell(CONTROL_PLANE, f"is ready (API on {self._addresses['api']})")
            await self._declare(reached, self._application.services)
            await self._configure_agent(reached)
        except (ApiError, OSError, KeyError, StopIteration) as error:
            raise StartFailed(f"the control plane did not take what this file declares: {error}") from error
        tasks.create_task(self.agent.run())
        await self.apply(self._application.resources)
        await self._say_mode(reached)

    async def _control_plane_ready(self) -> None:
        try:
            async with asyncio.timeout(_READY_LIMIT):
                while True:
                    serving = read(self._home.serve_file)
                    if serving and serving.get("pid") == self.control_plane.pid:
                        self._addresses |= {server: str(serving[server]) for server in _SERVERS if serving.get(server)}
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            log = self._home.log(CONTROL_PLANE)
            self._progress.error(CONTROL_PLANE, "does not become ready", last_lines(log, 20))
            raise StartFailed(f"the control plane was not ready in {_READY_LIMIT:g} s; its log is {log}") from None

    async def declare(self, services: tuple[Service, ...]) -> None:
        """Writes what these services declare, and removes what others of ours had declared. Raises StartFailed."""
        try:
            await self._declare(api(self._home.kubeconfig, self._home.runtime), services)
        except (ApiError, OSError) as error:
            raise StartFailed(f"the control plane did not take what this file declares: {error}") from error

    async def _declare(self, reached: Api, services: tuple[Service, ...]) -> None:
        declared = objects.objects(services, self._config.node)
        await reached.post("/weft/v1/apply", {"objects": declared, "fieldManager": "weft-up"})
        wanted = {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in declared if each["kind"] == "Service"}
        selector = quote(",".join(f"{name}={value}" for name, value in objects.OURS.items()))
        there = await reached.get(f"/api/v1/services?labelSelector={selector}")
        for item in there.get("items", ()):
            place = (item["metadata"]["namespace"], item["metadata"]["name"])
            if place not in wanted:
                await reached.delete(f"/api/v1/namespaces/{place[0]}/services/{place[1]}")

    async def _configure_agent(self, reached: Api) -> None:
        answer = await reached.post("/weft/v1/jointokens", {"node": self._config.node, "ttl": _TOKEN_LIFE})
        _private(self._token, str(answer["token"]))
        written(
            self._agent_config,
            {
                "node": self._config.node,
                "home": str(self._home.path),
                "run": str(self._home.runtime),
                "supervisor": str(self._home.control_socket),
                "control_plane": {"xds": self._addresses["xds"], "enroll": self._addresses["enroll"]},
                "trust": str(self._home.path / "ca" / "root.crt"),
                "token_file": str(self._token),
                "trust_domain": self._application.trust_domain,
                "certificate_lifetime": self._lifetime,
                "key_type": json.loads(self._application.authority or "{}").get("workloadKeyType", ""),
                "envoy": self._environ.get("WEFT_ENVOY", ""),
                "metrics": self._agent_metrics,
                "log_format": self._config.log_format,
                "proxy_heap": self._application.proxy_heap,
                "proxy_connections": self._application.proxy_connections,
            },
        )

    async def apply(self, resources: tuple[Path, ...]) -> None:
        """The operator's resources, by `weft apply`: this process knows no resource, and does not grow by reading them. Those
        that it applied the last time and that are in no file any more are removed. Raises StartFailed."""
        fresh = self._home.path / "applied.new.json"
        fresh.unlink(missing_ok=True)
        if resources:
            await self._apply(resources, fresh)
        await self._prune(read(fresh).get("paths", []))
        fresh.unlink(missing_ok=True)

    async def _prune(self, applied: list[str]) -> None:
        record = self._home.path / "applied.json"
        gone = [path for path in reversed(read(record).get("paths", [])) if path not in applied]
        for path in gone:
            try:
                await api(self._home.kubeconfig, self._home.runtime).delete(path)
                self._progress.tell("apply", f"{path.rpartition('/')[2]} is in no file any more: deleted")
            except ApiError as error:
                if error.answer.get("code") != 404:
                    self._progress.warn(
                        "apply", f"{path.rpartition('/')[2]} is in no file any more and cannot be deleted: {error}"
                    )
        written(record, {"paths": applied})

    async def _apply(self, resources: tuple[Path, ...], record: Path) -> None:
        for path in resources:
            if not path.exists():
                raise StartFailed(f"x-weft.resources: there is no {path}")
        paths = [word for path in resources for word in ("-f", str(path))]
        argv = (*_with_mesh(self._config.apply, self._home.path), *paths, "--record", str(record))
        log = self._home.log("apply")
        log.unlink(missing_ok=True)
        self._processes.spawn("apply", argv, env=self._environ, cwd=self._application.folder, log=log)
        ended = await self._processes.ended("apply")
        lines = last_lines(log, 200)
        if ended.code:
            raise StartFailed("\n  ".join(["the resources are not applied:", *lines]))
        for line in lines:
            self._progress.tell("apply", line)

    async def _say_mode(self, reached: Api) -> None:
        try:
            found = await reached.get("/apis/security.istio.io/v1/peerauthentications")
        except ApiError as error:
            self._progress.warn(CONTROL_PLANE, str(error))
            return
        if not found.get("items"):
            text = "no PeerAuthentication is applied: the mode is PERMISSIVE, as in Istio (workloads also accept plaintext)"
            self._progress.tell(CONTROL_PLANE, text)

    async def stop(self) -> None:
        """Ends the agent, the limiter, then the control plane."""
        await self.agent.stop()
        if self._limiting:
            await self.limiter.stop()
        await self.control_plane.stop()


def _with_mesh(command: tuple[str, ...], home: Path) -> tuple[str, ...]:
    """`weft --mesh HOME apply` of `weft apply`: the options that all commands share stand before the command."""
    return (*command[:-1], "--mesh", str(home), command[-1])


def _with_log_format(command: tuple[str, ...], log_format: str) -> tuple[str, ...]:
    return (*command[:-1], "--log-format", log_format, command[-1])


def _private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
