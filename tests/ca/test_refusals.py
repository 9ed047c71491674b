"""Which refusals are logged, and what never finished a handshake."""

from weft.ca.handshakes import Handshakes
from weft.ca.refusals import MOST_KEYS, Refusals
from weft.ca.rotation import is_due, renewal, retry

from .authorities import NOW


def test_a_refusal_is_logged_once_a_minute_with_the_number_since() -> None:
    """By peer and reason; the detail makes no line of its own."""
    refusals = Refusals()
    assert refusals.line("n", "join token", 0, "the token expired") == (
        'event=refused peer="n" reason="join token" detail="the token expired"'
    )
    assert [refusals.line("n", "join token", second, f"detail {second}") for second in range(1, 60)] == [None] * 59
    assert refusals.line("m", "join token", 1) == 'event=refused peer="m" reason="join token"'
    assert refusals.line("n", "identity", 1) == 'event=refused peer="n" reason="identity"'
    assert refusals.line("n", "join token", 61) == 'event=refused peer="n" reason="join token" count=60'


def test_what_a_peer_sent_cannot_break_the_line() -> None:
    """One event is one line, whatever is in it, and a bounded one."""
    line = Refusals().line('n" event=ok\n', "identity", 0, "x" * 10_000)
    assert line is not None and "\n" not in line and 'peer="n\\" event=ok\\n"' in line and len(line) < 500


def test_many_peers_do_not_fill_the_memory() -> None:
    """The number of remembered peers is bounded."""
    refusals = Refusals()
    for number in range(MOST_KEYS + 10):
        refusals.line(str(number), "identity", 0)
    assert len(refusals._seen) <= MOST_KEYS


def test_handshakes_that_lead_to_no_call_are_counted_once_they_had_their_time() -> None:
    """Honest connections take theirs back with their first call, and hide no others."""
    handshakes = Handshakes(grace=5)
    for second in (0, 0, 1):
        handshakes.begin(second)
    handshakes.call("1.1.1.1:1")
    handshakes.call("1.1.1.1:1")
    assert [handshakes.unfinished(now) for now in (1, 5, 6, 7)] == [0, 2, 0, 0]
    for second in range(20):
        handshakes.begin(second)
        handshakes.call(f"1.1.1.1:{second + 2}")
        handshakes.take_back()
    handshakes.begin(20)
    assert [handshakes.unfinished(now) for now in (24, 25)] == [0, 1]


def test_certificates_are_renewed_at_half_life_and_not_all_at_once() -> None:
    """Chance brings it forward by a tenth of the life at most; a clock set back counts as due."""
    day = 2 * (NOW.replace(hour=23) - NOW.replace(hour=11))
    assert renewal(NOW, NOW + day, 0) == NOW + day / 2 and renewal(NOW, NOW + day, 1) == NOW + 0.4 * day
    assert not is_due(NOW, NOW + day, NOW + 0.4 * day) and is_due(NOW, NOW + day, NOW + day / 2)
    assert is_due(NOW, NOW + day, NOW - day)


def test_retries_wait_longer_each_time_and_never_too_long() -> None:
    """Half of it is chance."""
    assert [retry(attempt, 0) for attempt in (1, 2, 3, 20)] == [0.5, 1, 2, 30] and retry(20, 1) == 15
