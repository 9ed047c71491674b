"""Both sides of a delta ADS stream in one thread: a session, and a simulated Envoy that answers it at once.

`said` is the record, a line for each message: `> VirtualHost +name` is asked, `< VirtualHost name(alias) -gone` is told.
"""

from collections.abc import Iterable

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest

from weft.model.mesh import Change
from weft.testing.envoy_session import EnvoySession
from weft.testing.tiny_snapshot import TinyService, TinySnapshot
from weft.xds.delta import Response
from weft.xds.session import DEFAULT_SETTINGS, Session, SessionSettings

PROXY = "default/web-0"


class Conversation:
    """One Envoy and the control plane of a tiny mesh. `muted` types are not acknowledged until `unmute`."""

    def __init__(self, *services: TinyService, settings: SessionSettings = DEFAULT_SETTINGS, eager: tuple[str, ...] = ()) -> None:
        self.mesh = TinySnapshot(services, port=1, eager=eager)
        self.settings = settings
        self.envoy = EnvoySession(PROXY)
        self.session = Session(PROXY, self.mesh, settings=settings)
        self.now = 0.0
        self.said: list[str] = []
        self.muted: set[str] = set()
        self.deaf = False  # the stream is broken and nobody knows yet: what is said on it is lost
        self._kept: list[DeltaDiscoveryRequest] = []

    def connect(self) -> list[str]:
        """A new stream to a control plane that knows nothing of an earlier one."""
        self.session = Session(PROXY, self.mesh, settings=self.settings)
        self._kept.clear()
        self.deaf = False
        return self._exchange(self.envoy.opened())

    def call(self, *hosts: str) -> list[str]:
        """Requests to hosts, all at the same instant."""
        return self._exchange(self.envoy.ask(*(f"http_proxy/{host}" for host in hosts)))

    def apply(self, *services: TinyService) -> list[str]:
        """These services are new or changed."""
        for service in services:
            self.mesh = self.mesh.with_service(service)
        return self._changed(service.host for service in services)

    def delete(self, name: str) -> list[str]:
        """The service is no more."""
        self.mesh = self.mesh.without(name)
        return self._changed([TinyService(name).host])

    def scale(self, service: TinyService) -> list[str]:
        """Only the endpoints of the service changed."""
        self.mesh = self.mesh.with_service(service)
        return self._deliver(self.session.update(self.mesh, Change(endpoints=frozenset({service.host})), self.now))

    def wait(self, seconds: float) -> list[str]:
        """Time passes, in steps in which the session does what is due."""
        until, start = self.now + seconds, len(self.said)
        while (at := self.session.deadline) is not None and at <= until:
            self.now = max(self.now + 0.001, at)
            self._deliver(self.session.tick(self.now))
        self.now = until
        return self.said[start:]

    def unmute(self) -> list[str]:
        """What was kept back is said."""
        self.muted.clear()
        kept, self._kept = self._kept, []
        return self._exchange(kept)

    def answer(self, host: str) -> str:
        """What a request to `host` gets: a cluster, or the words of a direct response, or `404` from Envoy itself."""
        virtual_host = self.envoy.serves(host)
        if virtual_host is None:
            return "404"
        route = virtual_host.routes[0]
        if route.HasField("direct_response"):
            return f"{route.direct_response.status} {route.direct_response.body.inline_string}"
        return " ".join(each.name for each in route.route.weighted_clusters.clusters)

    def _changed(self, hosts: Iterable[str]) -> list[str]:
        return self._deliver(self.session.update(self.mesh, Change(hosts=frozenset(hosts)), self.now))

    def _exchange(self, requests: Iterable[DeltaDiscoveryRequest]) -> list[str]:
        start, queue = len(self.said), [] if self.deaf else list(requests)
        while queue:
            request = queue.pop(0)
            if _short(request.type_url) in self.muted and request.response_nonce:
                self._kept.append(request)
                continue
            if line := _asked(request):
                self.said.append(line)
            self._send(self.session.receive(request, self.now), queue)
        return self.said[start:]

    def _deliver(self, responses: list[Response]) -> list[str]:
        start = len(self.said)
        queue: list[DeltaDiscoveryRequest] = []
        self._send(responses, queue)
        self._exchange(queue)
        return self.said[start:]

    def _send(self, responses: list[Response], queue: list[DeltaDiscoveryRequest]) -> None:
        for response in responses:
            if self.deaf:
                continue
            self.said.append(_told(response))
            queue.extend(self.envoy.receive(response.serialized(), self.now))


def _short(type_url: str) -> str:
    return type_url.rpartition(".")[2].replace("ClusterLoadAssignment", "Endpoints").replace("RouteConfiguration", "Routes")


def _plain(name: str) -> str:
    """A name as people say it: without its route configuration and the cluster domain."""
    return name.removeprefix("http_proxy/").replace(".default.svc.cluster.local", "").replace("outbound|80|", "")


def _asked(request: DeltaDiscoveryRequest) -> str:
    """What is asked or refused; an acknowledgement says nothing."""
    parts = [*(f"+{_plain(name)}" for name in request.resource_names_subscribe)]
    parts += [f"-{_plain(name)}" for name in request.resource_names_unsubscribe]
    if request.error_detail.message:
        parts.append(f"NACK {_plain(request.error_detail.message)}")
    if request.initial_resource_versions:
        parts.append(f"holding {' '.join(sorted(map(_plain, request.initial_resource_versions)))}")
    if not parts and request.response_nonce:
        return ""
    return " ".join(["> " + _short(request.type_url), *parts])


def _told(response: Response) -> str:
    parts = []
    for resource, aliases in response.resources:
        alias = f"({' '.join(map(_plain, aliases))})" if aliases else ""
        parts.append(_plain(resource.name) + alias)
    parts += [f"-{_plain(name)}" for name in response.removed]
    return " ".join(["< " + _short(response.type_url), *parts])
