"""A story: resources, calls and what must happen, findings, and what each proxy is told. docs/stories.md says how to add one."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml
from authority import Authority, authority

from weft.compile.snapshot import Cache, ProxySnapshot, snapshot
from weft.controlplane.offline import proxy as described
from weft.finding import Finding
from weft.model.endpoint import locality
from weft.model.labels import labels
from weft.model.mesh import Mesh, Settings
from weft.model.workload import Address, InboundPort, Proxy, Upstream, Workload
from weft.resource.decode import decode
from weft.resource.resource import Resource
from weft.resource.yaml_document import documents
from weft.simulate.call import Call, TcpCall, http_call
from weft.translate.mesh import Translation, translation

CASES = Path(__file__).parent
_SUBJECT = "caller.example.com"  # whom a caller's certificate is for
_OUTBOUND = Address("127.0.0.1", 15001)


@dataclass(frozen=True)
class Telling:
    """One call of a story: who calls, what, and what must happen (`then`, in the words of `words.py`)."""

    caller: str
    call: Call
    then: Mapping[str, Any]
    text: str


@dataclass
class Story:
    """A folder of `tests/cases`."""

    folder: Path
    said: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.said = yaml.safe_load((self.folder / "calls.yaml").read_text())

    @property
    def name(self) -> str:
        """The sentence it tells."""
        return self.folder.name

    @cached_property
    def decoded(self) -> tuple[tuple[Resource, ...], tuple[Finding, ...]]:
        """The resources, and what is wrong with each by itself."""
        found, findings = documents(filled((self.folder / "resources.yaml").read_text()), "resources.yaml")
        resources = []
        for document in found:
            one = decode(document.raw)
            findings += one.findings
            if one.resource:
                resources.append(one.resource)
        return tuple(resources), tuple(findings)

    @cached_property
    def translation(self) -> Translation:
        """The mesh they say."""
        said = self.said.get("settings", {})
        settings = Settings(**{name: tuple(value) if isinstance(value, list) else value for name, value in said.items()})
        return translation(settings, self.decoded[0])

    @property
    def mesh(self) -> Mesh:
        """The mesh."""
        return self.translation.mesh

    def findings(self) -> list[str]:
        """Everything that is wrong, as `code: resource field`, sorted."""
        across = [one for found in self.translation.findings.values() for one in found]
        return sorted(f"{one.code}: {one.ref}" for one in (*self.decoded[1], *across))

    def expected_findings(self) -> list[str]:
        """What `findings.yaml` says."""
        file = self.folder / "findings.yaml"
        return sorted(yaml.safe_load(file.read_text())) if file.exists() else []

    @cached_property
    def proxies(self) -> dict[str, Proxy]:
        """The callers: those described in `calls.yaml`, and those only named there, which are workloads of `default`."""
        described_here = self.said.get("proxies", {})
        names = [*described_here, *(one.caller for one in self.tellings)]
        return {name: self._proxy(name, described_here.get(name) or {}) for name in dict.fromkeys(names)}

    def _proxy(self, name: str, said: Mapping[str, Any]) -> Proxy:
        namespace = said.get("namespace", "default")
        if said.get("workload"):  # one of the resources
            return described(self.decoded[0], f"{namespace}/{said['workload']}", self.mesh)
        marks = labels({"app": name, **said.get("labels", {})})
        place = locality(said.get("locality", ""))
        work = Workload(
            namespace, name, said.get("account", name), marks, place, said.get("network", ""), node=said.get("node", "")
        )
        gateway = bool(said.get("gateway"))
        upstreams = tuple(
            Upstream(one["host"], one["port"], Address("127.0.0.1", one["listen"])) for one in said.get("upstreams", ())
        )
        inbound = tuple(_served(one) for one in said.get("serves", ()))
        version = said.get("envoy", "")
        http_proxy = None if gateway else _OUTBOUND
        return Proxy(work, gateway, http_proxy, inbound, upstreams, envoy_version=version)

    @cached_property
    def tellings(self) -> tuple[Telling, ...]:
        """The calls."""
        return tuple(self._telling(one) for one in self.said["calls"])

    def _telling(self, one: Mapping[str, Any]) -> Telling:
        text = str(one["call"])
        return Telling(one.get("from", "web"), _call(text, one), one["then"], f"{one.get('from', 'web')}: {text}")

    def snapshot(self, proxy: str) -> ProxySnapshot:
        """What a caller may ask for."""
        return snapshot(self.mesh, self.proxies[proxy], Cache())


@cache
def story_authority() -> Authority:
    """Who signs all certificates of stories."""
    return authority()


@cache
def story_leaf(host: str) -> tuple[bytes, bytes]:
    """The certificate and key for a host."""
    return story_authority().leaf(host)


def filled(text: str) -> str:
    """The text of resources with certificates in place of `(certificate HOST)`, `(key HOST)` and `(authority)`."""

    def made(found: re.Match[str]) -> str:
        what, host = found.groups()
        pem = story_authority().pem if what == "authority" else story_leaf(host)[what == "key"]
        return json.dumps(pem.decode())

    return re.sub(r"\((authority|certificate|key)(?: ([a-z0-9.*-]+))?\)", made, text)


def _served(of: Mapping[str, Any]) -> InboundPort:
    """A port that a caller serves itself: the mesh's `port`, where its Envoy listens, and where its application does."""
    kind, listen, application = (of.get("protocol", "http"), of["listen"], of["application"])
    return InboundPort(kind, of["port"], kind, Address("127.0.0.1", listen), Address("127.0.0.1", application))


def _call(text: str, one: Mapping[str, Any]) -> Call:
    """`GET http://reviews:9080/path`, or `CONNECT host:port`, or `TCP` with a port and perhaps an SNI."""
    method, _, target = text.partition(" ")
    port = one.get("port", 0)
    if method in ("CONNECT", "TCP", "TLS"):
        return TcpCall(target, port, target if method == "TLS" else "", one.get("certificate", False), _SUBJECT)
    pairs = tuple(
        (name, str(value))
        for name, values in one.get("headers", {}).items()
        for value in (values if isinstance(values, list) else [values])
    )
    call = http_call(method, target, pairs, port=port, certificate=one.get("certificate", False), subject=_SUBJECT)
    return replace(call, sni=one["sni"]) if "sni" in one else call


def stories() -> Iterator[Story]:
    """All stories, by name."""
    for file in sorted(CASES.glob("*/calls.yaml")):
        yield Story(file.parent)
