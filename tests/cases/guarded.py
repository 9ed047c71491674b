"""Stories of who may call: policies, and calls that they let pass and refuse. `authorization/*.yaml` tells them.

Each story has a mesh of its own, but all are played at once: one Envoy has the listeners of all, each under its story's name
and at a port of its own. The cast: `reviews` of namespace default with a port of each kind, and a gateway before it.
"""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from ads import Ads
from authority import Authority
from authorizers import Authorizers
from backends import Backends
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager
from issuer import Issuer
from replay import is_warm

from weft.compile.snapshot import Cache, ProxySnapshot, snapshot
from weft.envoy.binary import binary, command
from weft.envoy.bootstrap import bootstrap
from weft.envoy.types import EnvoyResource
from weft.finding import Finding
from weft.model.labels import labels
from weft.model.mesh import Settings
from weft.model.workload import Address, InboundPort, Proxy, Workload
from weft.resource.decode import decode
from weft.resource.resource import Resource
from weft.resource.yaml_document import documents
from weft.simulate.call import Call, HttpCall, TcpCall, http_call
from weft.translate.mesh import Translation, translation

FOLDER = Path(__file__).parent / "authorization"
_CAST = """
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-0, namespace: default}
spec: {address: 10.0.0.1, labels: {app: reviews}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: authorizers, namespace: default}
spec:
  hosts: [authorizers.test]
  ports:
  - {number: 8000, name: http, protocol: HTTP}
  - {number: 9000, name: grpc, protocol: GRPC}
  - {number: 7000, name: grpc-gone, protocol: GRPC}
  resolution: STATIC
  endpoints: [{address: 10.9.0.1}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec:
  gatewayClassName: weft
  listeners: [{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: edge, namespace: default}
spec: {parentRefs: [{name: edge, namespace: istio-system}], rules: [{backendRefs: [{name: reviews, port: 9080}]}]}
"""
_POLICY = """
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {metadata}
spec: {spec}
"""
PORTS = {"http": 9080, "admin": 9090, "tcp": 5432, "gateway": 8080}
IDENTITIES = {
    "web": "default/web", "canary": "default/web-canary", "batch": "jobs/batch", "web of shop": "shop/web",
    "plain": "", "edge": "",
}  # fmt: skip
ISSUER = Issuer("https://login.example.com/v1")


@dataclass(frozen=True)
class Telling:
    """One call of a story, and what becomes of it: `allowed`, `denied`, or the status that Envoy answers. `by`: who refuses it.
    `target` and `hosts` are what is written on the wire."""

    text: str
    caller: str
    call: Call
    then: str
    by: str = ""
    target: str = ""
    hosts: tuple[str, ...] = ()


