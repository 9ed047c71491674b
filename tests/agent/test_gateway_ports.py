"""Which ports a gateway takes."""

import socket
from pathlib import Path

from envoy.config.listener.v3.listener_pb2 import Listener

from weft.agent.gateway_ports import Bindable, Choice, GatewayPorts, Machine, Ports, bindable
from weft.agent.port_owner import Owner
from weft.envoy.names import datagram_listener


def _listener(port: int) -> bytes:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return bytes(Listener(name="g", address=address).SerializeToString())


def _port(body: bytes) -> int:
    return int(Listener.FromString(body).address.socket_address.port_value)


class _Told(list[dict[int, Choice]]):
    def __call__(self, choices: dict[int, Choice]) -> None:
        self.append(dict(choices))


def _ports(path: Path, busy: dict[int, int], told: _Told, own: int = 0) -> GatewayPorts:
    """A machine where ports below 1024 are forbidden and those of `busy` are held by the processes given."""

    def can(host: str, port: int) -> Bindable:
        return Bindable.FORBIDDEN if port < 1024 else Bindable.BUSY if port in busy else Bindable.YES

    machine = Machine(can, lambda port: Owner(busy[port], "nginx") if port in busy else None, lambda pid: pid == own)
    return GatewayPorts(path / "ports.json", machine, told)


def test_a_port_that_can_be_bound_is_left_alone(tmp_path: Path) -> None:
    """The bytes are the same, and the choice is told all the same."""
    told = _Told()
    body = _listener(30012)
    assert _ports(tmp_path, {}, told).rebound(body) == body
    assert told == [{30012: Choice(30012)}]


def test_a_privileged_port_moves_8000_up(tmp_path: Path) -> None:
    """80 becomes 8080, or the next free one when that is taken."""
    assert _port(_ports(tmp_path / "a", {}, _Told()).rebound(_listener(80))) == 8080
    assert _port(_ports(tmp_path / "b", {8080: 5}, _Told()).rebound(_listener(80))) == 8081


def test_a_busy_port_moves_to_the_next_and_its_owner_is_named(tmp_path: Path) -> None:
    """Two ports never move to the same one."""
    told = _Told()
    ports = _ports(tmp_path, {9000: 12, 9001: 12}, told)
    assert (_port(ports.rebound(_listener(9000))), _port(ports.rebound(_listener(9001)))) == (9002, 9003)
    assert told[-1][9000] == Choice(9002, "nginx (pid 12)")


def test_a_choice_outlives_the_agent_while_the_envoy_holds_it(tmp_path: Path) -> None:
    """The port that our own Envoy listens on counts as free; somebody else's does not."""
    busy = {9000: 12}
    assert _port(_ports(tmp_path, busy, _Told()).rebound(_listener(9000))) == 9001
    busy[9001] = 77
    assert _port(_ports(tmp_path, busy, _Told(), own=77).rebound(_listener(9000))) == 9001
    assert _port(_ports(tmp_path, busy, _Told()).rebound(_listener(9000))) == 9002


def test_what_an_envoy_does_not_listen_on_is_not_told(tmp_path: Path) -> None:
    """A choice on disk is remembered, and told only when it is in use."""
    _ports(tmp_path, {9000: 12}, _Told()).rebound(_listener(9000))
    told = _Told()
    ports = _ports(tmp_path, {9000: 12}, told)
    ports.rebound(_listener(7000))
    ports.rebound(_listener(9000))
    assert told == [{7000: Choice(7000)}, {7000: Choice(7000), 9000: Choice(9001, "nginx (pid 12)")}]
    again = _Told()
    _ports(tmp_path, {9001: 77}, again, own=77).rebound(_listener(7000))
    assert set(again[-1]) == {7000, 9000}


def test_a_real_port_in_use_is_seen_as_busy() -> None:
    """What listens is busy, what nobody has can be bound."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        assert bindable("127.0.0.1", port) is Bindable.BUSY
    assert bindable("127.0.0.1", port) is Bindable.YES


def test_a_port_that_is_no_longer_asked_for_is_let_go(tmp_path: Path) -> None:
    """When a listener is removed its choice is forgotten and told so; later it is made anew."""
    told, busy = _Told(), {9000: 12}
    ports = _ports(tmp_path, busy, told)
    assert _port(ports.rebound(_listener(9000))) == 9001
    ports.removed(["0.0.0.0_9000", "0.0.0.0_7", "http_proxy"])
    assert told[-1] == {}
    busy.clear()
    assert _port(ports.rebound(_listener(9000))) == 9000


def test_udp_has_ports_of_its_own(tmp_path: Path) -> None:
    """One number may be taken for both transports; what is told says which is which, and one may go without the other."""
    told: list[dict[str, Choice]] = []
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
    ports = Ports(tmp_path / "ports.json", lambda pid: False, lambda choices: told.append(dict(choices)))
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port, "protocol": "UDP"}}
    assert _port(ports.rebound(Listener(name=datagram_listener(port), address=address).SerializeToString())) == port
    assert _port(ports.rebound(_listener(port))) == port
    assert told[-1] == {str(port): Choice(port), f"{port}/udp": Choice(port)}
    ports.removed([datagram_listener(port)])
    assert told[-1] == {str(port): Choice(port)}
