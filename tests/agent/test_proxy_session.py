"""Conversations between an Envoy, the agent and a control plane that comes and goes."""

from collections.abc import Iterable

from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource

from weft.agent import offline
from weft.agent.held import UNKNOWN_VERSION, Held, HeldResource
from weft.agent.proxy_session import GRACE, PATIENCE, ProxySession
from weft.envoy.types import CLUSTER, ENDPOINTS, LISTENER, VIRTUAL_HOST, TypeUrl


def asks(
    type_url: TypeUrl,
    *names: str,
    ack: str = "",
    nack: str = "",
    has: dict[str, str] | None = None,
    node: str = "",
    drops: str = "",
) -> bytes:
    """A request of the Envoy."""
    request = DeltaDiscoveryRequest(
        type_url=type_url, resource_names_subscribe=names, response_nonce=ack or nack, initial_resource_versions=has or {}
    )
    if node:
        request.node.id = node
    if drops:
        request.resource_names_unsubscribe.append(drops)
    if nack:
        request.error_detail.message = "no"
    return bytes(request.SerializeToString())


def resource(type_url: TypeUrl, name: str, version: str, *aliases: str, body: bytes = b"") -> Resource:
    """One resource."""
    return Resource(name=name, version=version, aliases=aliases, resource={"type_url": type_url, "value": body})


def host(name: str, version: str, *domains: str) -> Resource:
    """A virtual host of the route configuration `r`, asked for as its first domain."""
    body = VirtualHost(name=f"r/{name}", domains=domains).SerializeToString()
    return resource(VIRTUAL_HOST, f"r/{name}", version, f"r/{domains[0]}", body=body)


def says(type_url: TypeUrl, nonce: str, *resources: Resource, removed: tuple[str, ...] = ()) -> bytes:
    """A response of the control plane."""
    response = DeltaDiscoveryResponse(type_url=type_url, nonce=nonce, resources=resources, removed_resources=removed)
    return bytes(response.SerializeToString())


def upstream(session: ProxySession) -> list[DeltaDiscoveryRequest]:
    """What was sent to the control plane since the last look."""
    sent, session.to_upstream = session.to_upstream, []
    return [DeltaDiscoveryRequest.FromString(raw) for raw in sent]


def envoy(session: ProxySession) -> list[DeltaDiscoveryResponse]:
    """What was sent to the Envoy since the last look."""
    sent, session.to_envoy = session.to_envoy, []
    return [DeltaDiscoveryResponse.FromString(raw) for raw in sent]


def test_a_request_and_its_answer_pass_through_with_a_nonce_of_ours() -> None:
    """The control plane gets its own nonce back, though the Envoy saw another."""
    session = ProxySession({}, 0.0)
    session.opened()
    session.request(asks(CLUSTER, node="default/web-0"), 0.0)
    [first] = upstream(session)
    assert (first.node.id, first.type_url, list(first.resource_names_subscribe)) == ("default/web-0", CLUSTER, [])
    session.response(says(CLUSTER, "7", resource(CLUSTER, "a", "1")))
    [response] = envoy(session)
    assert response.nonce == "1.1" and response.resources[0].name == "a"
    session.request(asks(CLUSTER, ack="1.1"), 0.0)
    [ack] = upstream(session)
    assert ack.response_nonce == "7"
    assert session.held[CLUSTER]["a"].version == "1"


def test_what_the_envoy_refused_is_not_held() -> None:
    """A refusal goes to the control plane, is remembered as such, and what was held before stays held."""
    session = ProxySession({}, 0.0)
    session.opened()
    session.request(asks(CLUSTER), 0.0)
    session.response(says(CLUSTER, "1", resource(CLUSTER, "a", "1")))
    session.request(asks(CLUSTER, ack="1.1"), 0.0)
    session.response(says(CLUSTER, "2", resource(CLUSTER, "a", "2")))
    session.request(asks(CLUSTER, nack="1.2"), 0.0)
    assert upstream(session)[-1].error_detail.message == "no"
    assert session.held[CLUSTER]["a"].version == "1"
    assert [(each.names, each.message) for each in session.rejections] == [(("a",), "no")]


