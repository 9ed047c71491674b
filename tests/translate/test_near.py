"""Which known host an unknown one may have been meant to be."""

import pytest

from weft.translate.near import near, nearest


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("revews.default.svc.cluster.local", "reviews.default.svc.cluster.local"),
        ("reveiws.default.svc.cluster.local", "reviews.default.svc.cluster.local"),
        ("reviewss.default.svc.cluster.local", "reviews.default.svc.cluster.local"),
        ("reviews.default.svc.cluster.local", "reviews.other.svc.cluster.local"),
        ("reviews.default", "reviews.default.svc.cluster.local"),
        ("api.exmaple.com", "api.example.com"),
    ],
)
def test_one_slip_or_another_namespace_is_near(host: str, known: str) -> None:
    """One place where a few characters differ, or the same name elsewhere."""
    assert near(host, known)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("reviews.default.svc.cluster.local", "ratings.default.svc.cluster.local"),
        ("db.default.svc.cluster.local", "web.default.svc.cluster.local"),
        ("revews.default.svc.cluster.local", "reviews.other.svc.cluster.local"),
        ("a.example", "*.example"),
    ],
)
def test_other_names_are_far(host: str, known: str) -> None:
    """Several differences, a slip in another namespace, and wildcards are not near."""
    assert not near(host, known)


def test_the_nearest_are_few_and_in_a_stable_order() -> None:
    """The same name comes first, whatever the order of what is known."""
    known = ["web.b.svc.x", "wen.a.svc.x", "web.c.svc.x", "wep.a.svc.x"]
    assert nearest("web.a.svc.x", known) == nearest("web.a.svc.x", known[::-1]) == ("web.b.svc.x", "web.c.svc.x", "wen.a.svc.x")
