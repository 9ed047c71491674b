"""No value that an operator can write makes weft raise: it is a finding, or it is compiled."""

import logging

import pytest
from extremes import places, problem

PLACES = tuple(places())


SLICES = 12


@pytest.mark.parametrize("number", range(SLICES))
def test_the_edges_of_every_field(number: int) -> None:
    """Numbers, durations and texts at the edges of what a field may hold are refused with a finding, or compiled."""
    logging.getLogger("weft.controlplane").disabled = True
    try:
        wrong = {
            (place.name, repr(value)[:40]): found
            for place in PLACES[number::SLICES]
            for value in place.values()
            if (found := problem(place, value))
        }
    finally:
        logging.getLogger("weft.controlplane").disabled = False
    assert not wrong


def test_the_fields_are_many() -> None:
    """The stories have numbers, durations and texts of every kind that has rules."""
    assert len(PLACES) > 200
    assert {"VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "Service"} <= {
        place.name.partition(".")[0] for place in PLACES
    }
