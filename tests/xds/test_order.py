"""Break late: when a cluster goes."""

from conversation import Conversation

from weft.envoy.types import LISTENER, VIRTUAL_HOST
from weft.model.mesh import Change
from weft.testing.tiny_snapshot import TinyService
from weft.xds.order import Key, Uses
from weft.xds.session import SessionSettings

OLD = TinyService("reviews", {"v1": (1,), "v2": (2,)}, weights={"v1": 1})
NEW = TinyService("reviews", {"v1": (1,), "v2": (2,)}, weights={"v2": 1})


def test_a_cluster_stays_while_anything_names_it() -> None:
    """The last user that lets go starts the clock; a new one stops it."""
    uses = Uses(30.0)
    first, second = Key(VIRTUAL_HOST, "a"), Key(LISTENER, "b")
    assert uses.set(first, ("c",), 0.0) == ("c",)
    assert uses.set(second, ("c",), 1.0) == ()
    uses.set(first, (), 2.0)
    assert uses.gone(100.0) == ()
    uses.set(second, (), 3.0)
    assert uses.gone(32.0) == ()
    uses.set(first, ("c",), 32.5)
    assert uses.gone(100.0) == ()


def test_a_cluster_stays_as_long_as_requests_may_be_held() -> None:
    """A user that holds requests for a minute gives its clusters a minute."""
    uses = Uses(30.0)
    uses.set(Key(VIRTUAL_HOST, "a"), ("c",), 0.0, hold=60.0)
    uses.set(Key(VIRTUAL_HOST, "a"), ("d",), 0.0)
    assert uses.gone(59.0) == ()
    assert uses.gone(60.0) == ("c",)


def test_the_old_cluster_lingers_after_the_acknowledgement_of_the_new_route() -> None:
    """Time counts from the acknowledgement, not from the change."""
    talk = Conversation(OLD, settings=SessionSettings(linger=30.0))
    talk.connect()
    talk.call("reviews")
    talk.muted = {"VirtualHost"}
    talk.apply(NEW)
    talk.wait(100.0)
    talk.unmute()
    assert not [line for line in talk.wait(29.0) if " -" in line]
    assert talk.wait(1.1) == ["< Cluster -v1|reviews", "> Endpoints -v1|reviews"]
    assert not talk.envoy.trouble


def test_a_flip_back_before_the_time_keeps_the_cluster() -> None:
    """A cluster that is named again in time is neither taken back nor sent again."""
    talk = Conversation(OLD)
    talk.connect()
    talk.call("reviews")
    talk.apply(NEW)
    talk.wait(20.0)
    assert talk.apply(OLD) == ["< VirtualHost reviews:80(reviews)"]
    assert "< Cluster -v1|reviews" not in talk.wait(100.0)


def test_a_cluster_that_went_comes_back_with_its_endpoints_first() -> None:
    """After its removal a cluster is new: the route waits for its endpoints again."""
    talk = Conversation(OLD)
    talk.connect()
    talk.call("reviews")
    talk.apply(NEW)
    talk.wait(31.0)
    assert talk.apply(OLD) == [
        "< Cluster v1|reviews",
        "> Endpoints +v1|reviews",
        "< Endpoints v1|reviews",
        "< VirtualHost reviews:80(reviews)",
    ]


def test_a_cluster_named_again_while_its_removal_is_on_the_way_is_new() -> None:
    """The endpoints that went with it do not count: the route waits until Envoy has them again."""
    talk = Conversation(OLD)
    talk.connect()
    talk.call("reviews")
    talk.apply(NEW)
    removal = talk.session.tick(1000.0)
    mesh = talk.mesh.with_service(OLD)
    again = talk.session.update(mesh, Change(hosts=frozenset({OLD.host})), 1000.0)
    assert [response.removed for response in removal] == [(OLD.cluster("v1"),)]
    assert [[told.resource.name for told in response.resources] for response in again] == [[OLD.cluster("v1")]]
    talk.now = 1000.0
    assert talk._deliver([*removal, *again])[-1] == "< VirtualHost reviews:80(reviews)"
    assert not talk.envoy.trouble


def test_eager_clusters_come_first_and_stay() -> None:
    """What a snapshot wants from the start is in the first answer, before anybody asks."""
    talk = Conversation(OLD, eager=(OLD.cluster("v1"),))
    assert talk.connect()[1] == "< Cluster v1|reviews"
    assert talk.wait(1000.0) == []


def test_a_cluster_that_lingers_keeps_its_endpoints() -> None:
    """When a subset loses its endpoints in the change that routes past it, requests under way still find them."""
    talk = Conversation(OLD)
    talk.connect()
    talk.call("reviews")
    assert talk.apply(TinyService("reviews", {"v1": (), "v2": (2,)}, weights={"v2": 1})) == [
        "< Cluster v2|reviews",
        "> Endpoints +v2|reviews",
        "< Endpoints v2|reviews",
        "< VirtualHost reviews:80(reviews)",
    ]
    assert talk.wait(29.0) == []


def test_a_cluster_that_lingers_follows_endpoints_that_moved() -> None:
    """New endpoints of a cluster that lingers are told: the old ones may be gone."""
    talk = Conversation(OLD)
    talk.connect()
    talk.call("reviews")
    talk.apply(NEW)
    assert talk.scale(TinyService("reviews", {"v1": (3,), "v2": (2,)}, weights={"v2": 1})) == ["< Endpoints v1|reviews"]


def test_a_cluster_that_is_desired_again_has_what_became_of_it_meanwhile() -> None:
    """What was kept back while it lingered is told before the route that names it."""
    talk = Conversation(OLD)
    talk.connect()
    talk.call("reviews")
    talk.apply(NEW)
    assert talk.apply(TinyService("reviews", {"v1": (), "v2": (2,)}, weights={"v2": 1}, connect_timeout=2)) == [
        "< Cluster v2|reviews",
        "< Endpoints v2|reviews",
    ]
    assert talk.apply(TinyService("reviews", {"v1": (), "v2": (2,)}, weights={"v1": 1}, connect_timeout=2)) == [
        "< Cluster v1|reviews",
        "< Endpoints v1|reviews",
        "< VirtualHost reviews:80(reviews)",
    ]


def test_a_subset_that_went_while_nobody_was_connected_stays_until_the_route_is_told() -> None:
    """After a reconnect the old cluster and its endpoints are left alone until the new route is there."""
    talk = Conversation(OLD)
    talk.connect()
    talk.call("reviews")
    talk.mesh = talk.mesh.with_service(TinyService("reviews", {"v1": (), "v2": (2,)}, weights={"v2": 1}))
    said = talk.connect()
    assert "< Endpoints v1|reviews" not in said
    assert said.index("< Endpoints v2|reviews") < said.index("< VirtualHost reviews:80(reviews)")
