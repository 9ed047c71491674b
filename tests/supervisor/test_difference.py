"""What another file means for the services that run."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from weft.supervisor.application import Application, Service
from weft.supervisor.changes import Changes
from weft.supervisor.compose import decode
from weft.supervisor.fleet import Difference, Fleet
from weft.supervisor.objects import objects
from weft.supervisor.progress import Progress


def _application(text: str) -> Application:
    decoded = decode(text, Path("/m/weft.yaml"), environ={}, read=lambda path: None)
    assert decoded.application, decoded.findings
    return decoded.application


def _difference(before: str, after: str) -> Difference:
    def never(*_: Any) -> Any:
        raise AssertionError

    fleet = Fleet(
        _application(before), make=never, unmake=never, tasks=asyncio.TaskGroup(), changes=Changes(), progress=Progress()
    )
    return fleet.difference(_application(after).services)


BEFORE = "services: {a: {command: x}, b: {command: y, environment: {A: 1}}, c: {command: z}}"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BEFORE, {}),
        (f"# moved down\n\n{BEFORE}", {}),
        (BEFORE.replace("{A: 1}", "{A: 2}"), {"changed": ("b",)}),
        (BEFORE.replace("a: {command: x}", "a: {command: x, scale: 3}"), {"scaled": ("a",)}),
        (BEFORE.replace("a: {command: x}", "a: {command: w, scale: 3}"), {"changed": ("a",)}),
        (BEFORE.replace("c: {command: z}", "d: {command: z}"), {"added": ("d",), "removed": ("c",)}),
    ],
)
def test_only_what_is_another_is_a_difference(after: str, expected: dict[str, tuple[str, ...]]) -> None:
    """Where a service stands in the file is none; how many instances it has replaces none of them."""
    found = _difference(BEFORE, after)
    said = {name: getattr(found, name) for name in ("added", "changed", "scaled", "removed")}
    assert {name: names for name, names in said.items() if names} == expected
    assert {service.name for service in found.leaving} == {*found.changed, *found.removed}


def test_a_declared_service_has_each_port_once() -> None:
    """While one version replaces another, both are declared: where their ports disagree the later one's stands."""

    def web(ports: str) -> Service:
        return _application(f"services: {{web: {{command: x, x-weft: {{ports: [{ports}]}}}}}}").services[0]

    old, new = web("{name: http, port: 80}, {name: tcp, port: 90}"), web("{name: http, port: 81}, {name: grpc, port: 90}")
    (service,) = [each for each in objects((old, new), "local") if each["kind"] == "Service"]
    assert [(port["name"], port["port"]) for port in service["spec"]["ports"]] == [("http", 81), ("grpc", 90)]
