"""Roles, as a table."""

import pytest

from weft.controlplane.api.caller import Caller, Role
from weft.controlplane.api.difference import difference
from weft.controlplane.api.roles import permits, permits_page
from weft.redaction import REDACTED
from weft.resource.kinds import KINDS


@pytest.mark.parametrize(
    ("kind", "verb", "namespace", "roles"),
    [
        ("VirtualService", "list", "", "viewer operator admin"),
        ("VirtualService", "patch", "shop", "operator admin"),
        ("VirtualService", "patch", "istio-system", "admin"),
        ("VirtualService", "deletecollection", "", "admin"),
        ("Namespace", "create", "shop", "operator admin"),
        ("Namespace", "delete", "istio-system", "admin"),
        ("AuthorizationPolicy", "get", "shop", "viewer operator admin"),
        ("AuthorizationPolicy", "create", "shop", "admin"),
        ("EnvoyFilter", "create", "shop", "admin"),
        ("Secret", "get", "shop", "admin"),
        ("Secret", "watch", "", "admin"),
        ("ConfigMap", "update", "istio-system", "admin"),
    ],
)
def test_who_may(kind: str, verb: str, namespace: str, roles: str) -> None:
    """Each role may what the lower ones may."""
    known = next(one for one in KINDS if one.kind == kind)
    assert " ".join(role for role in Role if permits(role, verb, known, namespace)) == roles
    assert not permits(None, verb, known, namespace)


def test_pages_of_the_mesh() -> None:
    """To be shown something takes a role, to have something done the highest; the audit log is the admin's."""
    assert permits_page(Role.VIEWER, "GET", "/weft/v1/proxies") and not permits_page(None, "GET", "/apis")
    assert not permits_page(Role.OPERATOR, "POST", "/weft/v1/jointokens")
    assert not permits_page(Role.OPERATOR, "GET", "/weft/v1/audit") and permits_page(Role.ADMIN, "GET", "/weft/v1/audit")


def test_the_highest_role_counts() -> None:
    """Of several groups; others mean nothing."""
    assert Caller("jo", ("weft:viewers", "weft:operators", "x")).role is Role.OPERATOR
    assert Caller("jo", ("system:masters",)).role is Role.ADMIN
    assert Caller("jo", ("system:authenticated",)).role is None


def test_a_difference_is_told_field_by_field() -> None:
    """What was and what is; never what a Secret holds; and no more than fits."""
    old = {"metadata": {"name": "a", "generation": 1, "labels": {"x": "1"}}, "spec": {"hosts": ["a"], "n": 1}, "status": {}}
    new = {"metadata": {"name": "a", "generation": 2, "labels": {}}, "spec": {"hosts": ["a", "b"], "n": 1, "password": "p"}}
    assert difference("VirtualService", old, new) == [
        {"path": "metadata.labels.x", "from": "1"},
        {"path": "spec.hosts", "from": '["a"]', "to": '["a","b"]'},
        {"path": "spec.password", "to": REDACTED},
    ]
    assert difference("Secret", {"data": {"k": "QQ=="}}, {"data": {"k": "Qg=="}}) == [
        {"path": "data.k", "from": REDACTED, "to": REDACTED}
    ]
    assert difference("ConfigMap", None, {"data": {str(n): "v" for n in range(300)}})[-1] == {"path": "", "more": 100}
