"""Texts that are chosen by lot."""

import pytest

from weft.simulate.held import Unreadable
from weft.simulate.lots import lots


def test_a_text_is_its_own_lot() -> None:
    """What is no expression is always chosen."""
    assert lots("db.example.com") == [(100.0, "db.example.com")]


def test_thresholds_are_shares() -> None:
    """Each text has what lies between its threshold and the one before; the last has the rest."""
    drawn = "(source.port / 2 * 617) % 1000"
    assert lots(f"%CEL({drawn} < 250 ? 'a' : {drawn} < 750 ? 'b' : 'c')%") == [(25.0, "a"), (50.0, "b"), (25.0, "c")]


def test_another_expression_is_not_guessed_at() -> None:
    """An expression of another form is said to be one."""
    with pytest.raises(Unreadable):
        lots("%CEL(source.address)%")
