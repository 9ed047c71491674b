"""Conversations of one Envoy with its session: start, questions, changes, reconnects."""

from dataclasses import replace

from conversation import Conversation

from weft.envoy.types import CLUSTER, ENDPOINTS, LISTENER, VIRTUAL_HOST
from weft.model.mesh import Change
from weft.testing.tiny_snapshot import TinyService
from weft.xds.session import SessionSettings
from weft.xds.status import Sync

REVIEWS = TinyService("reviews", {"": (1,)})


def test_a_fresh_envoy_gets_an_empty_answer_and_a_placeholder() -> None:
    """An Envoy without anything to call completes its start: empty clusters, its listener, a virtual host nobody calls."""
    talk = Conversation()
    assert talk.connect() == [
        "> Cluster",
        "< Cluster",
        "> Listener",
        "< Listener http_proxy",
        "> Routes +http_proxy",
        "< Routes http_proxy",
        "> VirtualHost",
        "< VirtualHost |placeholder",
    ]
    assert talk.session.status().sync is Sync.SYNCED


def test_a_first_call_brings_cluster_endpoints_and_then_the_virtual_host() -> None:
    """The virtual host is told when the endpoints of its cluster are acknowledged, with the asked name as its alias."""
    talk = Conversation(REVIEWS)
    talk.connect()
    assert talk.call("reviews") == [
        "> VirtualHost +reviews",
        "< Cluster |reviews",
        "> Endpoints +|reviews",
        "< Endpoints |reviews",
        "< VirtualHost reviews:80(reviews)",
    ]
    assert talk.answer("reviews") == talk.answer("reviews.default:80") == REVIEWS.cluster("")


def test_the_cluster_acknowledgement_is_never_waited_for() -> None:
    """A virtual host is released although Envoy withholds the acknowledgement of the clusters."""
    talk = Conversation(REVIEWS)
    talk.connect()
    talk.muted = {"Cluster"}
    talk.call("reviews")
    assert talk.answer("reviews") == REVIEWS.cluster("")


def test_a_virtual_host_waits_for_the_endpoints_but_not_for_ever() -> None:
    """Without an acknowledgement of the endpoints a virtual host goes out after `release_after`, since a caller waits."""
    talk = Conversation(REVIEWS, settings=SessionSettings(release_after=2.0))
    talk.connect()
    talk.muted = {"Endpoints"}
    talk.call("reviews")
    assert talk.answer("reviews") == "404"
    talk.wait(1.9)
    assert talk.answer("reviews") == "404"
    talk.wait(0.2)
    assert talk.answer("reviews") == REVIEWS.cluster("")


def test_an_unknown_host_is_answered_and_replaced_when_its_service_appears() -> None:
    """The 404 of an unknown host and the service's virtual host never meet: one response removes and adds."""
    talk = Conversation()
    talk.connect()
    talk.call("reviews", "reviews:80")
    assert talk.answer("reviews") == "404 unknown host reviews"
    assert talk.apply(REVIEWS)[-1] == "< VirtualHost reviews:80(reviews reviews:80) -reviews -reviews:80"
    assert talk.answer("reviews:80") == REVIEWS.cluster("")
    assert talk.delete("reviews") == ["< VirtualHost reviews(reviews) reviews:80(reviews:80) -reviews:80"]
    assert talk.answer("reviews") == "404 unknown host reviews"
    assert not talk.envoy.trouble


def test_two_spellings_asked_make_one_virtual_host_with_two_aliases() -> None:
    """A second spelling is answered by the same virtual host, which is told again because somebody waits."""
    talk = Conversation(REVIEWS)
    talk.connect()
    talk.call("reviews")
    assert talk.call("reviews.default") == [
        "> VirtualHost +reviews.default",
        "< VirtualHost reviews:80(reviews reviews.default)",
    ]
    assert not talk.envoy.waiting


def test_a_reconnect_sends_nothing_that_is_held() -> None:
    """A control plane that restarted finds equal versions and is silent."""
    talk = Conversation(REVIEWS, TinyService("ratings", {"": (2,)}))
    talk.connect()
    talk.call("reviews", "ratings", "nobody")
    assert not [line for line in talk.connect() if line.startswith("<")]
    assert talk.session.status().sync is Sync.SYNCED
    assert talk.session.held(VIRTUAL_HOST) == talk.envoy.held[VIRTUAL_HOST]


def test_a_question_that_was_lost_with_its_stream_is_answered_on_the_next() -> None:
    """A second spelling of a virtual host that is held already is not taken for answered after a reconnect."""
    talk = Conversation(REVIEWS)
    talk.connect()
    talk.call("reviews")
    talk.deaf = True
    talk.call("reviews.default")
    assert [line for line in talk.connect() if line.startswith("<")] == ["< VirtualHost reviews:80(reviews reviews.default)"]
    assert not talk.envoy.waiting
    assert not [line for line in talk.connect() if line.startswith("<")]


def test_what_changed_while_away_is_sent_after_a_reconnect() -> None:
    """Of all that is held only the changed endpoints go out."""
    talk = Conversation(REVIEWS, TinyService("ratings", {"": (2,)}))
    talk.connect()
    talk.call("reviews", "ratings")
    talk.mesh = talk.mesh.with_service(TinyService("ratings", {"": (3,)}))
    assert [line for line in talk.connect() if line.startswith("<")] == ["< Endpoints |ratings"]


