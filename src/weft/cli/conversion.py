"""A compose.yaml as a weft.yaml: the fields that mean something for processes, and a line for each that does not. Pure.

Variables stay as they are written. `ports` and `expose` become `x-weft.ports`, their protocol guessed from the number.
"""

import re
from typing import Any

from weft.supervisor import yaml_tree
from weft.supervisor.compose_schema import FILE, SERVICE
from weft.supervisor.compose_service import has_something_to_run
from weft.supervisor.schema_check import unsupported
from weft.supervisor.yaml_tree import Mapping, Scalar, Sequence, plain

_TCP = {21, 22, 25, 53, 1883, 2181, 3306, 4222, 5432, 5672, 6379, 9042, 9092, 11211, 27017}
_TAKEN_OVER = ("ports", "expose")


def converted(text: str) -> tuple[dict[str, Any], list[str]]:
    """The content of the weft.yaml, and what was left out. Raises ValueError."""
    try:
        root = yaml_tree.tree(text)
    except yaml_tree.NotYaml as error:
        raise ValueError(f"line {error.line}: {error}") from None
    services = root.get("services") if isinstance(root, Mapping) else None
    if not isinstance(root, Mapping) or not isinstance(services, Mapping):
        raise ValueError("it has no services")
    nodes = {name: node for name, node in services if isinstance(node, Mapping)}
    kept = {name: node for name, node in nodes.items() if has_something_to_run(node)}
    without = {name: node for name, node in nodes.items() if name not in kept}
    dropped = [f"{name} (line {node.line}): {_what_it_is(node)} and no command" for name, node in without.items()]
    found: dict[str, Any] = {}
    if isinstance(top := root.get("name"), Scalar):
        found["name"] = top.text
    found["services"] = {name: _service(name, node, kept, dropped) for name, node in kept.items()}
    dropped += [f"{name} (line {line})" for name, line in unsupported(_without_services(root), FILE)]
    return found, dropped


def _without_services(root: Mapping) -> Mapping:
    return Mapping(tuple(pair for pair in root.entries if pair[0].text != "services"), root.line)


def _what_it_is(node: Mapping) -> str:
    image = node.get("image")
    return f"image {image.text}" if isinstance(image, Scalar) else "a container"


def _service(name: str, node: Mapping, kept: dict[str, Mapping], dropped: list[str]) -> dict[str, Any]:
    fields = {field: (line, None) for field, line in unsupported(node, SERVICE)}
    found = {key: plain(value) for key, value in node if key in SERVICE["properties"] and key not in fields}
    if isinstance(found.get("deploy"), dict):
        found["deploy"] = {"replicas": found["deploy"]["replicas"]} if "replicas" in found["deploy"] else None
        if not found["deploy"]:
            del found["deploy"]
    _depend(name, found, kept, dropped)
    ports = _ports(node)
    if ports:
        found["x-weft"] = {**(found.get("x-weft") or {}), "ports": ports}
        guessed = ", ".join(f"{port['port']} is {port['name'].partition('-')[0]}" for port in ports)
        dropped.append(f"{name}.ports: x-weft.ports in its place ({guessed}: a guess); a gateway opens ports to the outside")
    dropped += [f"{name}.{field} (line {line})" for field, (line, _) in fields.items() if field not in _TAKEN_OVER]
    return found


def _depend(name: str, found: dict[str, Any], kept: dict[str, Mapping], dropped: list[str]) -> None:
    """Takes what is left out out of `depends_on`."""
    depends_on = found.get("depends_on")
    if not depends_on:
        return
    gone = [other for other in depends_on if other not in kept]
    dropped += [f"{name}.depends_on: {other}, which is left out" for other in gone]
    if isinstance(depends_on, dict):
        found["depends_on"] = {other: how for other, how in depends_on.items() if other in kept}
    else:
        found["depends_on"] = [other for other in depends_on if other in kept]
    if not found["depends_on"]:
        del found["depends_on"]


def _ports(node: Mapping) -> list[dict[str, Any]]:
    numbers: list[int] = []
    for field in _TAKEN_OVER:
        listed = node.get(field)
        for item in listed.items if isinstance(listed, Sequence) else ():
            number = _container_port(item)
            if number and number not in numbers:
                numbers.append(number)
    names = ["tcp" if number in _TCP else "http" for number in numbers]
    return [
        {"name": name if names.count(name) == 1 else f"{name}-{number}", "port": number}
        for name, number in zip(names, numbers, strict=True)
    ]


def _container_port(item: yaml_tree.Node) -> int:
    """Of `8080:80`, `127.0.0.1:8080:80/tcp`, `80` or the long form; 0 for ranges, UDP and variables."""
    text = item.text if isinstance(item, Scalar) else ""
    if isinstance(item, Mapping) and isinstance(target := item.get("target"), Scalar):
        text = target.text
    found = re.match(r"(?:.*:)?(\d+)(?:/tcp)?$", text)
    return int(found[1]) if found else 0
