"""Rules that delegate, and the rules they delegate to, as one."""

import pytest
import yaml

from weft.model.mesh import Settings
from weft.ref import Ref
from weft.resource.istio.virtual_service import HttpRoute
from weft.resource.problems import Problems
from weft.resource.record import record
from weft.resource.shape import Reading
from weft.translate.delegate import combined
from weft.translate.mesh import translation

from .written import istio, resources


def _rule(text: str) -> HttpRoute:
    read = record(HttpRoute).read(yaml.safe_load(f"{{{text}}}"), "", Reading(Problems(Ref("", "", "", ""))))
    assert isinstance(read, HttpRoute)
    return read


def _match(root: str, leaf: str) -> HttpRoute | None:
    return combined(_rule(f"match: [{root}]" if root else ""), _rule(f"match: [{leaf}]" if leaf else ""))


@pytest.mark.parametrize(
    ("root", "leaf"),
    [
        ("{uri: {prefix: /a}}", "{uri: {prefix: /a/b}}"),
        ("{uri: {prefix: /a}}", "{uri: {exact: /a/b}}"),
        ("{uri: {exact: /a}}", "{uri: {exact: /a}}"),
        ("{uri: {regex: /a}}", "{method: {exact: GET}}"),
        ("{headers: {x: {exact: a}}}", "{headers: {y: {exact: b}}}"),
        ("{gateways: [n/a, n/b]}", "{gateways: [n/a]}"),
        ("{sourceLabels: {app: web}}", "{sourceLabels: {tier: front}}"),
        ("{port: 80}", "{uri: {prefix: /}}"),
    ],
)
def test_a_delegate_may_narrow_a_match(root: str, leaf: str) -> None:
    """What the delegate asks for holds beside what the root does."""
    assert _match(root, leaf) is not None


@pytest.mark.parametrize(
    ("root", "leaf"),
    [
        ("{uri: {prefix: /a}}", "{uri: {prefix: /b}}"),
        ("{uri: {prefix: /a}}", "{uri: {exact: /}}"),
        ("{uri: {exact: /a}}", "{uri: {prefix: /a}}"),
        ("{uri: {regex: /a}}", "{uri: {regex: /a}}"),
        ("{uri: {prefix: /a}}", "{uri: {regex: /a/.*}}"),
        ("{uri: {prefix: /a}}", "{uri: {prefix: /a}, ignoreUriCase: true}"),
        ("{headers: {x: {exact: a}}}", "{headers: {x: {exact: b}}}"),
        ("{withoutHeaders: {x: {exact: a}}}", "{withoutHeaders: {x: {exact: b}}}"),
        ("{queryParams: {x: {prefix: a}}}", "{queryParams: {x: {exact: b}}}"),
        ("{port: 80}", "{port: 81}"),
        ("{sourceNamespace: a}", "{sourceNamespace: b}"),
        ("{sourceLabels: {app: web}}", "{sourceLabels: {app: api}}"),
        ("{gateways: [n/a]}", "{gateways: [n/a, n/b]}"),
    ],
)
def test_a_delegate_must_not_leave_a_match(root: str, leaf: str) -> None:
    """A match of the delegate that is within none of the root's puts its rule out of effect."""
    assert _match(root, leaf) is None


def test_matches_multiply() -> None:
    """Each match of the delegate is joined with each of the root that it is within, and inherits what it does not say."""
    root = _rule(
        "name: r, match: [{name: a, uri: {prefix: /a}, port: 80}, {uri: {prefix: /a/b}}, {uri: {prefix: /c}}], timeout: 3s"
    )
    found = combined(root, _rule("name: l, match: [{uri: {exact: /a/b/c}, headers: {x: {}}}]"))
    assert found is not None
    assert (found.name, found.timeout) == ("r-l", "3s")
    assert [(one.name, one.uri and one.uri.exact, one.port, list(one.headers)) for one in found.match] == [
        ("a", "/a/b/c", 80, ["x"]),
        ("", "/a/b/c", None, ["x"]),
    ]


def test_a_circle_of_delegates_is_no_circle() -> None:
    """VirtualServices that delegate to each other and to themselves lose those rules only, and each finding names its rule."""
    circle = [
        istio(
            "VirtualService",
            "a",
            "{hosts: [a.b], http: [{delegate: {name: a}}, {name: kept, redirect: {uri: /}}]}",
        ),
        istio("VirtualService", "d", "{hosts: [e.f], http: [{delegate: {name: g}}]}"),
        istio("VirtualService", "g", "{http: [{delegate: {name: h}}, {route: [{destination: {host: c}}]}]}"),
        istio("VirtualService", "h", "{http: [{delegate: {name: g}}]}"),
    ]
    made = translation(Settings(), resources("\n---\n".join(circle)))
    assert [route.name for route in made.mesh.routes["a.b"][0].http] == ["kept"]
    assert [str(route.origin) for route in made.mesh.routes["e.f"][0].http] == ["VirtualService default/g spec.http[1]"]
    found = {(one.code, str(one.ref)) for all_of in made.findings.values() for one in all_of}
    assert ("delegate-without-effect", "VirtualService default/a spec.http[0].delegate") in found
    assert ("no-effect", "VirtualService default/h") in found
