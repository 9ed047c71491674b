"""Loopback ports for applications and sidecars: outside the range from which the kernel takes ports for outgoing connections.

A port within that range may be taken between the moment it was found free and the moment it is bound.
"""

import os
import socket
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from weft.supervisor.address import LOOPBACK

_LOWEST = 15000


class NoPort(Exception):
    """No loopback port is free."""


def ephemeral() -> tuple[int, int]:
    """The first and last port that the kernel gives to outgoing connections."""
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return int(first), int(last)
    except (OSError, ValueError):
        return (49152, 65535)  # macOS, and IANA's


def free(port: int, host: str = LOOPBACK) -> bool:
    """Whether `port` can be bound now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


class Ports:
    """Gives ports out and takes them back. `seed` spreads meshes over the range, so that two rarely want the same."""

    def __init__(self, seed: str) -> None:
        first, last = ephemeral()
        self._range = range(_LOWEST, first) if first - _LOWEST >= 2000 else range(last + 1, 65536)
        if len(self._range) < 2000:
            self._range = range(_LOWEST, 65536)
        start = int.from_bytes(blake2b(seed.encode(), digest_size=4).digest(), "big") % len(self._range)
        self._offset = start - start % 100
        self._taken: set[int] = set()

    def take(self, host: str = LOOPBACK) -> int:
        """A port that is free at `host`. Raises NoPort."""
        for step in range(len(self._range)):
            port = self._range[(self._offset + step) % len(self._range)]
            if port not in self._taken and free(port, host):
                self._taken.add(port)
                return port
        raise NoPort("no loopback port is free")

    def take_wanted(self, port: int, host: str = LOOPBACK) -> bool:
        """Takes the port `port`; False when somebody has it."""
        if port in self._taken or not free(port, host):
            return False
        self._taken.add(port)
        return True

    def give_back(self, ports: Iterator[int]) -> None:
        """The ports are free again."""
        self._taken.difference_update(ports)


def owner(port: int) -> str:
    """Who listens on the local TCP port: `nginx (pid 12)`; a vaguer word when that cannot be seen."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listeners(table, port)}
    if not inodes:
        return "an unknown process"
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(descriptor) in wanted for descriptor in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue
    return "a process of another user"


def _listeners(table: str, port: int) -> Iterator[str]:
    try:
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
            yield fields[9]
