"""Applications that can be reached past their Envoy: those that listen at another address than loopback.

An application beside a sidecar is meant to be reached through it; one that listens on every address of the machine answers
anybody, with no identity checked. All processes an application started are looked at, and all ports they listen on.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from weft.agent import port_owner
from weft.agent.instance import Instance

CODE = "exposed-application"


@dataclass(frozen=True, slots=True)
class Exposed:
    """One listening socket that is reachable from outside."""

    process: port_owner.Owner
    host: str
    port: int

    @property
    def message(self) -> str:
        """What is wrong."""
        where = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return f"{self.process} listens on {where}, where it can be reached past its Envoy, without mTLS or policy"

    def hint(self, host: str) -> str:
        """What to do."""
        return f"bind {host} instead: the application is given it as $HOST, beside $PORT"


def exposed(instance: Instance, proc: Path = Path("/proc")) -> tuple[Exposed, ...]:
    """The sockets of the instance's processes that listen on an address other than loopback. Reads /proc; blocking."""
    if not instance.pid:
        return ()
    open_ones = [entry for entry in port_owner.listening(proc) if not _is_loopback(entry.host)]
    if not open_ones:
        return ()
    found: list[Exposed] = []
    for pid in sorted(port_owner.tree((instance.pid,), proc)):
        inodes = port_owner.socket_inodes(pid, proc)
        process = port_owner.Owner(pid, port_owner.name(pid, proc) or "?")
        found += [Exposed(process, entry.host, entry.port) for entry in open_ones if entry.inode in inodes]
    return tuple({(entry.host, entry.port): entry for entry in reversed(found)}.values())


def _is_loopback(host: str) -> bool:
    address = ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
