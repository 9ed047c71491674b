"""The table of calls: what it adds up, what bounds it, what it forgets."""

import random
import string

from weft.telemetry.calls import MOST_OPERATIONS, PLAINTEXT, Caller, CallTable, Edge, Operation, Seen

WEB = Edge("reviews", 9080, Caller("spiffe://cluster.local/ns/default/sa/web"))


def _word(lot: random.Random) -> str:
    return "".join(lot.choices(string.ascii_lowercase, k=8))


def test_calls_of_a_kind_are_added_up() -> None:
    """A kind is there once, with its number and when it was seen first and last."""
    table: CallTable[str] = CallTable()
    for second in (10.0, 30.0, 20.0):
        table.add(WEB, Operation("GET", "reviews", "/"), Seen(2, second, second))
    assert [call.seen for call in table] == [Seen(6, 10.0, 30.0)]


def test_what_was_refused_is_another_edge() -> None:
    """Calls that a policy refused are not mixed with those it let pass."""
    table: CallTable[str] = CallTable()
    table.add(WEB, Operation("GET", "reviews", "/"), Seen(1, 1.0, 1.0))
    refused = Edge(WEB.destination, WEB.port, WEB.caller, denied_by="none")
    table.add(refused, Operation("GET", "reviews", "/"), Seen(1, 1.0, 1.0))
    assert {call.edge.denied_by for call in table} == {"", "none"}


def test_a_caller_that_varies_everything_fills_nothing() -> None:
    """Random methods, hosts and paths of one caller stay within the bound, and no call is lost from the count."""
    table: CallTable[str] = CallTable()
    lot = random.Random(1)
    for second in range(20_000):
        path = "/" + "/".join(_word(lot) for _ in range(lot.randint(1, 6)))
        table.add(WEB, Operation(_word(lot), _word(lot), path), Seen(1, second, second))
    assert len(table) <= MOST_OPERATIONS
    assert sum(call.seen.count for call in table) == 20_000


def test_words_stay_while_one_place_varies() -> None:
    """Where only one segment varies, it alone becomes a star."""
    table: CallTable[str] = CallTable()
    lot = random.Random(2)
    for second in range(1_000):
        table.add(WEB, Operation("GET", "reviews", f"/users/{_word(lot)}/orders"), Seen(1, second, second))
        table.add(WEB, Operation("GET", "reviews", "/health"), Seen(1, second, second))
    assert {call.operation.path for call in table} == {"/users/{*}/orders", "/health"}


def test_strangers_are_many_and_bounded() -> None:
    """Callers without an identity are known by address up to a number; the others are together."""
    table: CallTable[str] = CallTable()
    for number in range(1_000):
        caller = Caller("", f"10.0.{number // 256}.{number % 256}", PLAINTEXT)
        table.add(Edge("reviews", 9080, caller), Operation("GET", "reviews", "/"), Seen(1, 1.0, 1.0))
    assert len(table) == 201
    assert sum(call.seen.count for call in table if call.edge.caller.address == "*") == 800


def test_the_oldest_edges_make_room() -> None:
    """When there are too many edges, those go that were not seen for longest, and their number is known."""
    table: CallTable[str] = CallTable(most=10)
    for number in range(15):
        table.add(Edge(f"s{number}", 1, WEB.caller), Operation("GET", "a", "/"), Seen(1, number, number))
    kept = {call.edge.destination for call in table}
    assert len(kept) == 10 and "s14" in kept and "s0" not in kept and table.dropped == 5


def test_what_was_not_seen_for_long_is_forgotten() -> None:
    """A call last seen before the window goes, its edge with its last call, and both are told."""
    table: CallTable[str] = CallTable()
    table.add(WEB, Operation("GET", "a", "/old"), Seen(1, 1.0, 1.0))
    table.add(WEB, Operation("GET", "a", "/new"), Seen(1, 9.0, 9.0))
    assert table.forget(5.0) == (WEB,)
    assert [call.operation.path for call in table] == ["/new"]
    assert table.forget(50.0) == (WEB,) and len(table) == 0
