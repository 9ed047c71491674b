"""Which workload a process belongs to: the one whose application it is, or descends from, or whose session it is in.

The supervisor starts each application as the leader of a session. A process leaves its session only by beginning one of its
own, and none can join another's, so what is found here is not for a process to choose. Linux only.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_DEEPEST = 64  # ancestors that are looked at


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """What the kernel says of a process. `started`: in clock ticks since the machine's start."""

    parent: int
    session: int
    started: int


def status(pid: int, proc: Path = Path("/proc")) -> ProcessStatus | None:
    """What the kernel says of a process; None when it is gone."""
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return ProcessStatus(int(fields[1]), int(fields[3]), int(fields[19]))


class Applications:
    """The applications of this node's workloads, by their process. A number that was given to another process since is not
    theirs."""

    def __init__(self) -> None:
        self._workloads: dict[int, tuple[str, int]] = {}  # by pid: workload, start of the process

    def update(self, running: Mapping[int, str]) -> None:
        """From now on these are the applications: workload (`namespace/name`) by pid."""
        kept = {pid: known for pid, known in self._workloads.items() if running.get(pid) == known[0]}
        fresh = {pid: (key, found.started) for pid, key in running.items() if pid not in kept and (found := status(pid))}
        self._workloads = kept | fresh

    def workload(self, pid: int) -> str | None:
        """The workload that the process `pid` belongs to."""
        for ancestor in ancestry(pid):
            for number in (ancestor, found.session if (found := status(ancestor)) else 0):
                if number in self._workloads and self._is_same(number):
                    return self._workloads[number][0]
        return None

    def _is_same(self, pid: int) -> bool:
        """Whether the application is the one that was known, or has ended and left its session, whose number nobody else gets."""
        found = status(pid)
        return found is None or found.started == self._workloads[pid][1]


def ancestry(pid: int) -> tuple[int, ...]:
    """The process, its parent, and so on; as far as they can be seen."""
    found: list[int] = []
    while pid > 1 and len(found) < _DEEPEST and (known := status(pid)):
        found.append(pid)
        pid = known.parent
    return tuple(found)


def descends(pid: int, ancestor: int) -> bool:
    """Whether `ancestor` is one of the ancestors of `pid`."""
    return ancestor > 1 and ancestor in ancestry(pid)


def supervisor() -> int:
    """The process that starts this node's applications, which is also this agent's parent."""
    return os.getppid()