@dataclass
class GuardedStory:
    """A story of one file."""

    said: Mapping[str, Any]
    file: str

    @property
    def name(self) -> str:
        """The sentence it tells."""
        return str(self.said["story"])

    @cached_property
    def text(self) -> str:
        """Its resources."""
        policies = self.said.get("policies") or [{"spec": self.said["spec"]}]
        made = [_CAST, *(_policy(one) for one in policies), *([f"\n---\n{self.said['with']}"] if "with" in self.said else [])]
        return "".join(made).replace("(keys)", json.dumps(ISSUER.jwks)).replace("(issuer)", ISSUER.name)

    @cached_property
    def decoded(self) -> tuple[tuple[Resource, ...], tuple[Finding, ...]]:
        """The resources, and what is wrong with each by itself."""
        found, findings = documents(self.text, "resources.yaml")
        made = [decode(one.raw) for one in found]
        return tuple(one.resource for one in made if one.resource), (*findings, *(each for one in made for each in one.findings))

    @cached_property
    def translation(self) -> Translation:
        """The mesh they say."""
        said = self.said.get("settings", {})
        settings = Settings(**{name: tuple(value) if isinstance(value, list) else value for name, value in said.items()})
        return translation(settings, self.decoded[0])

    def findings(self) -> list[str]:
        """Everything that is wrong, as `code: resource field`, sorted."""
        across = [one for found in self.translation.findings.values() for one in found]
        return sorted(f"{one.code}: {one.ref}" for one in (*self.decoded[1], *across))

    @cached_property
    def tellings(self) -> tuple[Telling, ...]:
        """All calls: those that pass, those that are refused, and those that Envoy answers otherwise."""
        others = [(str(status), calls) for status, calls in self.said.get("answered", {}).items()]
        kinds = [("allowed", self.said.get("allowed", ())), ("denied", self.said.get("denied", ())), *others]
        return tuple(self._telling(one, then) for then, calls in kinds for one in calls)

    def _telling(self, said: Any, then: str) -> Telling:
        more: Mapping[str, Any] = said
        caller = next(one for one in more if one in IDENTITIES)
        method, _, target = str(more[caller]).partition(" ")
        text = str(said)
        by = more.get("by", self.said.get("by", "")) if then == "denied" else ""
        port = PORTS[more.get("port", "tcp" if method == "TCP" else "gateway" if caller == "edge" else "http")]
        account = IDENTITIES[caller]
        domain = more.get("domain", self.said.get("settings", {}).get("trust_domain", "cluster.local"))
        who = f"spiffe://{domain}/ns/{account.replace('/', '/sa/')}" if account else ""
        source = str(more.get("from", "127.0.0.1"))
        if method == "TCP":
            return Telling(text, caller, TcpCall("", port, source=source, identity=who, sni=more.get("sni", "")), then, by)
        pairs = [(name, str(value)) for name, values in more.get("headers", {}).items() for value in _listed(values)]
        claims = json.dumps({"iss": ISSUER.name, **more["claims"]}) if "claims" in more else ""
        if claims:
            pairs.append(("authorization", f"Bearer {ISSUER.token(**more['claims'])}"))
        hosts = tuple(str(more.get("host", "reviews:9080")).split(" and "))
        host, path = ",".join(hosts), target
        if target.startswith("http://"):
            host, _, path = target.removeprefix("http://").partition("/")
            path = f"/{path}"
        call = http_call(method, "http://host/", tuple(pairs), port=port)
        made = replace(call, authority=host, path=path, source=source, identity=who, claims=claims, sni=more.get("sni", ""))
        return Telling(text, caller, made, then, by, target, hosts)

    def proxy(self, caller: str) -> Proxy:
        """Who is called."""
        if caller == "edge":
            own = labels({"gateway.networking.k8s.io/gateway-name": "edge", "istio": "ingressgateway"})
            return Proxy(Workload("istio-system", "edge", "edge", own), gateway=True)
        inbound = tuple(_served(name, number) for name, number in PORTS.items() if name != "gateway")
        own = labels({"app": "reviews", "version": "v1"})
        return Proxy(Workload("default", "reviews", "reviews", own), inbound=inbound)

    def snapshot(self, caller: str) -> ProxySnapshot:
        """What the proxy that `caller` meets is told."""
        key = "edge" if caller == "edge" else "reviews"
        return self._snapshots[key]

    @cached_property
    def _snapshots(self) -> dict[str, ProxySnapshot]:
        return {one: snapshot(self.translation.mesh, self.proxy(one), Cache()) for one in ("edge", "reviews")}


def _served(name: str, number: int) -> InboundPort:
    spoken = name if name == "tcp" else "http"
    return InboundPort(spoken, number, spoken, _at(number), _at(18000 + number))


def _at(port: int) -> Address:
    return Address("127.0.0.1", port)


