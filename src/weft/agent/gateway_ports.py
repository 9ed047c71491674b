"""A gateway's ports: where a listener cannot be bound (no right to a port below 1024, or somebody has it), another is taken.

The control plane's listener keeps its name and version; only its address changes on the way to the Envoy. A choice is kept
as long as it can be: it is on disk, and a port that the proxy's own Envoy listens on counts as free.
"""

import errno
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

import msgspec
from envoy.config.core.v3.address_pb2 import SocketAddress
from envoy.config.listener.v3 import listener_pb2

from weft.agent.identity import write_private
from weft.agent.port_owner import Owner, owner
from weft.envoy.names import datagram_port, gateway_port


class Bindable(Enum):
    """Whether a port can be had."""

    YES = "yes"
    FORBIDDEN = "forbidden"
    BUSY = "busy"


def bindable(host: str, port: int, *, udp: bool = False) -> Bindable:
    """Tries it. What makes the address itself impossible is left to Envoy to say."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as probe:
        if not udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if host == "::":  # Envoy takes IPv4 there too
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                return Bindable.FORBIDDEN
            if error.errno == errno.EADDRINUSE:
                return Bindable.BUSY
    return Bindable.YES


def alternatives(port: int) -> Iterator[int]:
    """The ports to try instead of `port`, in order: 8000 more below 1024 (80 becomes 8080), then the next ones."""
    first = port + 8000 if port < 1024 else port + 1
    yield from range(first, 65536)
    yield from range(1024, first)


class Choice(msgspec.Struct, frozen=True):
    """What was taken for one port. `owner` says who has the one that was asked for; empty: nobody, or it is not permitted."""

    port: int
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What is asked of the machine; a value, so that a test can be another machine. `own` says whether a process is
    the proxy's own Envoy."""

    bindable: Callable[[str, int], Bindable] = bindable
    owner: Callable[[int], Owner | None] = owner
    own: Callable[[int], bool] = lambda pid: False


class GatewayPorts:
    """The choices of one gateway proxy, for TCP or UDP. `changed` is called with all that are in use whenever one is made or made
    anew; `port_of` is the port of a listener by its name, 0: it is none of these."""

    def __init__(
        self,
        path: Path,
        machine: Machine,
        changed: Callable[[dict[int, Choice]], None],
        port_of: Callable[[str], int] = gateway_port,
    ) -> None:
        self._path = path
        self._port_of = port_of
        self._machine = machine
        self._changed = changed
        self._checked: set[int] = set()
        self.choices: dict[int, Choice] = self._read()

    def _read(self) -> dict[int, Choice]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[int, Choice])
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            return {}

    def fresh(self) -> None:
        """A new Envoy begins: what was chosen for the last one is checked again."""
        self._checked.clear()

    def rebound(self, body: bytes) -> bytes:
        """The serialized listener `body`, at an address that can be bound."""
        listener = listener_pb2.Listener.FromString(body)
        address = listener.address.socket_address
        asked = address.port_value
        if not asked:
            return body
        choice = self._choice(address.address, asked)
        if choice.port == asked:
            return body
        address.port_value = choice.port
        return bytes(listener.SerializeToString(deterministic=True))

    def removed(self, names: Iterable[str]) -> None:
        """The proxy listens there no more: when it is to again, the port is chosen anew."""
        gone = {port for name in names if (port := self._port_of(name)) in self.choices}
        if gone:
            self._checked -= gone
            self.choices = {port: choice for port, choice in self.choices.items() if port not in gone}
            self._keep()
            self._tell()

    def _keep(self) -> None:
        write_private(self._path, msgspec.json.encode(self.choices))

    def _tell(self) -> None:
        """Tells the choices in use: those made for this Envoy, and those that it holds already."""
        self._changed({port: choice for port, choice in self.choices.items() if port in self._checked or self._held(choice)})

    def _held(self, choice: Choice) -> bool:
        by = self._machine.owner(choice.port)
        return by is not None and self._machine.own(by.pid)

    def _choice(self, host: str, port: int) -> Choice:
        if port in self._checked:
            return self.choices[port]
        kept = self.choices.get(port)
        choice = kept if kept and kept.port != port and self._free(host, kept.port) else self._chosen(host, port)
        self._checked.add(port)
        if choice != kept:
            self.choices[port] = choice
            self._keep()
        self._tell()
        return choice

    def _chosen(self, host: str, port: int) -> Choice:
        if self._free(host, port):
            return Choice(port)
        taken = {choice.port for asked, choice in self.choices.items() if asked != port}
        busy = self._machine.bindable(host, port) is Bindable.BUSY
        by = self._machine.owner(port) if busy else None
        for candidate in alternatives(port):
            if candidate not in taken and self._machine.bindable(host, candidate) is Bindable.YES:
                return Choice(candidate, str(by) if by else "another process" if busy else "")
        return Choice(port)

    def _free(self, host: str, port: int) -> bool:
        match self._machine.bindable(host, port):
            case Bindable.YES:
                return True
            case Bindable.BUSY:
                return self._held(Choice(port))
        return False


class Ports:
    """The choices of one gateway proxy for both transports. `changed` is told the ports as they are shown: `53`, `53/udp`."""

    def __init__(self, path: Path, own: Callable[[int], bool], changed: Callable[[dict[str, Choice]], None]) -> None:
        self._told: dict[str, dict[int, Choice]] = {}
        self._changed = changed
        datagrams = Machine(partial(bindable, udp=True), partial(owner, udp=True), own)
        self._tcp = GatewayPorts(path, Machine(own=own), partial(self._tell, ""))
        self._udp = GatewayPorts(path.with_suffix(".udp.json"), datagrams, partial(self._tell, "/udp"), datagram_port)

    def _tell(self, transport: str, choices: dict[int, Choice]) -> None:
        self._told[transport] = choices
        self._changed(_shown(self._told))

    @property
    def choices(self) -> dict[str, Choice]:
        """All of them, by the port that was asked for."""
        return _shown({"": self._tcp.choices, "/udp": self._udp.choices})

    def fresh(self) -> None:
        """A new Envoy begins."""
        self._tcp.fresh()
        self._udp.fresh()

    def rebound(self, body: bytes) -> bytes:
        """The serialized listener `body`, at an address that can be bound."""
        udp = listener_pb2.Listener.FromString(body).address.socket_address.protocol == SocketAddress.UDP
        return (self._udp if udp else self._tcp).rebound(body)

    def removed(self, names: Iterable[str]) -> None:
        """The proxy listens there no more."""
        gone = tuple(names)
        self._tcp.removed(gone)
        self._udp.removed(gone)


def _shown(of: dict[str, dict[int, Choice]]) -> dict[str, Choice]:
    return {f"{port}{transport}": choice for transport, choices in sorted(of.items()) for port, choice in choices.items()}
