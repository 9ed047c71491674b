"""Where a mesh keeps its state, and where its sockets are: a folder of their own, since a Unix socket's path holds 107 bytes."""

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

FOLDER = ".weft"


class NotOurs(Exception):
    """The runtime folder belongs to somebody else, or others may write to it."""


@dataclass(frozen=True, slots=True)
class Home:
    """The state folder of one mesh, and its runtime folder."""

    path: Path
    runtime: Path

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.path / "logs"

    @property
    def mesh_file(self) -> Path:
        """The addresses of everything that runs."""
        return self.path / "mesh.json"

    @property
    def serve_file(self) -> Path:
        """What the control plane writes when it is ready."""
        return self.path / "serve.json"

    @property
    def kubeconfig(self) -> Path:
        """How the API is reached."""
        return self.path / "kubeconfig"

    @property
    def processes_file(self) -> Path:
        """What runs, for the next supervisor to end what a killed one left behind."""
        return self.path / "processes.json"

    @property
    def control_socket(self) -> Path:
        """Where the supervisor answers."""
        return self.runtime / "supervisor.sock"

    @property
    def xds_socket(self) -> Path:
        """Where Envoys connect."""
        return self.runtime / "xds.sock"

    @property
    def limiter_socket(self) -> Path:
        """Where Envoys ask the rate limiter."""
        return self.runtime / "limiter.sock"

    @property
    def agent_socket(self) -> Path:
        """Where the agent serves them."""
        return self.runtime / "agent.sock"

    @property
    def workload_api(self) -> Path:
        """Where the agent serves the SPIFFE Workload API to applications."""
        return self.runtime / "spiffe.sock"

    @property
    def admin_socket(self) -> Path:
        """Where the agent shows what its Envoys hold."""
        return self.runtime / "agent-admin.sock"

    def log(self, name: str) -> Path:
        """The log of the process `name` (`envoy/default/web-0` becomes `envoy.default.web-0.log`)."""
        return self.logs / (name.replace("/", ".") + ".log")

    def prepare(self) -> None:
        """Makes both folders, private to this user. Raises NotOurs."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        status = self.runtime.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise NotOurs(f"{self.runtime} is not a folder of this user alone: remove it, or set XDG_RUNTIME_DIR")

    def leave(self) -> None:
        """Removes the runtime folder, in which nothing is worth keeping. Only who has the lock may."""
        shutil.rmtree(self.runtime, ignore_errors=True)

    def lock(self) -> int | None:
        """The lock that one supervisor holds as long as it lives (a descriptor); None when another one has it."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor

    def running(self) -> bool:
        """Whether a supervisor has it now."""
        if not (self.path / "lock").exists():
            return False
        descriptor = self.lock()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False


def home(path: Path, environ: Mapping[str, str]) -> Home:
    """The mesh whose state is in the folder `path`."""
    path = Path(os.path.realpath(path))
    name = blake2b(str(path).encode(), digest_size=5).hexdigest()
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime and len(runtime) < 60 and os.access(runtime, os.W_OK):
        return Home(path, Path(runtime) / f"weft-{name}")
    return Home(path, Path("/tmp") / f"weft-{os.getuid()}-{name}")


def home_path(file: Path, environ: Mapping[str, str]) -> Path:
    """Where the mesh of the file `file` keeps its state: `WEFT_HOME`, or `.weft` beside it."""
    return Path(environ["WEFT_HOME"]) if environ.get("WEFT_HOME") else file.parent / FOLDER


def registry(environ: Mapping[str, str]) -> Path:
    """The folder with one file for each mesh of this user that was started and not removed."""
    state = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or os.path.expanduser("~")) / ".local" / "state"
    return Path(state) / "weft" / "meshes"


def written(path: Path, value: Mapping[str, Any]) -> None:
    """Writes JSON so that a reader sees the old file or the new one, never a half."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(value, indent=2) + "\n")
    fresh.chmod(0o600)
    fresh.replace(path)


def read(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty when there is none or it is half written."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