def free_ports(number: int) -> list[int]:
    """So many different ports that nobody has at this moment, below those that systems give to callers (from 32768 on)."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        at = 10_000 + os.getpid() * 997 % 20_000
        while len(found) < number:
            at = 10_000 + (at - 9_999) % 22_000
            with contextlib.suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", at)))
                found.append(at)
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _policy(of: Mapping[str, Any]) -> str:
    annotations = {"istio.io/dry-run": "true"} if of.get("dry run") else {}
    metadata = {"name": of.get("name", "p"), "namespace": of.get("namespace", "default"), "annotations": annotations}
    return _POLICY.format(metadata=json.dumps(metadata), spec=json.dumps(of["spec"]))


def guarded_stories() -> Iterator[GuardedStory]:
    """All stories, by file."""
    for file in sorted(FOLDER.glob("*.yaml")):
        for one in yaml.safe_load(file.read_text()):
            yield GuardedStory(one, file.stem)


@dataclass
class _Everything:
    """What one Envoy is told: the listeners of all stories, each under a name of its own."""

    stories: dict[str, GuardedStory]
    listen: dict[tuple[str, int], int]
    applications: dict[int, int]
    ports: dict[str, int]

    def listeners(self) -> tuple[EnvoyResource, ...]:
        return tuple(self._moved(n, of) for n, story in self.stories.items() for one in ("edge", "reviews")
                     for of in story.snapshot(one).listeners() if (n, _port(of)) in self.listen)  # fmt: skip

    def _moved(self, n: str, of: EnvoyResource) -> EnvoyResource:
        message = Listener.FromString(of.body)
        message.name = f"{n}~{of.name}"
        at = message.address.socket_address
        at.address, at.port_value = "127.0.0.1", self.listen[n, at.port_value]
        for chain in message.filter_chains:
            for one in chain.filters:
                manager = HttpConnectionManager()
                if one.typed_config.Unpack(manager):
                    manager.rds.route_config_name = f"{n}~{manager.rds.route_config_name}"
                    one.typed_config.Pack(manager)
        return _with(of, message.name, message.SerializeToString(deterministic=True))

    def route_configuration(self, name: str) -> EnvoyResource | None:
        n, _, own = name.partition("~")
        found = [made for one in ("edge", "reviews") if (made := self.stories[n].snapshot(one).route_configuration(own))]
        message = RouteConfiguration.FromString(found[0].body)
        message.name = name
        return _with(found[0], name, message.SerializeToString(deterministic=True))

    def cluster(self, name: str) -> EnvoyResource | None:
        found = self._first("cluster", name)
        if found is None or not name.startswith("inbound|"):
            return found
        return _with(found, name, _ported(found.body, self.applications))

    def endpoints(self, name: str) -> EnvoyResource | None:
        found = self._first("endpoints", name)
        if found is None:
            return None
        message = ClusterLoadAssignment.FromString(found.body)
        for locality in message.endpoints:
            for one in locality.lb_endpoints:
                at = one.endpoint.address.socket_address
                if port := self.ports.get(f"{at.address}:{at.port_value}"):
                    at.address, at.port_value = "127.0.0.1", port
        return _with(found, name, message.SerializeToString(deterministic=True))

    def _first(self, what: str, name: str) -> EnvoyResource | None:
        snapshots = (story.snapshot(one) for story in self.stories.values() for one in ("reviews", "edge"))
        made: Iterator[EnvoyResource | None] = (getattr(one, what)(name) for one in snapshots)
        return next((one for one in made if one), None)

    def secret(self, name: str) -> EnvoyResource | None:
        return None

    def eager_clusters(self) -> tuple[str, ...]:
        return ()


def _port(of: EnvoyResource) -> int:
    return int(Listener.FromString(of.body).address.socket_address.port_value)


def _ported(body: bytes, ports: Mapping[int, int]) -> bytes:
    message = Cluster.FromString(body)
    for locality in message.load_assignment.endpoints:
        for one in locality.lb_endpoints:
            at = one.endpoint.address.socket_address
            at.port_value = ports[at.port_value]
    return bytes(message.SerializeToString(deterministic=True))


def _with(of: EnvoyResource, name: str, body: bytes) -> EnvoyResource:
    return replace(of, name=name, body=body, version=str(hash(body)))


@dataclass(frozen=True)
class Met:
    """What came back. Status 0: the connection was closed. `endpoint`: who answered; empty for Envoy."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def endpoint(self) -> str:
        """The endpoint that answered."""
        with contextlib.suppress(ValueError, AttributeError):
            return str(json.loads(self.text)["instance"])
        return ""


