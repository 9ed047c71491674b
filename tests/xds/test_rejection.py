"""NACKs: who is blamed, what is said instead, and that the rest goes on."""

import pytest
from conversation import Conversation

from weft.envoy.types import CLUSTER, ENDPOINTS, VIRTUAL_HOST, TypeUrl
from weft.ref import Ref
from weft.testing.envoy_session import Refuse
from weft.testing.tiny_snapshot import TinyService
from weft.xds.rejection import offenders
from weft.xds.status import Sync

BAD = TinyService("bad", {"": (1,), "v1": (1,)})
GOOD = TinyService("good", {"": (1,)})


def once(type_of: TypeUrl, part: str, words: str) -> Refuse:
    """Refuses the first response that has a resource with `part` in its name."""
    left = [words]
    return lambda type_url, names: left.pop() if left and type_url == type_of and any(part in name for name in names) else ""


def refuse_cluster(name: str) -> Refuse:
    """Refuses every response that has the cluster, naming it as Envoy does."""
    return lambda type_url, names: (
        f"Error adding/updating cluster(s) {name}: bad field" if type_url == CLUSTER and name in names else ""
    )


@pytest.mark.parametrize(
    ("message", "guilty"),
    [
        ("Error adding/updating cluster(s) outbound|80||a: bad, outbound|80||ab: worse", ("outbound|80||a", "outbound|80||ab")),
        ("Error adding/updating cluster(s) outbound|80||ab: worse", ("outbound|80||ab",)),
        ("Only unique values for domains are permitted", ()),
        ("Error adding/updating listener(s) http_proxy: cannot bind '127.0.0.1:80'", ("http_proxy",)),
    ],
)
def test_an_error_speaks_of_whole_names(message: str, guilty: tuple[str, ...]) -> None:
    """A name that is only part of another in the message is not blamed."""
    assert offenders(message, ("outbound|80||a", "outbound|80||ab", "http_proxy")) == guilty


def test_the_only_resource_of_a_response_is_to_blame() -> None:
    """An error that names nothing blames the one resource there was."""
    assert offenders("bad", ("one",)) == ("one",)


def test_who_waits_for_a_refused_virtual_host_is_told_why() -> None:
    """A first answer that Envoy refused becomes a 503 that names the offender and the reason."""
    talk = Conversation(BAD, GOOD)
    talk.connect()
    talk.envoy.refuse = once(VIRTUAL_HOST, "bad", "Invalid regex")
    talk.call("bad")
    assert talk.answer("bad").startswith("503 ") and "Invalid regex" in talk.answer("bad")
    assert not talk.envoy.waiting
    (rejection,) = talk.session.take_rejections()
    assert rejection.origins == (Ref("", "Service", "default", "bad"),)
    assert talk.session.status().sync is Sync.NACKED


def test_the_offender_is_found_by_halves_where_no_name_is_given() -> None:
    """Of eight virtual hosts in one refused response the one offender is isolated, and seven are served."""
    names = [f"s{number}" for number in range(8)]
    talk = Conversation(*(TinyService(name, {"": (1,)}) for name in names))
    talk.connect()
    refused: list[tuple[str, ...]] = []

    def refuse(type_url: TypeUrl, told: tuple[str, ...]) -> str:
        if type_url != VIRTUAL_HOST or not any("s5." in name for name in told) or (refused and len(refused[-1]) == 1):
            return ""
        refused.append(told)
        return "Only unique values for domains are permitted"

    talk.envoy.refuse = refuse
    talk.call(*names)
    assert [len(told) for told in refused] == [8, 4, 2, 1]
    assert talk.answer("s5").startswith("503 ")
    assert all(talk.answer(name) == TinyService(name).cluster("") for name in names if name != "s5")
    assert not talk.envoy.waiting


def test_a_refused_change_leaves_the_last_good_version() -> None:
    """What was held goes on, is not sent again for nothing, and the next version is tried."""
    talk = Conversation(GOOD)
    talk.connect()
    talk.call("good")
    talk.envoy.refuse = lambda type_url, names: "no" if type_url == VIRTUAL_HOST else ""
    talk.apply(TinyService("good", {"": (1,)}, marker="broken"))
    assert talk.answer("good") == GOOD.cluster("")
    assert talk.session.status().types[VIRTUAL_HOST].rejections[0].message == "no"
    talk.envoy.refuse = lambda type_url, names: ""
    assert talk.apply(TinyService("good", {"": (1,)}, marker="broken")) == []
    assert talk.apply(TinyService("good", {"": (1,)}, marker="fixed")) == ["< VirtualHost good:80(good)"]
    assert talk.session.status().sync is Sync.SYNCED


def test_a_refused_cluster_takes_no_other_with_it() -> None:
    """The good cluster of a refused response is sent again at once; callers of the bad one are told its name."""
    talk = Conversation(BAD, GOOD)
    talk.connect()
    talk.envoy.refuse = refuse_cluster(BAD.cluster(""))
    talk.call("bad", "good")
    assert talk.answer("good") == GOOD.cluster("")
    assert talk.answer("bad").startswith("503 ") and BAD.cluster("") in talk.answer("bad")
    assert not talk.envoy.waiting and not talk.envoy.trouble


def test_one_refused_subset_does_not_take_the_other_away() -> None:
    """A virtual host with one good and one refused cluster is released: the good share of its traffic is served."""
    talk = Conversation(TinyService("bad", {"": (1,), "v1": (1,)}, weights={"": 1, "v1": 1}))
    talk.connect()
    talk.envoy.refuse = refuse_cluster(BAD.cluster(""))
    talk.call("bad")
    assert BAD.cluster("v1") in talk.answer("bad")


def test_a_flip_to_a_refused_cluster_does_not_happen() -> None:
    """Traffic stays where it was when the cluster it should move to is refused, and moves when that is fixed."""
    talk = Conversation(BAD)
    talk.connect()
    talk.call("bad")
    talk.envoy.refuse = refuse_cluster(BAD.cluster("v1"))
    talk.apply(TinyService("bad", {"": (1,), "v1": (1,)}, weights={"v1": 1}))
    assert talk.answer("bad") == BAD.cluster("")
    talk.envoy.refuse = lambda type_url, names: ""
    talk.apply(TinyService("bad", {"": (1,), "v1": (1,)}, weights={"v1": 1}, connect_timeout=2))
    assert talk.answer("bad") == BAD.cluster("v1")
    assert not talk.envoy.trouble and talk.session.status().sync is Sync.SYNCED


def test_refused_endpoints_do_not_hold_a_caller() -> None:
    """A virtual host whose endpoints were refused is released: its caller gets Envoy's own 503 and no silence."""
    talk = Conversation(GOOD)
    talk.connect()
    talk.envoy.refuse = lambda type_url, names: "bad address" if type_url == ENDPOINTS else ""
    talk.call("good")
    assert talk.answer("good") == GOOD.cluster("")
