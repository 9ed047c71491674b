"""Who holds a TCP or UDP port: the kernel's socket tables, and the process that has the socket open.

Linux only: elsewhere nothing is found, and nobody is named. https://docs.kernel.org/networking/proc_net_tcp.html
"""

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_TCP, _UDP = ("net/tcp", "net/tcp6"), ("net/udp", "net/udp6")
_STATES = {_TCP: "0A", _UDP: "07"}


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket that takes calls. `inode` is its number in /proc/*/fd."""

    host: str
    port: int
    inode: int


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, as it is named to people: `nginx (pid 12)`."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def listening(proc: Path = Path("/proc"), *, udp: bool = False) -> tuple[Listening, ...]:
    """All listening TCP sockets of this network namespace, or all UDP sockets that are not connected."""
    found: list[Listening] = []
    tables = _UDP if udp else _TCP
    for table in tables:
        try:
            lines = (proc / table).read_text().splitlines()[1:]
        except OSError:
            continue
        found += [entry for line in lines if (entry := _entry(line, _STATES[tables])) is not None]
    return tuple(found)


def _entry(line: str, state: str) -> Listening | None:
    fields = line.split()
    if len(fields) < 10 or fields[3] != state:
        return None
    address, _, port = fields[1].partition(":")
    return Listening(_host(address), int(port, 16), int(fields[9]))


def _host(text: str) -> str:
    """The address of hexadecimal words in the machine's byte order."""
    words = b"".join(struct.pack("=I", int(text[at : at + 8], 16)) for at in range(0, len(text), 8))
    return socket.inet_ntop(socket.AF_INET if len(words) == 4 else socket.AF_INET6, words)


def socket_inodes(pid: int, proc: Path = Path("/proc")) -> frozenset[int]:
    """The sockets that a process has open; none when it is gone or not ours to look at."""
    inodes: set[int] = set()
    try:
        for descriptor in os.scandir(proc / str(pid) / "fd"):
            target = os.readlink(descriptor.path)
            if target.startswith("socket:["):
                inodes.add(int(target[8:-1]))
    except OSError:
        pass
    return frozenset(inodes)


def pids(proc: Path = Path("/proc")) -> Iterator[int]:
    """All processes."""
    try:
        for entry in os.scandir(proc):
            if entry.name.isdigit():
                yield int(entry.name)
    except OSError:
        return


def name(pid: int, proc: Path = Path("/proc")) -> str:
    """The program's name of a process; empty when it is gone."""
    try:
        return (proc / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def tree(roots: Iterable[int], proc: Path = Path("/proc")) -> frozenset[int]:
    """The processes `roots` and all their descendants."""
    parents: dict[int, list[int]] = {}
    for pid in pids(proc):
        try:
            after_name = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
            parents.setdefault(int(after_name[1]), []).append(pid)
        except (OSError, IndexError, ValueError):
            continue
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += parents.get(pid, [])
    return frozenset(found)


def started(pid: int, proc: Path = Path("/proc")) -> int:
    """When a process began, in the clock ticks of this boot; 0 when it is gone."""
    try:
        return int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


def stranger(port: int, pid: int, proc: Path = Path("/proc")) -> Owner | None:
    """Who listens on `port` instead of the application with process `pid`: nobody of its descendants, and there before it. A
    process that an application left behind (a daemon) is younger, and not a stranger."""
    found = owner(port, proc)
    if found is None or found.pid in tree((pid,), proc) or not (began := started(pid, proc)):
        return None
    return found if started(found.pid, proc) < began else None


def owner(port: int, proc: Path = Path("/proc"), *, udp: bool = False) -> Owner | None:
    """Who listens on `port` at any address; None when nobody does, or it is not ours to see."""
    inodes = {entry.inode for entry in listening(proc, udp=udp) if entry.port == port}
    if not inodes:
        return None
    for pid in pids(proc):
        if inodes & socket_inodes(pid, proc):
            return Owner(pid, name(pid, proc) or "?")
    return None
