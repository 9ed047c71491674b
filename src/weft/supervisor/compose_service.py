"""Reads one service of a `weft.yaml` whose shape has been checked. Findings come with their line, 0 for the service's own."""

import re
import shlex
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from weft.finding import Finding
from weft.messages import finding
from weft.ref import Ref
from weft.supervisor.address import LOOPBACK, is_ip, is_loopback
from weft.supervisor.application import Condition, Dependency, Health, Late, Port, Restart, Service, Upstream, dns_name
from weft.supervisor.compose_variables import is_late, upstream_variable
from weft.supervisor.duration import seconds
from weft.supervisor.interpolation import BadVariable, dotenv
from weft.supervisor.yaml_tree import Mapping as Tree
from weft.supervisor.yaml_tree import Node, Scalar, Sequence, plain

_LABEL = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z")
Found = list[tuple[Finding, int]]
Read = Callable[[Path], str | None]


def is_container(node: Tree) -> bool:
    """Whether it names an image (or how to build one) and no command: nothing that runs without containers."""
    return (node.get("image") is not None or node.get("build") is not None) and not has_something_to_run(node)


def has_something_to_run(node: Tree) -> bool:
    """Whether it has a command or is a gateway."""
    return node.get("command") is not None or bool(_weft(node).get("gateway"))


def service(
    name: str, node: Tree, folder: Path, variables: Mapping[str, str], read: Read, host: str = LOOPBACK
) -> tuple[Service, Found]:
    """The service `name`. `host` is the loopback address of those that name none."""
    return _Reading(name, node, folder, variables, read, host).service()


def _weft(node: Tree) -> Mapping[str, Any]:
    weft = node.get("x-weft")
    return plain(weft) if isinstance(weft, Tree) else {}


def _text(node: Node | None, default: str = "") -> str:
    return node.text if isinstance(node, Scalar) else default


def _texts(node: Node | None) -> tuple[str, ...]:
    """The scalars of a list, or the one scalar."""
    if isinstance(node, Sequence):
        return tuple(_text(item) for item in node.items)
    return (node.text,) if isinstance(node, Scalar) else ()


def _field(node: Node | None, name: str) -> Node | None:
    return node.get(name) if isinstance(node, Tree) else None


