"""A mesh that runs by the real command line in a temporary folder, and what a test asks of it.

    with running_mesh(folder, YAML) as mesh:
        mesh.apply(RULES)
        assert mesh.call("http://reviews:9080/").status == 200

Whatever happens inside, every process of it is gone afterwards. `conftest.py` shows its logs when a test fails that uses it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psutil
from typer.testing import CliRunner

from processes.load import Load, steady
from weft.cli.access import access
from weft.cli.api_client import ApiClient
from weft.cli.main import app
from weft.supervisor.address import shown
from weft.supervisor.config import WEFT
from weft.supervisor.control_client import ControlClient, NotRunning
from weft.supervisor.home import Home, home, read

T = TypeVar("T")
CONTROL_PLANE, AGENT = "control-plane", "agent"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True)
class Done:
    """A command that has run."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Answer:
    """What a call got; status 0: no answer, and `body` says why. `seconds` is how long it took."""

    status: int
    body: str
    seconds: float
    headers: dict[str, str]

    @property
    def echo(self) -> dict[str, Any]:
        """What `weft echo` said."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


class RunningMesh:
    """One mesh in a folder. `runtime` is for sockets, whose paths must be short."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if name.lower() not in _PROXIES and name != "WEFT_HOME"}
        self.environ = {**kept, "XDG_RUNTIME_DIR": str(runtime), "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "200"}
        self._left: set[psutil.Process] = set()

    # Commands

    def weft(self, *arguments: str, stdin: str = "", code: int | None = 0, timeout: float = 90) -> Done:
        """Runs a `weft` command in the folder; it must end with `code` (None: any)."""
        command = [*WEFT, *arguments]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=self.environ, cwd=self.folder, timeout=timeout, check=False
        )
        told = f"weft {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert code is None or done.returncode == code, told
        return Done(done.returncode, done.stdout, done.stderr)

    def up(self, text: str, *options: str, code: int = 0) -> Done:
        """`weft up --detach` of `text` as the weft.yaml."""
        (self.folder / "weft.yaml").write_text(dedent(text))
        done = self.weft("up", "--detach", *options, code=code)
        self._remember()
        return done

    def apply(self, text: str) -> Done:
        """`weft apply` of YAML; the command runs in this process, to spare a start of Python."""
        arguments = ["--mesh", str(self.folder), "apply", "--allow-breaking", "-f", "-"]
        result = CliRunner().invoke(app, arguments, input=dedent(text), env=self.environ)
        assert result.exit_code == 0, f"weft apply: {result.output} {result.exception!r}"
        return Done(result.exit_code, result.stdout, result.stderr)

    def control(self, op: str, **arguments: Any) -> dict[str, Any]:
        """An answer of the supervisor."""
        with ControlClient(self.home.control_socket, timeout=60) as client:
            return client.call(op, **arguments)

    # What runs

    @property
    def home(self) -> Home:
        """Its folders."""
        return home(self.folder / ".weft", self.environ)

    def instances(self) -> dict[str, dict[str, Any]]:
        """The instances by name, as `weft ps -o json` shows them."""
        return {each["name"]: each for each in self.control("ps")["instances"]}

    def processes(self) -> dict[str, int]:
        """Names and numbers of the supervisor's children: `control-plane`, `agent`, `envoy/default/web-0`, `app/...`."""
        self._remember()
        return {each["name"]: each["pid"] for each in self.control("processes")["processes"]}

    def envoy(self, instance: str) -> psutil.Process:
        """The Envoy of an instance of the namespace `default`."""
        return psutil.Process(self.processes()[f"envoy/default/{instance}"])

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal to one process of this mesh by its name; its pid."""
        pid = self.processes()[name]
        os.kill(pid, number)
        return pid

    def killed(self, name: str) -> int:
        """Kills a process and waits until another has taken its place; its pid."""
        old = self.kill(name)
        return self.until(lambda: (pid := self.processes().get(name)) != old and pid)

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """While the block runs the process `name` is killed, and killed again whenever it is started."""
        over = threading.Event()

        def reap() -> None:
            while not over.is_set():
                with suppress(NotRunning, KeyError, ProcessLookupError):
                    self.kill(name)
                over.wait(0.05)

        reaper = threading.Thread(target=reap)
        reaper.start()
        try:
            yield
        finally:
            over.set()
            reaper.join()

    @contextmanager
    def suspended(self, *also: int) -> Iterator[None]:
        """While the block runs every process of the mesh is stopped, and those with the pids `also`."""
        family = [*self.family(), *map(psutil.Process, also)]
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in reversed(family):
                process.resume()

    def ready_control_plane(self) -> bool:
        """Whether a control plane runs that has said it is ready."""
        return bool(read(self.home.serve_file).get("pid") == self.processes().get(CONTROL_PLANE, 0))

    def family(self) -> list[psutil.Process]:
        """Every process of the mesh, the supervisor first."""
        supervisor = psutil.Process(int(read(self.home.mesh_file)["pid"]))
        return [supervisor, *supervisor.children(recursive=True)]

    # Configuration

    def dynamic_clusters(self, instance: str) -> set[str]:
        """The clusters that the control plane gave to a proxy."""
        found = json.loads(self.weft("proxy", "config", instance, "clusters", "-o", "json").out)
        return {each["name"] for each in found} - {"xds-grpc", "connect_inner", "weft-limiter"}

    def endpoints(self) -> dict[str, bool]:
        """The registered workloads by name, and whether each is healthy."""
        items = json.loads(self.weft("get", "workloadentries", "-A", "-o", "json").out)["items"]
        return {
            each["metadata"]["name"]: {c["type"]: c["status"] for c in each["status"]["conditions"]}.get("Healthy") == "True"
            for each in items
            if each.get("status")
        }

    @contextmanager
    def api(self) -> Iterator[ApiClient]:
        """Its API."""
        with ApiClient(access(self.home.kubeconfig)) as client:
            yield client

    # Calls

    def proxy(self, instance: str = "client-0") -> str:
        """Where the sidecar of an instance takes calls: host:port."""
        found = self.instances()[instance]
        return shown(found["host"], found["httpProxy"])

    def call(
        self, url: str, *, proxy: str = "", timeout: float = 10.0, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> Answer:
        """One request through the sidecar at `proxy` (default: that of client-0), on a connection of its own."""
        began = time.monotonic()
        connection = HTTPConnection(proxy or self.proxy(), timeout=timeout)
        try:
            connection.request(method, url, headers={"Host": urlsplit(url).netloc, **(headers or {})})
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
            return Answer(response.status, body, time.monotonic() - began, {k.lower(): v for k, v in response.getheaders()})
        except (OSError, HTTPException) as error:
            return Answer(0, repr(error), time.monotonic() - began, {})
        finally:
            connection.close()

    def steady(self, host: str, *, of: str = "client-0", **options: Any) -> AbstractContextManager[Load]:
        """Steady load on `host` through the sidecar of an instance while the block runs."""
        return steady(self.proxy(of), host, **options)

    # Waiting and showing

    def until(self, condition: Callable[[], T | bool | None], limit: float = 20.0) -> T:
        """The first answer of `condition` that is true, asked every 20 ms. While the supervisor cannot answer is no answer."""
        end = time.monotonic() + limit
        while True:
            with suppress(NotRunning, psutil.NoSuchProcess, KeyError):
                if found := condition():
                    return found  # type: ignore[return-value]
            assert time.monotonic() < end, "it did not come true in time"
            time.sleep(0.02)

    def log(self, name: str) -> str:
        """What a process wrote: `control-plane`, `agent`, `app/default/web-0`."""
        path = self.home.log(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def tail(self, lines: int = 25) -> str:
        """The ends of all logs."""
        parts = []
        for path in sorted(self.home.logs.glob("*.log")):
            text = path.read_text(errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"--- {path.name}", *text]))
        return "\n".join(parts)

    # The end

    def down(self) -> None:
        """`weft down`, and then the certain end of whatever is left."""
        self._remember()
        with suppress(AssertionError, subprocess.TimeoutExpired):
            if self.home.running():
                self.weft("down", "--timeout", "15", timeout=40)
        for process in self._left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(list(self._left), timeout=5)

    def _remember(self) -> None:
        with suppress(psutil.NoSuchProcess, KeyError, ValueError, TypeError):
            self._left.update(self.family())


@contextmanager
def running_mesh(folder: Path, text: str, *options: str) -> Iterator[RunningMesh]:
    """The mesh of a weft.yaml, ready, while the block runs. `options` are those of `weft up`."""
    runtime = Path(tempfile.mkdtemp(prefix="weft-t-"))
    mesh = RunningMesh(folder, runtime)
    try:
        mesh.up(text, *options)
        yield mesh
    except BaseException:
        print(mesh.tail(), file=sys.stderr)
        raise
    finally:
        mesh.down()
        shutil.rmtree(runtime, ignore_errors=True)
