"""Which known host an unknown one may have been meant to be."""

import random
import string

import pytest

from weft.hostname import Names, near
from weft.model.mesh import Mesh
from weft.model.service import Service
from weft.ref import Ref

NEAR = [
    ("revews.default.svc.cluster.local", "reviews.default.svc.cluster.local"),
    ("reveiws.default.svc.cluster.local", "reviews.default.svc.cluster.local"),
    ("reviewss.default.svc.cluster.local", "reviews.default.svc.cluster.local"),
    ("reviews-v1.default.svc.cluster.local", "reviews.default.svc.cluster.local"),
    ("catalog.default.svc.cluster.local", "catalogue.default.svc.cluster.local"),
    ("ab.default.svc.cluster.local", "ac.default.svc.cluster.local"),
    ("reviews.default.svc.cluster.local", "reviews.other.svc.cluster.local"),
    ("reviews.default", "reviews.default.svc.cluster.local"),
    ("api.exmaple.com", "api.example.com"),
]
FAR = [
    ("reviews.default.svc.cluster.local", "ratings.default.svc.cluster.local"),
    ("db.default.svc.cluster.local", "web.default.svc.cluster.local"),
    ("a.default.svc.cluster.local", "b.default.svc.cluster.local"),
    ("revews.default.svc.cluster.local", "reviews.other.svc.cluster.local"),
    ("a.example", "*.example"),
]


@pytest.mark.parametrize(("host", "known"), NEAR)
def test_one_slip_or_another_namespace_is_near(host: str, known: str) -> None:
    """A character wrong, missing, added or moved, a few more or fewer at the end, or the same name elsewhere."""
    assert near(host, known)
    assert Names((known,)).nearest(host) == (known,)


@pytest.mark.parametrize(("host", "known"), FAR)
def test_other_names_are_far(host: str, known: str) -> None:
    """Several differences, a slip in another namespace, and wildcards are not near."""
    assert not near(host, known)
    assert Names((known,)).nearest(host) == ()


def test_the_nearest_are_few_and_in_a_stable_order() -> None:
    """The same name comes first, whatever the order of what is known."""
    known = ["web.b.svc.x", "wen.a.svc.x", "web.c.svc.x", "wep.a.svc.x"]
    forwards, backwards = Names(known), Names(known[::-1])
    assert forwards.nearest("web.a.svc.x") == backwards.nearest("web.a.svc.x") == ("web.b.svc.x", "web.c.svc.x", "wen.a.svc.x")


def test_the_index_finds_what_comparing_with_every_name_finds() -> None:
    """For random short names, also after names came and went."""
    chance = random.Random(1)

    def some(count: int) -> set[str]:
        return {"".join(chance.choices("abc", k=chance.randint(1, 9))) + chance.choice((".x", ".y")) for _ in range(count)}

    known = some(300)
    names = Names(known)
    for _ in range(20):
        come, gone = some(20) - known, set(chance.sample(sorted(known), 20))
        known = (known | come) - gone
        names = names.revised(known, come, gone)
        for host in some(20):
            assert set(names.nearest(host, limit=1000)) == {one for one in known if near(host, one)}


def test_names_that_came_and_went_leave_the_older_index_alone() -> None:
    """Whoever still looks at the mesh of before finds what was there."""
    before = Names(("web.x",))
    after = before.revised(("wed.x",), ("wed.x",), ("web.x",))
    assert (before.nearest("wek.x"), after.nearest("wek.x")) == (("web.x",), ("wed.x",))


def test_what_is_not_visible_is_not_named() -> None:
    """A service that is not exported to the caller's namespace is not a hint for it."""
    host = f"{string.ascii_lowercase}.prod.svc.cluster.local"
    service = Service(host, "prod", string.ascii_lowercase, (), Ref("", "Service", "prod", "x"), export_to=("prod",))
    mesh = Mesh(services={host: (service,)})
    asked = host.replace("prod", "default")
    assert mesh.nearest(asked, "default") == ()
    assert mesh.nearest(asked, "prod") == mesh.nearest(asked) == (host,)