@dataclass
class GuardedStage:
    """All stories, played by one Envoy."""

    stories: dict[str, GuardedStory]
    folder: Path
    authority: Authority
    backends: Backends
    listen: dict[tuple[str, int], int] = field(default_factory=dict)
    ads: Ads | None = None
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)
    authorizers: Authorizers = field(default_factory=Authorizers)

    def start(self) -> None:
        """Servers and the Envoy; returns when it listens everywhere."""
        meshes = [story.translation.mesh for story in self.stories.values()]
        endpoints = {one for mesh in meshes for found in mesh.endpoints.values() for one in found}
        ports = self.backends.start(sorted(endpoints, key=str), (), (), "cluster.local", self.folder, {})
        self.closing.callback(self.backends.stop)
        self.closing.callback(self.authorizers.stop)
        ports |= {f"10.9.0.1:{number}": port for number, port in self.authorizers.start().items()} | {"10.9.0.1:7000": 1}
        applications = {}
        for number in PORTS.values():
            (applications[18000 + number],) = free_ports(1)
            self.backends.serve_at(f"application:{number}", applications[18000 + number])
        called = {(n, telling.call.port) for n, story in self.stories.items() for telling in story.tellings}
        self.listen = dict(zip(sorted(called), free_ports(len(called)), strict=True))
        proxy = next(iter(self.stories.values())).proxy("reviews")
        everything = _Everything(self.stories, self.listen, applications, ports)
        self.ads = Ads(meshes[0], {"all": proxy}, lambda _: self.authority.secrets("spiffe://cluster.local/ns/default/sa/reviews"),
                       shown=lambda _held, _node: everything)  # type: ignore[arg-type, return-value]  # fmt: skip
        server = self.ads.serve(str(self.folder / "xds.sock"))
        self.closing.callback(server.stop, None)
        made = bootstrap(node_id="all", cluster="all", admin_socket=f"{self.folder}/a.sock", xds_socket=f"{self.folder}/xds.sock")
        (self.folder / "envoy.json").write_text(json.dumps(made))
        with (self.folder / "envoy.log").open("wb") as log:
            argv = command(binary(), str(self.folder / "envoy.json"))
            process = subprocess.Popen(argv, stderr=log, stdout=log, cwd=self.folder)
        self.closing.callback(process.wait)
        self.closing.callback(process.kill)
        self._await(process)

    def _await(self, process: "subprocess.Popen[bytes]") -> None:
        assert self.ads
        deadline = time.monotonic() + 60
        waiting = list(self.listen.values())
        while waiting:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", waiting[-1])).close()
                waiting.pop()
                continue
            rejected = self.ads.streams["all"].rejected if "all" in self.ads.streams else []
            assert process.poll() is None and not rejected and time.monotonic() < deadline, (rejected, self.log())
            time.sleep(0.02)
        while not is_warm(self.ads.streams["all"], f"{self.folder}/a.sock"):
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        calls = [(n, one) for n, story in self.stories.items() for one in story.tellings]
        name, first = next((n, one) for n, one in calls if one.then == "allowed" and one.caller == "web" and one.target)
        while self.ask(name, first).status != 200:  # a listener without its certificates yet takes no connection
            assert time.monotonic() < deadline, (first.text, self.log())
            time.sleep(0.02)

    def rejections(self) -> list[str]:
        """Everything that the Envoy refused."""
        assert self.ads
        return [said for stream in self.ads.streams.values() for said in stream.rejected]

    def log(self) -> str:
        """What the Envoy said."""
        return (self.folder / "envoy.log").read_text()[-3000:]

    def statistics(self, part: str) -> str:
        """Envoy's page for Prometheus, of what has `part` in its name."""
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(self.folder / "a.sock"))
            target = f"/stats?usedonly&format=prometheus&filter={part}"
            one.sendall(f"GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
            got = b""
            while data := one.recv(65536):
                got += data
        return got.decode()

    def ask(self, n: str, telling: Telling) -> Met:
        """The answer to one call of story `n`."""
        call = telling.call
        try:
            with self._connection(n, call) as one:
                return _line(one) if isinstance(call, TcpCall) else _exchange(one, call, telling)
        except OSError as problem:
            return Met(0, text=str(problem))

    def _connection(self, n: str, call: Call) -> socket.socket:
        at = ("127.0.0.1", self.listen[n, call.port])
        one = socket.create_connection(at, timeout=10, source_address=(call.source, 0))
        if not call.identity:
            return one
        return self._context(call.identity).wrap_socket(one, server_hostname=call.server_name or None)

    def _context(self, identity: str) -> ssl.SSLContext:
        if identity not in self.contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["istio"])
            chain, key = self.authority.leaf(identity)
            name = str(len(self.contexts))
            (self.folder / f"{name}.pem").write_bytes(chain)
            (self.folder / f"{name}.key").write_bytes(key)
            context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
            self.contexts[identity] = context
        return self.contexts[identity]


def _exchange(one: socket.socket, call: HttpCall, telling: Telling) -> Met:
    """A request as it is written: no library mends its path or its headers."""
    lines = [f"{call.method} {telling.target} HTTP/1.1", *(f"host: {host}" for host in telling.hosts)]
    lines += [f"{name}: {value}" for name, value in call.headers]
    one.sendall("\r\n".join([*lines, "", ""]).encode())
    got = b""
    while b"\r\n\r\n" not in got and (data := one.recv(65536)):
        got += data
    head, _, body = got.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    length = 0 if call.method == "HEAD" else int(headers.get("content-length", 0))
    while len(body) < length and (data := one.recv(65536)):
        body += data
    return Met(int(first.split()[1]) if first else 0, headers, body.decode(errors="replace"))


def _line(one: socket.socket) -> Met:
    one.sendall(b"hello\n")
    said = one.recv(65536)
    return Met(200, {}, said.decode(errors="replace")) if said else Met(0)
