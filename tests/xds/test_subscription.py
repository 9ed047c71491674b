"""The wildcard rules of delta xDS."""

import pytest

from weft.xds.subscription import Asked, Subscription, TooManyNames


def test_a_first_request_without_names_asks_for_everything() -> None:
    """The legacy wildcard: only the first request can be one."""
    subscription = Subscription()
    assert subscription.take((), (), {"a": "1"}) == Asked(True, (), (), {"a": "1"})
    assert subscription.wildcard


def test_who_begins_with_names_is_no_wildcard() -> None:
    """A later request without names (an acknowledgement) changes nothing."""
    subscription = Subscription()
    subscription.take(("a",), (), {})
    assert subscription.take((), (), {"b": "2"}) == Asked(False, (), (), {})
    assert not subscription.wildcard


def test_a_star_adds_everything_and_takes_it_back() -> None:
    """`*` stands beside names, as Envoy sends it after a reconnect."""
    subscription = Subscription()
    assert subscription.take(("*", "a", "a"), (), {}).names == ("a",)
    assert subscription.wildcard
    assert subscription.take((), ("*", "a", "never"), {}).dropped == ("a",)
    assert not subscription.wildcard


def test_a_name_asked_again_is_to_be_sent_again() -> None:
    """Asking twice is a request for another answer."""
    subscription = Subscription()
    subscription.take(("a",), (), {})
    assert subscription.take(("a",), (), {}).names == ("a",)


def test_more_names_than_a_proxy_can_need_are_an_attack() -> None:
    """The stream of such a peer ends."""
    with pytest.raises(TooManyNames):
        Subscription(limit=2).take(("a", "b", "c"), (), {})
