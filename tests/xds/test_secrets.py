"""Secrets of operators: told to who names them, pushed when they change, kept when they break."""

from dataclasses import dataclass, field, replace

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from weft.envoy.types import LISTENER, SECRET, EnvoyResource, TypeUrl
from weft.model.mesh import Change
from weft.testing.tiny_snapshot import TinySnapshot
from weft.xds.delta import Response
from weft.xds.session import Session

NAME, OTHER = "kubernetes://default/web", "kubernetes://default/other"


def _secret(name: str, version: str) -> EnvoyResource:
    return EnvoyResource(SECRET, name, b"", version, hosts=frozenset({"Secret/" + name.removeprefix("kubernetes://")}))


@dataclass(frozen=True)
class _Snapshot(TinySnapshot):
    named: tuple[str, ...] = (NAME,)
    secrets: dict[str, EnvoyResource] = field(default_factory=dict)

    def listeners(self) -> tuple[EnvoyResource, ...]:
        return (EnvoyResource(LISTENER, "https", b"", "1" + "".join(self.named), secrets=self.named),)

    def secret(self, name: str) -> EnvoyResource | None:
        return self.secrets.get(name)


def _ask(session: Session, type_url: TypeUrl, *names: str, ack: str = "", held: dict[str, str] | None = None) -> list[Response]:
    request = DeltaDiscoveryRequest(
        type_url=type_url, resource_names_subscribe=names, response_nonce=ack, initial_resource_versions=held or {}
    )
    return session.receive(request, 0.0)


def _told(responses: list[Response]) -> list[str]:
    found = [DeltaDiscoveryResponse.FromString(one.serialized()) for one in responses if one.type_url == SECRET]
    said = [f"+{each.name}={each.version}" for one in found for each in one.resources]
    return said + [f"-{name}" for one in found for name in one.removed_resources]


def _session(**secrets: str) -> tuple[Session, _Snapshot]:
    held = {NAME: _secret(NAME, secrets["web"])} if "web" in secrets else {}
    shot = _Snapshot(secrets={**held, OTHER: _secret(OTHER, "1")})
    session = Session("default/edge", shot)
    _ask(session, LISTENER)
    return session, shot


def test_a_secret_that_a_listener_names_is_told() -> None:
    """The proxy asks for what its own listener names."""
    session, _ = _session(web="1")
    assert _told(_ask(session, SECRET, NAME)) == [f"+{NAME}=1"]


def test_a_secret_that_nothing_of_the_proxy_names_is_not_told() -> None:
    """It is answered as one that does not exist, though it does."""
    session, _ = _session(web="1")
    assert _told(_ask(session, SECRET, OTHER)) == [f"-{OTHER}"]


def test_a_secret_is_told_when_a_listener_comes_to_name_it() -> None:
    """Who asked before it was entitled is told as soon as it is."""
    session, shot = _session(web="1")
    (first,) = _ask(session, SECRET, OTHER)
    _ask(session, SECRET, ack=first.nonce)
    told = session.update(replace(shot, named=(NAME, OTHER)), Change(everything=True), 1.0)
    assert _told(told) == [f"+{OTHER}=1"]


def test_a_change_is_pushed_and_a_broken_one_is_not() -> None:
    """A rotation is told at once; a Secret that is gone or broken leaves the proxy with what it had."""
    session, shot = _session(web="1")
    (first,) = _ask(session, SECRET, NAME)
    _ask(session, SECRET, ack=first.nonce)
    change = Change(credentials=frozenset({"Secret/default/web"}))
    responses = session.update(replace(shot, secrets={NAME: _secret(NAME, "2")}), change, 1.0)
    assert _told(responses) == [f"+{NAME}=2"]
    _ask(session, SECRET, ack=responses[0].nonce)
    assert session.update(replace(shot, secrets={}), change, 2.0) == []
    assert _told(session.update(replace(shot, secrets={NAME: _secret(NAME, "3")}), change, 3.0)) == [f"+{NAME}=3"]


def test_a_missing_secret_is_told_when_it_comes() -> None:
    """It is answered as missing at once, so that the listener does not wait, and told when it is there."""
    session, shot = _session()
    (first,) = _ask(session, SECRET, NAME)
    assert _told([first]) == [f"-{NAME}"]
    _ask(session, SECRET, ack=first.nonce)
    change = Change(credentials=frozenset({"Secret/default/web"}))
    assert _told(session.update(replace(shot, secrets={NAME: _secret(NAME, "1")}), change, 1.0)) == [f"+{NAME}=1"]


def test_a_secret_that_the_proxy_holds_already_is_not_told_again() -> None:
    """After a reconnect the version says so."""
    session, _ = _session(web="1")
    assert _told(_ask(session, SECRET, NAME, held={NAME: "1"})) == []
