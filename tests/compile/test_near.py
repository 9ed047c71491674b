"""Names that are close to a misspelt one."""

import pytest
from meshes import mesh, service

from weft.compile.scope.near import Names
from weft.model.mesh import Mesh


def _names(*hosts: str, **said: object) -> Names:
    of: Mesh = mesh(*(service(host, **said) for host in hosts))
    return Names(of.services, of.settings.domain)


@pytest.mark.parametrize("typed", ["revews", "review", "reviewss", "rviews", "reviews-v1"])
def test_a_misspelt_name_is_found(typed: str) -> None:
    """One or two letters wrong, missing or too many still find the service."""
    names = _names("reviews.default.svc.cluster.local", "ratings.default.svc.cluster.local")
    assert names.close(f"{typed}.default.svc.cluster.local", "default")[0] == "reviews.default.svc.cluster.local"


def test_the_right_name_elsewhere_comes_first() -> None:
    """The same name in another namespace is what was meant."""
    names = _names("reviews.prod.svc.cluster.local", "review.default.svc.cluster.local")
    assert names.close("reviews.default.svc.cluster.local", "default") == ("reviews.prod.svc.cluster.local",)


def test_what_is_not_visible_is_not_told() -> None:
    """A service that is not exported to the caller's namespace is not named."""
    names = _names("reviews.prod.svc.cluster.local", export_to=("prod",))
    assert names.close("reviews.default.svc.cluster.local", "default") == ()


def test_nothing_close_is_nothing() -> None:
    """A name like no other finds none."""
    assert _names("reviews.default.svc.cluster.local").close("zzz.default.svc.cluster.local", "default") == ()
