"""An API over a store in memory, asked without a network."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from weft.controlplane.api import namespaces
from weft.controlplane.api.admission import Admission
from weft.controlplane.api.application import application
from weft.finding import Finding
from weft.messages import finding
from weft.ref import Ref
from weft.store.memory import MemoryStore

RULES = "/apis/networking.istio.io/v1/namespaces/default/destinationrules"
SERVICES = "/api/v1/namespaces/default/services"


class Api:
    """Asks the API, and expects an answer of a certain code."""

    def __init__(self, http: httpx.AsyncClient, store: MemoryStore) -> None:
        self.http = http
        self.store = store
        self.warnings: list[str] = []

    async def ask(self, method: str, path: str, body: Any = None, *, code: int = 200, **headers: str) -> Any:
        """The JSON of the answer; its warnings are kept."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.http.request(method, path, json=body, headers=said)
        assert answer.status_code == code, answer.text
        self.warnings = answer.headers.get_list("warning")
        return answer.json()

    async def get(self, path: str, **more: Any) -> Any:
        """GET."""
        return await self.ask("GET", path, **more)

    async def create(self, body: Any, path: str = RULES, **more: Any) -> Any:
        """POST, which answers 201."""
        return await self.ask("POST", path, body, **{"code": 201, **more})

    async def patch(self, path: str, body: Any, form: str = "merge-patch", **more: Any) -> Any:
        """PATCH, with the media type `application/FORM+json`."""
        return await self.ask("PATCH", path, body, content_type=f"application/{form}+json", **more)


async def admit(changes: Sequence[Admission]) -> tuple[Finding, ...]:
    """Warns of a host `unheard-of`, and of `shared` when two changes that come together name it."""
    hosts = [(change, (change.new or {}).get("spec", {}).get("host")) for change in changes]
    refs = {
        host: Ref(change.kind.group, change.kind.kind, "default", (change.new or {})["metadata"]["name"])
        for change, host in hosts
        if host
    }
    found = []
    if "unheard-of" in refs:
        found.append(finding("unknown-host", refs["unheard-of"].at("spec.host"), host="unheard-of", hint='make "it"\nfirst'))
    if [host for _, host in hosts].count("shared") > 1:
        found.append(finding("invalid-value", refs["shared"].at("spec.host"), problem="two at once", hint=""))
    return tuple(found)  # fmt: skip


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """An API with the namespaces `default` and `istio-system`."""
    store = MemoryStore(history=8)
    await namespaces.ensure(store, ("default", "istio-system"))
    transport = httpx.ASGITransport(application(store, admit=admit, max_body=100_000))
    async with httpx.AsyncClient(transport=transport, base_url="https://weft") as http:
        yield Api(http, store)


def rule(name: str = "reviews", host: str = "reviews", *, version: str = "v1", **meta: Any) -> dict[str, Any]:
    """A DestinationRule."""
    return {
        "apiVersion": f"networking.istio.io/{version}",
        "kind": "DestinationRule",
        "metadata": {"name": name, **meta},
        "spec": {"host": host},
    }


def service(name: str = "reviews", *ports: int) -> dict[str, Any]:
    """A Service with a port for each number."""
    spec = {"ports": [{"name": f"http-{port}", "port": port} for port in ports or (80,)]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