def test_a_service_that_went_while_away_is_replaced_after_a_reconnect() -> None:
    """The virtual host that is held but not wanted is removed in the response that brings its successor."""
    talk = Conversation(REVIEWS)
    talk.connect()
    talk.call("reviews")
    talk.mesh = talk.mesh.without("reviews")
    told = [line for line in talk.connect() if line.startswith("<")]
    assert told == ["< VirtualHost reviews(reviews) -reviews:80"]
    assert talk.answer("reviews") == "404 unknown host reviews"


def test_a_held_cluster_is_never_answered_with_its_removal() -> None:
    """A reconnecting Envoy's clusters are in use: what nothing names any more lingers first."""
    talk = Conversation(REVIEWS, settings=SessionSettings(linger=30.0))
    talk.connect()
    talk.call("reviews")
    talk.mesh = talk.mesh.without("reviews")
    talk.connect()
    assert talk.session.held(CLUSTER)
    assert not [line for line in talk.wait(29.0) if "-" in line]
    assert talk.wait(2.0) == ["< Cluster -|reviews", "> Endpoints -|reviews"]
    assert not talk.envoy.trouble


def test_changed_endpoints_go_out_at_once_and_alone() -> None:
    """A scale costs one response of one resource."""
    talk = Conversation(REVIEWS)
    talk.connect()
    talk.call("reviews")
    assert talk.scale(TinyService("reviews", {"": (1, 2)})) == ["< Endpoints |reviews"]


def test_a_change_of_what_is_not_held_costs_nothing() -> None:
    """Hosts that nobody asked for are not among the session's, and their change is silence."""
    talk = Conversation(REVIEWS)
    talk.connect()
    talk.call("reviews")
    assert "ratings.default.svc.cluster.local" not in talk.session.hosts
    assert talk.apply(TinyService("ratings", {"": (2,)})) == []


def test_a_changed_cluster_has_its_endpoints_sent_again() -> None:
    """Envoy warms a changed cluster and does not ask for its endpoints again: without them it waits a second."""
    talk = Conversation(REVIEWS)
    talk.connect()
    talk.call("reviews")
    told = talk.apply(TinyService("reviews", {"": (1,)}, connect_timeout=2))
    assert told == ["< Cluster |reviews", "< Endpoints |reviews"]


def test_changes_while_a_response_is_in_flight_go_out_together() -> None:
    """Ten changes of endpoints during one acknowledgement make one more response, with the last state."""
    talk = Conversation(REVIEWS)
    talk.connect()
    talk.call("reviews")
    talk.muted = {"Endpoints"}
    assert talk.scale(TinyService("reviews", {"": (2,)})) == ["< Endpoints |reviews"]
    for port in range(3, 13):
        assert talk.scale(TinyService("reviews", {"": (port,)})) == []
    assert talk.unmute() == ["< Endpoints |reviews"]
    assert talk.envoy.held[ENDPOINTS] == talk.session.held(ENDPOINTS)


def test_names_that_wait_join_the_next_response() -> None:
    """While one VHDS response is in flight further questions wait, and share the next one."""
    talk = Conversation()
    talk.connect()
    talk.muted = {"VirtualHost"}
    assert talk.call("a")[1:] == ["< VirtualHost a(a)"]
    assert [line for host in "bcd" for line in talk.call(host) if line.startswith("<")] == []
    assert talk.unmute() == ["< VirtualHost b(b) c(c) d(d)"]


def test_an_acknowledgement_of_another_stream_is_ignored() -> None:
    """A nonce that this stream never sent settles nothing."""
    talk = Conversation(REVIEWS)
    talk.connect()
    talk.muted = {"VirtualHost"}
    talk.call("reviews")
    kept = talk._kept[0]
    kept.response_nonce = "999"
    talk.session.receive(kept, 0.0)
    assert talk.session.status().types[VIRTUAL_HOST].sync is Sync.STALE


def test_everything_may_change_at_once() -> None:
    """A change of everything looks at all that is held, and sends what differs."""
    talk = Conversation(REVIEWS, TinyService("ratings", {"": (2,)}))
    talk.connect()
    talk.call("reviews", "ratings")
    talk.mesh = talk.mesh.with_service(TinyService("ratings", {"": (2,)}, marker="x"))
    told = talk._deliver(talk.session.update(talk.mesh, Change(everything=True), 0.0))
    assert told == ["< VirtualHost ratings:80(ratings)"]


def test_a_cluster_that_is_asked_by_name_is_never_answered_with_nothing() -> None:
    """A connection to an unknown destination fails at once, on a cluster without endpoints, instead of hanging."""
    talk = Conversation()
    talk.connect()
    request = talk.envoy._request(CLUSTER, resource_names_subscribe=["tcp|10.0.0.1:5432"])
    assert talk._exchange([request]) == ["> Cluster +tcp|10.0.0.1:5432", "< Cluster tcp|10.0.0.1:5432"]


def test_the_hosts_that_matter_are_reported_once() -> None:
    """Who keeps the inverse index hears of each host when it begins to matter and when it ends to."""
    talk = Conversation(REVIEWS)
    talk.connect()
    talk.call("reviews")
    gained, lost = talk.session.take_host_changes()
    assert gained == {REVIEWS.host} and not lost
    assert talk.session.take_host_changes() == (set(), set())


def test_a_gateway_without_listeners_is_looked_at_again_when_any_host_changes() -> None:
    """Its first listener may come with a rule for a host that nobody named before."""
    talk = Conversation()
    talk.mesh = replace(talk.mesh, port=0)
    talk.connect()
    assert talk.session.held(LISTENER) == {}
    talk.mesh = replace(talk.mesh, port=1)
    assert "< Listener http_proxy" in talk.apply(REVIEWS)
