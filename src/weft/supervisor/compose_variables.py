"""Fills in a file's variables: everywhere the caller's; where an instance's own may stand, those are left for its start."""

import re
from collections.abc import Mapping

from weft.finding import Finding
from weft.messages import finding
from weft.ref import Ref
from weft.supervisor import yaml_tree
from weft.supervisor.interpolation import BadVariable, interpolated, settled
from weft.supervisor.yaml_tree import Node, Scalar, Sequence, kind

_LATE_FIELDS = ("command", "environment", "healthcheck", "working_dir")
Found = list[tuple[Finding, int]]


def interpolated_file(root: yaml_tree.Mapping, variables: Mapping[str, str], ref: Ref) -> tuple[yaml_tree.Mapping, Found]:
    """The file with its variables filled in."""
    filling = _Filling(variables, ref)
    entries = tuple((key, filling.top(key.text, node)) for key, node in root.entries)
    return yaml_tree.Mapping(entries, root.line), filling.found


def upstream_variable(host: str) -> str:
    """The variable that holds the local address of the upstream `host`: `REVIEWS_ADDR` for `reviews` and `reviews.default`."""
    return re.sub(r"[^A-Z0-9]", "_", host.split(".")[0].upper()) + "_ADDR"


class _Filling:
    def __init__(self, variables: Mapping[str, str], ref: Ref) -> None:
        self._variables, self._ref = variables, ref
        self._unset: set[str] = set()
        self.found: Found = []

    def top(self, name: str, node: Node) -> Node:
        if name != "services" or not isinstance(node, yaml_tree.Mapping):
            return self._tree(node, frozenset(), late=False)
        return yaml_tree.Mapping(tuple((key, self._service(value)) for key, value in node.entries), node.line)

    def _service(self, node: Node) -> Node:
        if not isinstance(node, yaml_tree.Mapping):
            return self._tree(node, frozenset(), late=False)
        own = _upstream_variables(node)
        entries = tuple((key, self._tree(value, own, late=key.text in _LATE_FIELDS)) for key, value in node.entries)
        return yaml_tree.Mapping(entries, node.line)

    def _tree(self, node: Node, own: frozenset[str], *, late: bool) -> Node:
        return yaml_tree.mapped(node, lambda scalar: self._scalar(scalar, own, late))

    def _scalar(self, scalar: Scalar, own: frozenset[str], late: bool) -> Scalar:
        if "$" not in scalar.text:
            return scalar
        try:
            text = interpolated(
                scalar.text,
                self._variables,
                late=(lambda name: is_late(name) or name in own) if late else (lambda name: False),
                unset=lambda name: self._missing(name, scalar.line),
            )
            text = text if late else settled(text, {})
        except BadVariable as error:
            hint = "" if error.required else "https://docs.docker.com/reference/compose-file/interpolation/"
            self.found.append((finding("invalid-variable", self._ref, problem=error, hint=hint), scalar.line))
            return scalar
        return Scalar(text, kind(text) if scalar.kind == "string" else scalar.kind, scalar.line)

    def _missing(self, name: str, line: int) -> None:
        if name not in self._unset:
            self._unset.add(name)
            hint = "it is known only when an instance starts: it may stand in " + ", ".join(_LATE_FIELDS) if is_late(name) else ""
            self.found.append((finding("missing-variable", self._ref, name=name, hint=hint), line))


def is_late(name: str) -> bool:
    """Whether every instance has its own value of the variable `name`."""
    return name in ("PORT", "HOST") or name.startswith(("PORT_", "WEFT_"))


def _upstream_variables(service: yaml_tree.Mapping) -> frozenset[str]:
    weft = service.get("x-weft")
    upstreams = weft.get("upstreams") if isinstance(weft, yaml_tree.Mapping) else None
    names: set[str] = set()
    for item in upstreams.items if isinstance(upstreams, Sequence) else ():
        match item:
            case Scalar(text):
                names.add(upstream_variable(text.partition(":")[0]))
            case yaml_tree.Mapping():
                own, host = item.get("env"), item.get("host")
                if isinstance(own, Scalar):
                    names.add(own.text)
                elif isinstance(host, Scalar):
                    names.add(upstream_variable(host.text))
    return frozenset(names)
