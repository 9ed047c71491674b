"""For how long what a node registered counts."""

from weft.discovery.leases import Leases


def test_a_heartbeat_renews_a_lease() -> None:
    """Ten seconds of silence end it."""
    leases = Leases(10, 3)
    leases.renew("n", 0)
    assert leases.expired(1) == () and leases.expired(2.9) == ()
    leases.renew("n", 4)
    assert [leases.expired(tick) for tick in range(4, 14)] == [()] * 10
    assert leases.expired(14) == ("n",)


def test_a_broken_stream_shortens_a_lease_and_a_new_one_restores_it() -> None:
    """An agent that is back in time loses nothing."""
    leases = Leases(10, 3)
    leases.renew("n", 0)
    leases.shorten("n", 1)
    assert leases.expired(2) == ()
    assert leases.expired(4) == ("n",)
    leases.renew("n", 4)
    assert leases.expired(5) == ()


def test_leases_begin_anew_when_this_process_stood_still() -> None:
    """After a suspend nobody had the chance to send a heartbeat."""
    leases = Leases(10, 3)
    leases.renew("n", 0)
    assert leases.expired(1) == ()
    assert leases.expired(1000) == ()
    assert [leases.expired(1000 + tick) for tick in range(1, 11)][-1] == ("n",)


def test_a_dropped_lease_is_forgotten() -> None:
    """A node without workloads has nothing to lose."""
    leases = Leases(10, 3)
    leases.renew("n", 0)
    leases.drop(["n", "m"])
    assert leases.expired(1) == () and leases.expired(2) == ()
