"""Reads a `weft.yaml`: YAML text in, an `Application` and findings out. Nothing is read but env files, through `read`.

The form is the Compose specification's, for processes: https://github.com/compose-spec/compose-spec/blob/main/spec.md
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from weft.finding import Finding, Severity
from weft.hostname import closest
from weft.messages import finding
from weft.ref import Ref
from weft.supervisor import compose_service, yaml_tree
from weft.supervisor.address import LOOPBACK, is_loopback
from weft.supervisor.application import Application, Service
from weft.supervisor.compose_schema import FILE
from weft.supervisor.compose_variables import interpolated_file
from weft.supervisor.duration import seconds
from weft.supervisor.interpolation import dotenv, settled
from weft.supervisor.schema_check import checked, unsupported
from weft.supervisor.yaml_tree import NotYaml, Scalar, Sequence

Read = Callable[[Path], str | None]
"""The text of a file; None when there is none."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """`application` is None when a finding is an error."""

    application: Application | None
    findings: tuple[Finding, ...]


def read_file(path: Path) -> str | None:
    """The text of the file `path`, for `decode`; None when there is none."""
    try:
        return path.read_text()
    except OSError:
        return None


def decode(
    text: str,
    file: Path,
    *,
    environ: Mapping[str, str],
    read: Read = read_file,
    profiles: Iterable[str] = (),
) -> Decoded:
    """The application in `text`, the content of `file` (absolute). `environ` are the variables of who calls; the `.env` beside
    the file stands behind them. Services whose profiles are not among `profiles` are left out."""
    ref = Ref("compose", "file", "", file.name)
    try:
        root = yaml_tree.tree(text)
    except NotYaml as error:
        return Decoded(None, (_at(finding("yaml-syntax", ref, problem=error, hint=""), file, error.line),))
    if not isinstance(root, yaml_tree.Mapping):
        problem = finding("wrong-type", ref, problem="a mapping with `services:` is wanted here", hint="")
        return Decoded(None, (_at(problem, file, 1),))
    variables = {**_dotenv(file.parent / ".env", environ, read), **environ}
    root, found = interpolated_file(root, variables, ref)
    reading = _Reading(file, root, variables, read, frozenset(profiles), [_at(each, file, line) for each, line in found])
    return reading.decoded()


def _dotenv(path: Path, environ: Mapping[str, str], read: Read) -> dict[str, str]:
    text = read(path)
    return {} if text is None else {name: settled(value, {}) for name, value in dotenv(text, environ).items()}


def _at(found: Finding, file: Path, line: int) -> Finding:
    return found.located(str(file), line)


@dataclass(slots=True)
class _Reading:
    """One file being read; `findings` grows."""

    file: Path
    root: yaml_tree.Mapping
    variables: Mapping[str, str]
    read: Read
    profiles: frozenset[str]
    findings: list[Finding]

    @property
    def ref(self) -> Ref:
        return Ref("compose", "file", "", self.file.name)

    def add(self, found: Finding, line: int) -> None:
        self.findings.append(_at(found, self.file, line))

    def decoded(self) -> Decoded:
        nodes = self._services()
        self._check(nodes)
        if self._failed():
            return Decoded(None, tuple(self.findings))
        services = tuple(self._service(name, node) for name, node in nodes.items())
        self._top_host()
        self._dependencies(services)
        self._ports(services)
        application = self._application(services)
        return Decoded(None if self._failed() else application, tuple(self.findings))

    def _failed(self) -> bool:
        return any(found.severity is Severity.ERROR for found in self.findings)

    def _services(self) -> dict[str, yaml_tree.Mapping]:
        """The active services that are mappings; the shape of all others is told by the check of the whole file."""
        services = self.root.get("services")
        if not isinstance(services, yaml_tree.Mapping):
            return {}
        named = {name: node for name, node in services if isinstance(node, yaml_tree.Mapping)}
        return {name: node for name, node in named.items() if self._active(node)}

    def _active(self, node: yaml_tree.Mapping) -> bool:
        wanted = node.get("profiles")
        if not isinstance(wanted, Sequence) or not wanted.items:
            return True
        return bool(self.profiles & {item.text for item in wanted.items if isinstance(item, Scalar)}) or "*" in self.profiles

    def _check(self, nodes: Mapping[str, yaml_tree.Mapping]) -> None:
        top = yaml_tree.Mapping(tuple(pair for pair in self.root.entries if pair[0].text != "services"), self.root.line)
        without = {**FILE, "required": []}
        for found, line in checked(top, without, self.ref):
            self.add(found, line)
        services = self.root.get("services")
        if services is None:
            self.add(finding("missing-field", self.ref, name="services"), self.root.line)
        elif not isinstance(services, yaml_tree.Mapping):
            self.add(finding("wrong-type", self.ref.at("services"), problem="a mapping is wanted here", hint=""), services.line)
        else:
            self._check_services(services, nodes)
        self._unsupported(top, nodes)

    def _check_services(self, services: yaml_tree.Mapping, nodes: Mapping[str, yaml_tree.Mapping]) -> None:
        schema = FILE["properties"]["services"]["additionalProperties"]
        for key, node in services.entries:
            name = key.text
            if not isinstance(node, yaml_tree.Mapping):
                problem = "a mapping with a command is wanted here"
                self.add(finding("wrong-type", _of(name), problem=problem, hint=""), key.line)
            elif name in nodes:
                for found, line in checked(node, schema, _of(name)):
                    self.add(found, line)
        images = {name: node for name, node in nodes.items() if compose_service.is_container(node)}
        if images:
            first = next(iter(images.values()))
            words = ", ".join(images)
            self.add(finding("image-without-command", self.ref.at("services"), services=words), first.line)
        for name, node in nodes.items():
            if name not in images and not compose_service.has_something_to_run(node):
                self.add(finding("missing-field", _of(name), name="command"), node.line)

    def _unsupported(self, top: yaml_tree.Mapping, nodes: Mapping[str, yaml_tree.Mapping]) -> None:
        """One finding a field, not one for each service that has it."""
        for name, line in unsupported(top, FILE):
            self.add(finding("unsupported-compose-field", self.ref.at(name), name=name, where="", hint=_hint(name)), line)
        schema = FILE["properties"]["services"]["additionalProperties"]
        having: dict[str, list[tuple[str, int]]] = {}
        for service, node in nodes.items():
            if not compose_service.is_container(node):
                for field, line in unsupported(node, schema):
                    having.setdefault(field, []).append((service, line))
        for field, places in having.items():
            first, line = places[0]
            where = f" (in {', '.join(service for service, _ in places)})" if len(places) > 1 else ""
            words = {"name": field, "where": where, "hint": _hint(field)}
            self.add(finding("unsupported-compose-field", _of(first).at(field), **words), line)

    def _service(self, name: str, node: yaml_tree.Mapping) -> Service:
        service, found = compose_service.service(name, node, self.file.parent, self.variables, self.read, self._host())
        for each, line in found:
            self.add(each, line or node.line)
        return service

    def _host(self) -> str:
        weft = self.root.get("x-weft")
        said = weft.get("host") if isinstance(weft, yaml_tree.Mapping) else None
        return said.text if isinstance(said, Scalar) else LOOPBACK

    def _top_host(self) -> None:
        if not is_loopback(self._host()):
            words = {"problem": f"{self._host()!r} is not a loopback address", "hint": "127.0.0.1 or ::1"}
            self.add(finding("invalid-value", self.ref.at("x-weft.host"), **words), self.root.line)

    def _dependencies(self, services: tuple[Service, ...]) -> None:
        known = {service.name for service in services}
        written = {name for name, _ in self._all_services()}
        for service in services:
            for dependency in service.depends_on:
                if dependency.service in known or not dependency.required:
                    continue
                near = closest(dependency.service, known, 1)
                why = "not active in these profiles" if dependency.service in written else "not in this file"
                hint = f"did you mean {near[0]}?" if near and dependency.service not in written else ""
                words = {"name": dependency.service, "why": why, "hint": hint}
                self.add(finding("unknown-dependency", _of(service.name).at("depends_on"), **words), service.line)
        cycle = _cycle({service.name: [each.service for each in service.depends_on] for service in services})
        if cycle:
            line = next(service.line for service in services if service.name == cycle[0])
            self.add(finding("dependency-cycle", _of(cycle[0]).at("depends_on"), cycle=" -> ".join(cycle)), line)

    def _all_services(self) -> Iterable[tuple[str, yaml_tree.Node]]:
        services = self.root.get("services")
        return services if isinstance(services, yaml_tree.Mapping) else ()

    def _ports(self, services: tuple[Service, ...]) -> None:
        """Two Compose services that are versions of one service must agree on its ports."""
        said: dict[tuple[str, str, object], tuple[str, str, str]] = {}
        for service in services:
            for port in service.ports:
                for key in (port.number, port.name):
                    here = (service.name, port.name, str(port.number))
                    there = said.setdefault((service.namespace, service.service, key), here)
                    if there[1:] != here[1:]:
                        words = {
                            "problem": f"port {here[2]} is {here[1]!r} here, and port {there[2]} is {there[1]!r} in {there[0]}",
                            "hint": f"both are versions of the service {service.service}: give them the same ports",
                        }
                        self.add(finding("invalid-value", _of(service.name).at("x-weft.ports"), **words), service.line)
                        break

    def _application(self, services: tuple[Service, ...]) -> Application:
        weft = self.root.get("x-weft")
        said = yaml_tree.plain(weft) if isinstance(weft, yaml_tree.Mapping) else {}
        top = self.root.get("name")
        resources = said.get("resources") or []
        lifetime = said.get("certificateLifetime")
        return Application(
            name=str(said.get("name") or (top.text if isinstance(top, Scalar) else "") or _folder_name(self.file.parent)),
            file=self.file,
            services=services,
            trust_domain=str(said.get("trustDomain") or "cluster.local"),
            trust_domain_aliases=tuple(map(str, said.get("trustDomainAliases") or ())),
            certificate_lifetime=seconds(str(lifetime)) if lifetime else 0.0,
            authority=_authority(said.get("ca"), self.file.parent),
            host=self._host(),
            proxy_heap=_bytes(str((said.get("proxies") or {}).get("heap") or "0")),
            proxy_connections=int(str((said.get("proxies") or {}).get("connections") or 0)),
            limiter_redis=str((said.get("limiter") or {}).get("redis") or ""),
            resources=tuple(self.file.parent / str(path) for path in ([resources] if isinstance(resources, str) else resources)),
        )


_PATHS = frozenset(("folder", "certificate", "key", "chain", "root", "tokenFile", "secretIdFile", "caFile"))


def _authority(said: object, folder: Path) -> str:
    """`x-weft.ca` as JSON, with absolute paths; empty: nothing is said."""
    return json.dumps(_absolute(said, folder), sort_keys=True) if isinstance(said, Mapping) and said else ""


def _absolute(said: Mapping[str, object], folder: Path) -> dict[str, object]:
    return {
        name: _absolute(value, folder) if isinstance(value, Mapping) else str(folder / str(value)) if name in _PATHS else value
        for name, value in said.items()
    }


def _of(service: str) -> Ref:
    return Ref("compose", "service", "", service)


def _hint(field: str) -> str:
    match field:
        case "ports" | "expose":
            return "a mesh's ports are declared in x-weft.ports; a gateway opens them to callers outside"
        case "image" | "build" | "entrypoint":
            return "the command runs on this machine as it is"
        case "deploy.resources" | "mem_limit" | "cpus":
            return "weft sets no limits on processes"
    return ""


def _bytes(text: str) -> int:
    """`512m` in bytes, as Compose writes them."""
    number = text.lower().rstrip("b")
    units = {"k": 10, "m": 20, "g": 30}
    return int(number[:-1]) << units[number[-1]] if number[-1:] in units else int(number)


def _folder_name(folder: Path) -> str:
    name = "".join(char if char.isalnum() else "-" for char in folder.name.lower()).strip("-")
    return name or "mesh"


def _cycle(graph: Mapping[str, list[str]]) -> list[str]:
    """A cycle of the graph, its first node repeated at the end; empty when there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for following in graph.get(node, []):
            if cycle := walk(following, [*path, node]):
                return cycle
        done.add(node)
        return []

    return next((cycle for node in graph if (cycle := walk(node, []))), [])
