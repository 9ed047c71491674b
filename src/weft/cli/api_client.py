"""The client of the API: weft's own or a real Kubernetes API server, over the same paths.

Python's proxy variables never affect it. A refusal is raised as the server worded it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any

import httpx

from weft.cli.access import Access, tls
from weft.resource.kinds import KINDS, by_kind, by_name

Json = Mapping[str, Any]
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_AGGREGATED = ",".join(
    [f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")]
    + ["application/json"]
)


class ApiError(Exception):
    """What the server refused. `status` is its Status object, or what could be made of the answer."""

    def __init__(self, code: int, status: Json) -> None:
        super().__init__(str(status.get("message") or f"the server answered {code}"))
        self.code = code
        self.status = status


class Unreachable(Exception):
    """Nobody answered. The text says where and why."""


@dataclass(frozen=True, slots=True)
class ApiResource:
    """A resource of the API by its names in paths and in objects."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """`networking.istio.io/v1`, or `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """`virtualservices.networking.istio.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of an object, of a collection in a namespace, or (without one) of the collection over all."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        within = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{within}/{self.plural}" + (f"/{name}" if name else "")


class ApiClient:
    """Requests to one API server. Close it, or use it in a `with`."""

    def __init__(self, granted: Access, timeout: float = 30.0) -> None:
        self.namespace = granted.namespace
        self.server = granted.server
        headers = {"user-agent": "weft"} | ({"authorization": f"Bearer {granted.token}"} if granted.token else {})
        limits = httpx.Timeout(timeout, connect=min(timeout, 5.0))  # a server that lives takes a connection at once
        self._http = httpx.Client(base_url=granted.server, verify=tls(granted), trust_env=False, timeout=limits, headers=headers)

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    @cached_property
    def is_weft(self) -> bool:
        """Whether it is weft's own API, which applies many objects at once."""
        return "+weft" in str(self.get("/version").get("gitVersion", ""))

    def get(self, path: str, accept: str = "application/json", **query: str) -> Json:
        """What stands at `path`. Raises ApiError, Unreachable."""
        return self.request("GET", path, accept=accept, query=query)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        accept: str = "application/json",
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
        accepted: Sequence[int] = (),
    ) -> Json:
        """The JSON that is answered. `accepted`: codes of errors whose body is wanted all the same."""
        headers = {"accept": accept} | ({"content-type": content_type} if body is not None else {})
        try:
            if body is None:
                answer = self._http.request(method, path, params=query, headers=headers)
            else:
                answer = self._http.request(method, path, params=query, headers=headers, json=body)
        except httpx.HTTPError as problem:
            raise Unreachable(f"the API at {self.server} does not answer: {problem}") from None
        try:
            found = answer.json()
        except ValueError:
            found = {"message": answer.text.strip()}
        if answer.is_error and answer.status_code not in accepted:
            raise ApiError(answer.status_code, found if isinstance(found, Mapping) else {})
        assert isinstance(found, Mapping)
        return found

    def resource(self, name: str) -> ApiResource | None:
        """What a person means by `name`: a kind that weft knows, or one that the server has."""
        kind = by_name(name)
        if kind:
            return ApiResource(kind.group, kind.versions[0], kind.kind, kind.plural, kind.namespaced)
        said = name.lower()
        for found, names in self._discovered:
            if said in names or said == found.full_name:
                return found
        return None

    def resource_of(self, api_version: str, kind: str) -> ApiResource | None:
        """The resource of an object's apiVersion and kind."""
        known = by_kind(api_version, kind)
        if known:
            version = api_version.rpartition("/")[2]
            return ApiResource(known.group, version, known.kind, known.plural, known.namespaced)
        return next((found for found, _ in self._discovered if (found.api_version, found.kind) == (api_version, kind)), None)

    def names(self) -> list[str]:
        """The plurals of all that weft knows, for messages."""
        return sorted(kind.plural for kind in KINDS)

    @cached_property
    def _discovered(self) -> list[tuple[ApiResource, frozenset[str]]]:
        return [entry for root in ("/api", "/apis") for entry in _entries(self.get(root, _AGGREGATED))]


def _entries(document: Json) -> Iterator[tuple[ApiResource, frozenset[str]]]:
    for group in document.get("items", ()):
        for version in group.get("versions", ()):
            for each in version.get("resources", ()):
                kind = (each.get("responseKind") or {}).get("kind", "")
                namespaced = each.get("scope") == "Namespaced"
                found = ApiResource(group["metadata"].get("name", ""), version["version"], kind, each["resource"], namespaced)
                names = {each["resource"], each.get("singularResource", ""), kind.lower(), *each.get("shortNames", ())}
                yield found, frozenset(names - {""})
