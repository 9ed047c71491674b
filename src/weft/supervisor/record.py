"""Writes down what runs: `mesh.json` for commands, `processes.json` for the next supervisor, the registry for `weft ls`."""

import asyncio
import os
from contextlib import suppress
from typing import Any

from weft.supervisor.address import shown
from weft.supervisor.application import Application
from weft.supervisor.changes import Changes
from weft.supervisor.config import SupervisorConfig
from weft.supervisor.fleet import Fleet
from weft.supervisor.home import Home, registry, written
from weft.supervisor.instance import Instance
from weft.supervisor.processes import Processes
from weft.supervisor.startup import Startup

_PAUSE = 0.2


class Record:
    """The files about one mesh."""

    def __init__(
        self,
        config: SupervisorConfig,
        application: Application,
        home: Home,
        fleet: Fleet,
        processes: Processes,
        startup: Startup,
    ) -> None:
        self._config, self._application, self._home = config, application, home
        self._fleet, self._processes, self._startup = fleet, processes, startup
        self._written: dict[str, Any] = {}

    async def run(self, changes: Changes) -> None:
        """Writes whenever something changed, at most five times a second; at the end that nothing runs."""
        entry = registry(os.environ) / f"{self._home.runtime.name}.json"
        with suppress(OSError):
            written(entry, {"name": self._application.name, "home": str(self._home.path), "file": self._config.file})
        try:
            while True:
                self._write()
                await changes.next()
                await asyncio.sleep(_PAUSE)
        finally:
            written(self._home.mesh_file, {**self._mesh(), "pid": 0, "instances": []})
            self._home.processes_file.unlink(missing_ok=True)
            entry.unlink(missing_ok=True)

    def _write(self) -> None:
        mesh = self._mesh()
        if mesh != self._written:
            self._written = mesh
            written(self._home.mesh_file, mesh)
        written(self._home.processes_file, {"pids": [process.pid for process in self._processes.all()]})

    def _mesh(self) -> dict[str, Any]:
        return {
            "name": self._application.name,
            "file": self._config.file,
            "home": str(self._home.path),
            "runtime": str(self._home.runtime),
            "pid": os.getpid(),
            "trustDomain": self._application.trust_domain,
            "kubeconfig": str(self._home.kubeconfig),
            "addresses": self._startup.addresses,
            "sockets": {
                "control": str(self._home.control_socket),
                "xds": str(self._home.xds_socket),
                "agent": str(self._home.admin_socket),
            },
            "instances": [_instance(each) for each in self._fleet.all()],
        }


def _instance(instance: Instance) -> dict[str, Any]:
    plan = instance.plan
    host, edge = plan.service.host, plan.service.gateway_host
    return {
        "name": plan.name,
        "namespace": plan.service.namespace,
        "service": plan.service.name,
        "ports": {port.port.name: shown(host, port.application) for port in plan.ports},
        "inbound": {port.port.name: shown(host, port.listen) for port in plan.ports},
        "httpProxy": shown(host, plan.http_proxy) if plan.http_proxy else None,
        "gateway": {port: shown(edge, bound) for port, bound in instance.bound.items()},
    }
