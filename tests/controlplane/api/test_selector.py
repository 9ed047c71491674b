"""Selectors, as Kubernetes documents them."""

import pytest

from weft.controlplane.api.selector import matcher
from weft.controlplane.api.status import Refused

BODY = {"metadata": {"name": "a", "namespace": "n", "labels": {"app": "web", "tier": "front", "example.com/x": ""}}}


@pytest.mark.parametrize(
    ("labels", "fields", "fits"),
    [
        ("", "", True),
        ("app=web", "", True),
        ("app==web,tier=front", "", True),
        ("app!=web", "", False),
        ("missing!=web", "", True),
        ("app in (web, api)", "", True),
        ("app notin (web,api),tier", "", False),
        ("missing notin (x)", "", True),
        ("app", "", True),
        ("!app", "", False),
        ("!missing, app", "", True),
        ("example.com/x=", "", True),
        ("", "metadata.name=a", True),
        ("", "metadata.name!=a", False),
        ("", "metadata.namespace==n,metadata.name=a", True),
        ("app=web", "metadata.name=b", False),
    ],
)
def test_a_selector_matches(labels: str, fields: str, fits: bool) -> None:
    """All requirements of both selectors must hold."""
    assert matcher(labels, fields)(BODY) is fits


@pytest.mark.parametrize(("labels", "fields"), [("=x", ""), ("a in x", ""), ("a b", ""), ("", "spec.x=1"), ("", "metadata.name")])
def test_a_broken_selector_is_refused(labels: str, fields: str) -> None:
    """What cannot be read is refused, not ignored."""
    with pytest.raises(Refused):
        matcher(labels, fields)
