"""The children: each with a session and process group of its own, its output in a file, and no life beyond ours.

The kernel kills them when this process dies (`PR_SET_PDEATHSIG`; on Linux), whatever it dies of. When a child ends, what it
left in its group is killed too, as a container's end would do.
"""

import asyncio
import contextlib
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCHLD, SIGKILL, SIGTERM, Signals

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Process:
    """A child that runs. `started` is a wall-clock time."""

    name: str
    pid: int
    started: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A child that ended. `code` is negative for a signal; `lived` is in seconds."""

    name: str
    pid: int
    code: int
    lived: float


class Processes:
    """All children, by name. Belongs to the main thread: a child dies with the thread that made it."""

    def __init__(self, ended: Callable[[Ended], None]) -> None:
        self._told = ended
        self._running: dict[str, tuple[Process, subprocess.Popen[bytes]]] = {}
        self._waiting: dict[str, list[asyncio.Future[Ended]]] = {}

    def watch(self) -> None:
        """Begins to notice children that end. Needs the running loop of the main thread."""
        asyncio.get_running_loop().add_signal_handler(SIGCHLD, self._reap)

    def spawn(self, name: str, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> Process:
        """Starts a child; the one that runs when there is one of that name. Raises OSError when it cannot be started."""
        if name in self._running:
            return self._running[name][0]
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            child = subprocess.Popen(
                list(argv),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_bound_to(os.getpid()),
            )
        finally:
            os.close(output)
        process = Process(name, child.pid, time.time())
        self._running[name] = (process, child)
        return process

    def running(self, name: str) -> Process | None:
        """The child of that name."""
        found = self._running.get(name)
        return found[0] if found else None

    def all(self) -> tuple[Process, ...]:
        """All children that run."""
        return tuple(process for process, _ in self._running.values())

    async def ended(self, name: str) -> Ended:
        """Waits for the end of the child `name`, which runs."""
        return await self._end(name)

    def _end(self, name: str) -> asyncio.Future[Ended]:
        future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(future)
        return future

    def signal(self, name: str, number: Signals) -> None:
        """Sends a signal to the child's whole group."""
        found = self._running.get(name)
        if found:
            _signal_group(found[0].pid, number)

    async def stop(self, name: str, number: Signals = SIGTERM, grace: float = 10.0) -> None:
        """Ends a child: asks with `number`, and kills it when it has not ended after `grace` seconds."""
        if name not in self._running:
            return
        end = self._end(name)  # before the signal: when many end at once, this one may be reaped before anything else runs
        try:
            self.signal(name, number)
            _, pending = await asyncio.wait({end}, timeout=grace)
            if pending:
                self.signal(name, SIGKILL)
                await end
        finally:
            end.cancel()

    def kill_all(self) -> None:
        """Kills every child now."""
        for process in self.all():
            _signal_group(process.pid, SIGKILL)

    def _reap(self) -> None:
        for name, (process, child) in tuple(self._running.items()):
            if not _has_ended(process.pid):
                continue
            _signal_group(process.pid, SIGKILL)  # before it is reaped: its number is still its own
            code = child.wait()
            del self._running[name]
            ended = Ended(name, process.pid, code, time.time() - process.started)
            for future in self._waiting.pop(name, []):
                if not future.done():
                    future.set_result(ended)
            self._told(ended)


def _has_ended(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _signal_group(pid: int, number: Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _bound_to(parent: int) -> Callable[[], None] | None:
    """What the child does between fork and exec: asks to die with its parent, which may be dead already."""
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def left_behind(pids: Sequence[int], sessions: Callable[[], Mapping[int, tuple[int, ...]]] | None = None) -> tuple[int, ...]:
    """The processes that still run in the sessions of `pids`, the children of a supervisor that was killed, whose leaders are
    gone. While a session has members its number is not given to a new process, so these are its own."""
    members = (sessions or _sessions)()
    return tuple(pid for leader in pids if not Path(f"/proc/{leader}").exists() for pid in members.get(leader, ()))


def _sessions() -> Mapping[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found.setdefault(int(fields[3]), []).append(int(process.name))
    return {session: tuple(pids) for session, pids in found.items()}