def test_after_an_absence_the_control_plane_is_told_what_is_held_and_asked() -> None:
    """A new upstream stream begins with the node, all names, and the versions held, in the order of the Envoy's requests."""
    session = ProxySession({}, 0.0)
    session.opened()
    session.request(asks(CLUSTER, node="n"), 0.0)
    session.request(asks(ENDPOINTS, "a", "b"), 0.0)
    session.response(says(CLUSTER, "1", resource(CLUSTER, "a", "1")))
    session.request(asks(CLUSTER, ack="1.1"), 0.0)
    session.request(asks(ENDPOINTS, drops="b"), 0.0)
    upstream(session)
    session.lost(1.0)
    session.opened()
    clusters, endpoints = upstream(session)
    assert clusters.node.id == "n" and dict(clusters.initial_resource_versions) == {"a": "1"}
    assert list(endpoints.resource_names_subscribe) == ["a"] and not endpoints.node.id


def test_an_acknowledgement_never_reaches_another_stream_than_its_responses() -> None:
    """What an Envoy acknowledges late, to a stream that is gone, counts as held and is not passed on."""
    session = ProxySession({}, 0.0)
    session.opened()
    session.request(asks(CLUSTER), 0.0)
    session.response(says(CLUSTER, "1", resource(CLUSTER, "a", "1")))
    session.lost(1.0)
    session.opened()
    upstream(session)
    session.request(asks(CLUSTER, ack="1.1"), 1.0)
    assert upstream(session) == []
    assert session.held[CLUSTER]["a"].version == "1"
    session.request(asks(CLUSTER, "b", ack="1.1"), 1.0)
    [subscription] = upstream(session)
    assert subscription.response_nonce == "" and list(subscription.resource_names_subscribe) == ["b"]


def test_a_new_host_is_answered_with_a_503_that_the_control_plane_replaces_later() -> None:
    """The stopgap comes after the grace, is not held, and goes in the response that brings the real virtual host."""
    session = ProxySession({}, 0.0)
    session.opened()
    session.request(asks(VIRTUAL_HOST, "r"), 0.0)
    session.response(says(VIRTUAL_HOST, "1", host("x", "1", "x")))
    upstream(session)
    session.lost(10.0)
    session.request(asks(VIRTUAL_HOST, "r/a", "r/a.default"), 10.0)
    session.time(10.0 + GRACE / 2)
    assert session.deadline() == 10.0 + GRACE
    envoy(session)
    session.time(10.0 + GRACE)
    [stopgap] = envoy(session)
    assert sorted(each.name for each in stopgap.resources) == ["r/a", "r/a.default"]
    assert b"control plane cannot be reached" in stopgap.resources[0].resource.value
    session.request(asks(VIRTUAL_HOST, ack=stopgap.nonce), 10.5)
    assert not session.held.get(VIRTUAL_HOST)
    session.opened()
    [asked] = upstream(session)
    assert {"r", "r/a", "r/a.default"} <= set(asked.resource_names_subscribe)
    assert "r/a" not in asked.initial_resource_versions
    session.response(says(VIRTUAL_HOST, "1", host("a.default.svc", "1", "a", "a.default")))
    [replaced] = envoy(session)
    assert sorted(replaced.removed_resources) == ["r/a", "r/a.default"]
    session.response(says(VIRTUAL_HOST, "2", host("a.default.svc", "2", "a", "a.default")))
    assert list(envoy(session)[0].removed_resources) == []


def test_a_stopgap_is_not_removed_by_a_resource_of_its_own_name() -> None:
    """The control plane's word on an unknown host has the asked name: it replaces the stopgap by itself."""
    session = ProxySession({}, 0.0)
    session.request(asks(VIRTUAL_HOST, "r/a"), 0.0)
    session.time(1.0)
    session.opened()
    session.response(says(VIRTUAL_HOST, "1", host("a", "1", "a")))
    assert list(envoy(session)[1].removed_resources) == []


def test_an_envoy_that_starts_alone_gets_what_its_predecessor_held() -> None:
    """Everything for a wildcard, the virtual hosts for their route configuration, and a held host by any of its names."""
    remembered: Held = {
        CLUSTER: {"a": _held(resource(CLUSTER, "a", "1"))},
        LISTENER: {"l": _held(resource(LISTENER, "l", "1"))},
        VIRTUAL_HOST: {"r/a.default.svc": _held(host("a.default.svc", "1", "a", "a.default"))},
    }
    session = ProxySession(remembered, 0.0)
    session.request(asks(CLUSTER), 0.0)
    assert envoy(session) == []
    session.time(GRACE)
    [clusters] = envoy(session)
    assert [each.version for each in clusters.resources] == ["1"]
    session.request(asks(LISTENER), GRACE)
    assert [each.name for each in envoy(session)[0].resources] == ["l"]
    session.request(asks(VIRTUAL_HOST, "r/a.default"), GRACE)
    session.time(3 * GRACE)
    [hosts] = envoy(session)
    assert (hosts.resources[0].name, list(hosts.resources[0].aliases)) == ("r/a.default.svc", ["r/a", "r/a.default"])
    session.request(asks(CLUSTER, ack=clusters.nonce), 1.0)
    assert session.held[CLUSTER]["a"].version == "1"
    session.opened()
    assert dict(upstream(session)[0].initial_resource_versions) == {"a": "1"}


