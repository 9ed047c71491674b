"""The canary's process: an Envoy of the proxies' own binary, started when it is first needed, and again whenever it ends.

Its bootstrap is a proxy's, with secrets of its own, a listener that waits for no port, and no admin interface. It dies with the
control plane, whatever that dies of.
"""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from weft.ca.certificate import ROOT_LIFE, Issuer, Leaf, leaf, name, pem, root
from weft.controlplane.canary.candidate import CERTIFICATE, TRUST
from weft.controlplane.canary.server import CanaryServer
from weft.envoy.binary import Binary, command
from weft.envoy.bootstrap import bootstrap

ROUTES = "routes"
"""The route configuration in which virtual hosts are shown."""

_BIND = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL
os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])
"""
_SHORTEST, _LONGEST = 0.05, 10.0  # seconds between two starts
_LONGEST_HOME = 80  # characters; a socket's path has about a hundred
_LIVED = 60.0  # seconds after which an end is nothing to be careful about
_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"

_log = logging.getLogger("weft.controlplane.canary")


class CanaryProcess:
    """Keeps the canary running from the first `wanted` on. `home`: the mesh's folder, for its files and its log; None: it has
    neither a log nor, in the end, files."""

    def __init__(self, binary: Binary, server: CanaryServer, home: Path | None) -> None:
        self._binary = binary
        self._server = server
        self._home = home
        self._log = home / "logs" / "canary.log" if home else None
        self.wanted = asyncio.Event()
        self.starts = 0  # a counter
        self.pid = 0

    async def run(self) -> None:
        """Without end; nothing of it is left when this is cancelled."""
        await self.wanted.wait()
        folder = _folder(self._home)
        try:
            socket, file = folder / "xds.sock", folder / "bootstrap.json"
            await self._server.start(str(socket))
            file.write_text(json.dumps(canary_bootstrap(str(socket))))
            await self._keep(file)
        finally:
            await self._server.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def restart(self) -> None:
        """Ends a canary that hangs, so that another takes its place."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    async def _keep(self, file: Path) -> None:
        pause = _SHORTEST
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            code = await self._once(file)
            self._server.lost()
            pause = _SHORTEST if clock() - began > _LIVED else min(pause * 2, _LONGEST)
            _log.warning("event=canary-ended code=%s again-in=%.1f", code, pause)
            await asyncio.sleep(pause)

    async def _once(self, file: Path) -> int | str:
        line = command(self._binary, str(file), log_level="error")
        output = await asyncio.to_thread(_opened, self._log)
        try:
            process = await asyncio.create_subprocess_exec(
                *_bound((*line, "--drain-time-s", "1", "--parent-shutdown-time-s", "2")),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        except OSError as problem:
            return str(problem)
        finally:
            os.close(output)
        self.starts += 1
        self.pid = process.pid
        try:
            return await process.wait()
        finally:
            self.pid = 0
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def _folder(home: Path | None) -> Path:
    """The same at every start, so that a control plane that is killed leaves nothing behind; unless no socket can be there."""
    if home is None or len(str(home)) > _LONGEST_HOME:
        return Path(tempfile.mkdtemp(prefix="weft-canary-"))
    folder = home / "canary"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def _opened(log: Path | None) -> int:
    if log is None:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _bound(line: tuple[str, ...]) -> tuple[str, ...]:
    """The command, made to die with us by the kernel (on Linux). Not between fork and exec: a fork of a process in which gRPC
    runs ends in gRPC's own handlers, and Python forks without them only when there is nothing to do in between."""
    return (sys.executable, "-I", "-S", "-c", _BIND, str(os.getpid()), *line) if sys.platform == "linux" else line


def canary_bootstrap(xds_socket: str) -> dict[str, Any]:
    """What the canary is started with."""
    config = bootstrap(node_id="weft-canary", cluster="weft-canary", admin_socket="", xds_socket=xds_socket)
    del config["admin"]
    config["stats_config"] = {"stats_matcher": {"reject_all": True}}
    config["static_resources"]["secrets"] = secrets()
    source = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "1s"}
    rds = {"rds": {"route_config_name": ROUTES, "config_source": source}}
    config["static_resources"]["listeners"] = [routes_listener(ROUTES, rds)]
    return config


def static_bootstrap() -> dict[str, Any]:
    """What the validating mode is given, to be filled with what is in question."""
    config = canary_bootstrap("unused")
    del config["dynamic_resources"]
    config["static_resources"]["listeners"] = []
    return config


def routes_listener(called: str, routes: Mapping[str, Any]) -> dict[str, Any]:
    """A listener that binds nothing, for the sake of its routes."""
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}
    manager = {"@type": _HCM, "stat_prefix": called, "http_filters": [router], **routes}
    return {
        "name": called,
        "address": {"socket_address": {"address": "127.77.0.0", "port_value": 1}},
        "bind_to_port": False,
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }


def secrets() -> list[dict[str, Any]]:
    """A certificate of nobody, which stands for every other."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority, now = name("weft canary"), datetime.now(UTC)
    issuer = Issuer(key, root(key, authority, now))
    own = pem(leaf(key.public_key(), Leaf((), subject=authority), issuer, ROOT_LIFE, now)).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    pair = {"certificate_chain": {"inline_string": own}, "private_key": {"inline_string": private}}
    return [
        {"name": CERTIFICATE, "tls_certificate": pair},
        {"name": TRUST, "validation_context": {"trusted_ca": {"inline_string": pem(issuer.certificate).decode()}}},
    ]
