"""What ends too soon is said, and what has its time left is not."""

from datetime import timedelta

from weft.ca import csr
from weft.ca.alarms import alarms
from weft.ca.certificate import Leaf, leaf

from .authorities import NOW, authority

DAY = timedelta(days=1)
OURS = authority()
ROOT, ISSUER = OURS.roots[0], OURS.signer.certificate


def test_a_root_a_year_before_its_end_an_issuer_three_months() -> None:
    """By parts of their lives, with what to do."""
    assert OURS.intermediate is not None
    made = leaf(csr.new_key().public_key(), Leaf(()), OURS.intermediate, DAY, NOW)
    assert alarms([ROOT], ISSUER, {"default/a": made}, NOW + DAY / 2) == ()
    (late,) = alarms([ROOT], ISSUER, {"default/a": made}, NOW + DAY * 0.8)
    assert late.of == "default/a" and late.message.endswith("in 5 hours") and not late.expired
    found = alarms([ROOT], ISSUER, {"default/a": made}, NOW + 300 * DAY)
    assert [(each.of, each.expired) for each in found] == [("default/a", True), ("intermediate", False)]
    assert "`weft ca rotate`" in found[1].hint and found[1].message.endswith("in 65 days")
    assert [each.of for each in alarms([ROOT], ROOT, {}, NOW + 9.5 * 365 * DAY)] == ["intermediate", "root"]


def test_what_the_proof_says_of_an_old_certificate() -> None:
    """The last one is named with its end; several come in the order of their ends."""
    (expired,) = alarms([], ISSUER, {}, NOW + 400 * DAY)
    assert expired.expired and "expired at 2027-03-01" in expired.message