class _Reading:
    def __init__(self, name: str, node: Tree, folder: Path, variables: Mapping[str, str], read: Read, host: str) -> None:
        self._name, self._node, self._folder, self._variables, self._read = name, node, folder, variables, read
        self._host = host
        self._ref = Ref("compose", "service", "", name)
        self._found: Found = []

    def _wrong(self, field: str, problem: str, hint: str = "", line: int = 0) -> None:
        self._found.append((finding("invalid-value", self._ref.at(field), problem=problem, hint=hint), line))

    def service(self) -> tuple[Service, Found]:
        node, weft = self._node, _weft(self._node)
        tree = node.get("x-weft")
        called = _text(_field(tree, "service"), dns_name(self._name))
        host = _text(_field(tree, "host"), self._host)
        restart, _, limit = _text(node.get("restart")).partition(":")
        read = Service(
            name=self._name,
            line=node.line,
            service=called,
            namespace=_text(_field(tree, "namespace"), "default"),
            service_account=_text(_field(tree, "serviceAccount"), called),
            version=_text(_field(tree, "version")),
            command=self._command(node.get("command")),
            environment=self._environment(),
            working_dir=Late(_text(node.get("working_dir"))),
            depends_on=self._depends_on(node.get("depends_on")),
            health=self._health(),
            labels=self._labels(),
            replicas=self._replicas(),
            restart=Restart(restart),
            restart_limit=int(limit or 0),
            stop_signal=self._signal(_text(node.get("stop_signal"), "SIGTERM")),
            stop_grace=seconds(_text(node.get("stop_grace_period"), "10s")),
            ports=self._ports(_field(tree, "ports")),
            upstreams=self._upstreams(_field(tree, "upstreams")),
            locality=_text(_field(tree, "locality")),
            network=_text(_field(tree, "network")),
            gateway=bool(weft.get("gateway")),
            gateway_host=_text(_field(tree, "gatewayHost"), host),
            host=host,
            weight=int(weft.get("weight") or 1),
            workload_group=_text(_field(tree, "workloadGroup")),
        )
        self._agreement(read)
        return read, self._found

    def _command(self, node: Node | None) -> tuple[Late, ...]:
        if isinstance(node, Sequence):
            return tuple(Late(text) for text in _texts(node))
        try:
            return tuple(Late(word) for word in shlex.split(_text(node)))
        except ValueError as error:
            self._wrong("command", f"{_text(node)!r} cannot be split into words: {error}".lower(), line=self._line(node))
            return ()

    def _line(self, node: Node | None) -> int:
        return node.line if node is not None else 0

    def _pairs(self, node: Node | None) -> dict[str, str | None]:
        """`{NAME: value}` of a mapping or of a list of `NAME=value`; None where no value is given."""
        if isinstance(node, Tree):
            return {name: _text(value) if not _is_null(value) else None for name, value in node}
        pairs: dict[str, str | None] = {}
        for text in _texts(node):
            name, equals, value = text.partition("=")
            pairs[name] = value if equals else None
        return pairs

    def _environment(self) -> tuple[tuple[str, Late], ...]:
        found = self._env_files()
        for name, value in self._pairs(self._node.get("environment")).items():
            if value is not None:
                found[name] = value
            elif name in self._variables:
                found[name] = self._variables[name].replace("$", "$$")
        return tuple((name, Late(value)) for name, value in found.items())

    def _env_files(self) -> dict[str, str]:
        node = self._node.get("env_file")
        items = node.items if isinstance(node, Sequence) else (node,) if node is not None else ()
        found: dict[str, str] = {}
        for item in items:
            path = _text(item) or _text(_field(item, "path"))
            required = _text(_field(item, "required"), "true").lower() == "true"
            text = self._read(self._folder / path)
            if text is not None:
                try:
                    found |= dotenv(text, self._variables, is_late)
                except BadVariable as error:
                    self._wrong("env_file", f"{path}: {error}", line=item.line)
            elif required:
                self._found.append((finding("missing-env-file", self._ref.at("env_file"), path=path), item.line))
        return found

    def _depends_on(self, node: Node | None) -> tuple[Dependency, ...]:
        if not isinstance(node, Tree):
            return tuple(Dependency(name) for name in _texts(node))
        return tuple(
            Dependency(
                name,
                Condition(_text(_field(value, "condition"), Condition.STARTED.value)),
                _text(_field(value, "required"), "true").lower() == "true",
            )
            for name, value in node
        )

    def _replicas(self) -> int:
        scale, replicas = self._node.get("scale"), _field(self._node.get("deploy"), "replicas")
        if scale is not None and replicas is not None and _text(scale) != _text(replicas):
            self._wrong("scale", f"scale is {_text(scale)} and deploy.replicas is {_text(replicas)}", line=scale.line)
        return int(_text(replicas) or _text(scale) or 1)

    def _signal(self, name: str) -> str:
        full = name if name.startswith("SIG") else f"SIG{name}"
        if full not in signal.Signals.__members__:
            self._wrong("stop_signal", f"there is no signal {name}")
            return "SIGTERM"
        return full

    def _labels(self) -> tuple[tuple[str, str], ...]:
        """What selectors see: Compose's labels, x-weft's over them. `app` and `version` are added for each instance."""
        labels = {**self._pairs(self._node.get("labels")), **self._pairs(_field(self._node.get("x-weft"), "labels"))}
        return tuple(sorted((name, value or "") for name, value in labels.items() if self._is_label(name, value or "")))

    def _is_label(self, name: str, value: str) -> bool:
        problem = "" if _LABEL.match(name) else f"its name {name!r} has another form"
        problem = problem or ("" if _LABEL_VALUE.match(value) else f"its value {value!r} has another form")
        if problem:
            words = {"name": name, "problem": f"{problem} than Kubernetes' labels"}
            self._found.append((finding("invalid-label", self._ref.at("labels"), **words), 0))
        return not problem

    def _ports(self, node: Node | None) -> tuple[Port, ...]:
        ports: list[Port] = []
        for item in node.items if isinstance(node, Sequence) else ():
            number, protocol = int(_text(_field(item, "port"))), _text(_field(item, "protocol")).lower()
            name = _text(_field(item, "name")) or f"{protocol or 'port'}-{number}"
            app_protocol = _text(_field(item, "appProtocol")) or protocol
            port = Port(name, number, app_protocol, int(_text(_field(item, "targetPort")) or 0))
            if any(port.name == other.name or port.number == other.number for other in ports):
                self._wrong("x-weft.ports", f"port {number} or its name {name} stands here twice", line=item.line)
            ports.append(port)
        return tuple(ports)

    def _upstreams(self, node: Node | None) -> tuple[Upstream, ...]:
        found: list[Upstream] = []
        for item in node.items if isinstance(node, Sequence) else ():
            if isinstance(item, Scalar):
                host, _, port = item.text.rpartition(":")
                if not host or not port.isdigit():
                    self._wrong("x-weft.upstreams", f"{item.text!r} is not host:port", line=item.line)
                    continue
                found.append(Upstream(host, int(port), upstream_variable(host)))
            else:
                host = _text(_field(item, "host"))
                variable = _text(_field(item, "env")) or upstream_variable(host)
                local = int(_text(_field(item, "localPort")) or 0)
                found.append(Upstream(host, int(_text(_field(item, "port"))), variable, local))
        return tuple(found)

    def _health(self) -> Health:
        own, check = _field(self._node.get("x-weft"), "health"), self._node.get("healthcheck")
        if isinstance(own, Tree):
            return Health(
                type=_text(own.get("type")),
                path=_text(own.get("path"), "/"),
                port=int(_text(own.get("port")) or 0),
                command=tuple(Late(text) for text in _texts(own.get("command"))),
                **_times(own, "startPeriod"),
            )
        if isinstance(check, Tree):
            return self._healthcheck(check)
        return Health()

    def _healthcheck(self, check: Tree) -> Health:
        test = check.get("test")
        words = _texts(test)
        if _text(check.get("disable")).lower() == "true" or words[:1] == ("NONE",):
            return Health(type="none")
        if not words:
            return Health(**_times(check, "start_period"))
        match words if isinstance(test, Sequence) else ("CMD-SHELL", *words):
            case ("CMD", *command) if command:
                words = tuple(command)
            case ("CMD-SHELL", text):
                words = ("/bin/sh", "-c", text)
            case _:
                self._wrong("healthcheck.test", "its first word is CMD, CMD-SHELL or NONE", line=self._line(test))
        return Health(type="exec", command=tuple(Late(word) for word in words), **_times(check, "start_period"))

    def _agreement(self, service: Service) -> None:
        tree = self._node.get("x-weft")
        if _field(tree, "host") and not is_loopback(service.host):
            hint = "127.0.0.1 or ::1: callers of other machines come in through a gateway"
            self._wrong("x-weft.host", f"{service.host!r} is not a loopback address", hint)
        if not is_ip(service.gateway_host):
            self._wrong("x-weft.gatewayHost", f"{service.gateway_host!r} is not an IP address", "IPv6 has no brackets here")
        for port in service.ports:
            if port.target and service.replicas > 1:
                hint = "without targetPort each instance is given a port of its own, in $PORT"
                self._wrong("x-weft.ports", f"{service.replicas} replicas cannot all listen on port {port.target}", hint)
        for name, _ in service.environment:
            if is_late(name) and (name not in ("PORT", "HOST") or service.ports):
                line = self._line(_field(self._node.get("environment"), name))
                self._found.append((finding("reserved-variable", self._ref.at(f"environment.{name}"), name=name), line))
        if service.gateway and service.command:
            self._wrong("command", "a gateway is an Envoy without an application", "take command or x-weft.gateway out")


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind == "null" and not node.text.strip("~")


def _times(node: Tree, start: str) -> dict[str, Any]:
    """The times that are given. What is not said keeps weft's default: Compose's 30 s would hold up every start."""
    found: dict[str, Any] = {}
    for field, name in (("interval", "interval"), ("timeout", "timeout"), (start, "start_period")):
        if text := _text(node.get(field)):
            found[name] = seconds(text)
    if text := _text(node.get("retries")):
        found["retries"] = int(text)
    return found
