"""Whatever happens, and however late a proxy answers: nothing is refused, nothing is missing, and in the end all agree."""

from conversation import Conversation
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.envoy.types import CLUSTER, ENDPOINTS, VIRTUAL_HOST
from weft.testing.tiny_snapshot import TinyService
from weft.xds.admission import Caps
from weft.xds.session import SessionSettings
from weft.xds.status import Sync

NAMES = ("a", "b", "c")
HOSTS = tuple(f"{name}{rest}" for name in (*NAMES, "x", "y", "z", "v", "w") for rest in ("", ".default", ":80"))

services = st.builds(
    TinyService,
    name=st.sampled_from(NAMES),
    endpoints=st.fixed_dictionaries({"": st.just((1,)), "v1": st.just((1,)), "v2": st.tuples(st.integers(1, 3))}),
    weights=st.sampled_from([{"": 1}, {"v1": 1}, {"v2": 1}, {"v1": 1, "v2": 1}]),
    connect_timeout=st.integers(1, 2),
)
steps = st.one_of(
    st.tuples(st.just("apply"), services),
    st.tuples(st.just("delete"), st.sampled_from(NAMES)),
    st.tuples(st.just("call"), st.lists(st.sampled_from(HOSTS), min_size=1, max_size=4)),
    st.tuples(st.just("mute"), st.sampled_from(["Cluster", "Endpoints", "VirtualHost"])),
    st.tuples(st.just("unmute"), st.none()),
    st.tuples(st.just("break"), st.none()),
    st.tuples(st.just("connect"), st.none()),
    st.tuples(st.just("away"), st.one_of(services, st.sampled_from(NAMES))),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 5.0, 40.0])),
)


def take(talk: Conversation, step: tuple[str, object]) -> None:
    """One step. `away` changes the mesh while no control plane is there."""
    match step:
        case "apply", TinyService() as service:
            talk.apply(service)
        case "delete", str() as name:
            talk.delete(name)
        case "call", list() as hosts:
            talk.call(*hosts)
        case "mute", str() as kind:
            talk.muted.add(kind)
        case "unmute", _:
            talk.unmute()
        case "away", TinyService() as service:
            talk.mesh = talk.mesh.with_service(service)
            talk.connect()
        case "away", str() as name:
            talk.mesh = talk.mesh.without(name)
            talk.connect()
        case "break", _:
            talk.deaf = True
        case "connect", _:
            talk.connect()
        case "wait", float() as seconds:
            talk.wait(seconds)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=25))
def test_any_conversation_ends_in_agreement(story: list[tuple[str, object]]) -> None:
    """After any story an Envoy holds what the mesh says, was never given what it refuses, and never lacked a cluster."""
    talk = Conversation(settings=SessionSettings(release_after=1000.0, caps=Caps(unknown=3, interval=1.0)))
    talk.connect()
    for step in story:
        take(talk, step)
    if talk.deaf:
        talk.connect()
    talk.unmute()
    talk.wait(100.0)
    assert not [line for line in talk.said if "NACK" in line]
    assert not talk.envoy.trouble
    assert talk.session.status().sync is Sync.SYNCED
    assert not talk.envoy.waiting
    for type_url in (CLUSTER, ENDPOINTS, VIRTUAL_HOST):
        assert talk.session.held(type_url) == talk.envoy.held.get(type_url, {})
    for asked in talk.envoy.asked:
        check(talk, asked.removeprefix("http_proxy/"))


def check(talk: Conversation, host: str) -> None:
    """A request to an asked host gets what the mesh says now."""
    service = next((each for each in talk.mesh.services if host in each.spellings), None)
    if service is None:
        assert talk.answer(host).startswith("404 ")
    else:
        assert talk.answer(host) == " ".join(service.cluster(subset) for subset in sorted(service.weights))