def test_an_envoy_that_reconnects_is_believed_what_it_holds() -> None:
    """Versions that are remembered keep their bytes; others are told as unknown, so that they are sent again."""
    session = ProxySession({CLUSTER: {"a": _held(resource(CLUSTER, "a", "1"))}}, 0.0)
    session.opened()
    session.request(asks(CLUSTER, "*", has={"a": "1", "b": "9"}), 0.0)
    [asked] = upstream(session)
    assert dict(asked.initial_resource_versions) == {"a": "1", "b": UNKNOWN_VERSION}
    session.lost(1.0)
    session.time(2.0)
    assert envoy(session) == []


def test_a_stopgap_of_an_earlier_agent_is_known_again() -> None:
    """An Envoy that holds one is not told to the control plane as holding something real."""
    session = ProxySession({}, 0.0)
    session.opened()
    session.request(asks(VIRTUAL_HOST, "r/a", has={"r/a": offline.VERSION}), 0.0)
    assert dict(upstream(session)[0].initial_resource_versions) == {}
    session.response(says(VIRTUAL_HOST, "1", host("a.default.svc", "1", "a")))
    assert list(envoy(session)[0].removed_resources) == ["r/a"]


class _Shouting:
    """A change of listeners that can be seen."""

    def __init__(self) -> None:
        self.gone: list[str] = []

    def rebound(self, body: bytes) -> bytes:
        """With an exclamation mark."""
        return body + b"!"

    def removed(self, names: Iterable[str]) -> None:
        """Notes them."""
        self.gone += names


def test_listeners_are_changed_on_the_way_and_held_as_they_came() -> None:
    """The Envoy sees the changed bytes; what is kept for the next Envoy is the control plane's. Removals are told."""
    shouting = _Shouting()
    session = ProxySession({}, 0.0, shouting)
    session.opened()
    session.request(asks(LISTENER), 0.0)
    session.response(says(LISTENER, "1", resource(LISTENER, "l", "1", body=b"\x0a\x01l")))
    [response] = envoy(session)
    assert response.resources[0].resource.value == b"\x0a\x01l!"
    session.request(asks(LISTENER, ack=response.nonce), 0.0)
    assert b"!" not in session.held[LISTENER]["l"].body
    session.response(says(LISTENER, "2", removed=("l",)))
    assert shouting.gone == ["l"]


def test_what_is_remembered_is_what_is_held_and_what_was_not_asked_yet() -> None:
    """The record of an Envoy in the middle of its start still has what it did not come to."""
    session = ProxySession({LISTENER: {"l": _held(resource(LISTENER, "l", "1"))}}, 0.0)
    session.opened()
    session.request(asks(CLUSTER), 0.0)
    session.response(says(CLUSTER, "1", resource(CLUSTER, "a", "1")))
    session.request(asks(CLUSTER, ack="1.1"), 0.0)
    assert session.changed
    assert {kind: set(held) for kind, held in session.record().items()} == {LISTENER: {"l"}, CLUSTER: {"a"}}
    assert not session.changed


def test_a_control_plane_that_is_silent_is_doubted_and_may_still_answer() -> None:
    """A caller that waited long enough gets a stopgap when the control plane does not answer a heartbeat either."""
    session = ProxySession({}, 0.0)
    session.opened()
    session.request(asks(VIRTUAL_HOST, "r", "r/a"), 1.0)
    assert session.deadline() == 1.0 + PATIENCE and not session.doubts(1.0)
    assert session.doubts(1.0 + PATIENCE)
    session.trust(1.5)
    assert not session.doubts(1.6) and session.deadline() == 1.5 + PATIENCE
    session.distrust(2.0)
    [stopgap] = envoy(session)
    assert [each.name for each in stopgap.resources] == ["r/a"]
    assert session.deadline() is None
    session.response(says(VIRTUAL_HOST, "1", host("a.default.svc", "1", "a")))
    assert list(envoy(session)[0].removed_resources) == ["r/a"]


def _held(made: Resource) -> HeldResource:
    return HeldResource(made.version, made.SerializeToString(), tuple(made.aliases))
