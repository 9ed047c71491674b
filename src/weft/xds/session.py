"""One proxy's delta ADS stream, seen from the control plane, without I/O and without a clock.

Each method takes what happened and returns the responses to send, in order. A response carries a change as soon as it may:
secrets and clusters first, then endpoints, and what sends traffic to them (listeners, routes, virtual hosts) when the proxy has
acknowledged those endpoints. While a response of a type is in flight further changes of it wait and go out together.
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""

from collections.abc import Iterable, KeysView, Mapping
from dataclasses import dataclass
from functools import lru_cache

from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest

from weft.envoy.types import (
    CLUSTER,
    ENDPOINTS,
    LISTENER,
    ROUTE_CONFIGURATION,
    SECRET,
    VIRTUAL_HOST,
    EnvoyResource,
    TypeUrl,
)
from weft.model.mesh import Change
from weft.xds.admission import Caps
from weft.xds.delta import Nonce, Response, Told
from weft.xds.desired import TYPES, Desired
from weft.xds.ledger import Verdict
from weft.xds.order import Key, ready
from weft.xds.rejection import Rejection
from weft.xds.snapshots import Snapshot
from weft.xds.status import SessionStatus, type_status
from weft.xds.subscription import Asked, Subscription

_CLUSTER_FLIGHTS = 16  # Envoy withholds the acknowledgement of clusters while one warms: several may be in flight

_USERS = (LISTENER, ROUTE_CONFIGURATION, VIRTUAL_HOST)  # what names clusters


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Seconds. `linger`: how long a cluster outlives its last user at least. `release_after`: how long a virtual host waits
    for the endpoints of its clusters at most, since whoever asked for it waits too."""

    linger: float = 30.0
    release_after: float = 2.0
    caps: Caps = Caps()


DEFAULT_SETTINGS = SessionSettings()


class Session:
    """What one proxy asked, was told and holds. `deadline` is when `tick` has something to do; None: never."""

    def __init__(self, proxy: str, snapshot: Snapshot, *, settings: SessionSettings = DEFAULT_SETTINGS) -> None:
        self.proxy = proxy
        self.deadline: float | None = None
        self._settings = settings
        self._desired = Desired(proxy, snapshot, settings.linger, settings.caps)
        self._ledgers = self._desired.ledgers
        self._subscriptions = {type_url: Subscription() for type_url in TYPES}
        self._unanswered: set[TypeUrl] = set()
        self._rejections: list[Rejection] = []
        self._nonce = 0

    # What happened

    def receive(self, request: DeltaDiscoveryRequest, now: float) -> list[Response]:
        """A request of the proxy: a question, an acknowledgement, a refusal, or several of these. Raises TooManyNames."""
        type_url = TypeUrl(request.type_url)
        if type_url not in self._ledgers:
            return []
        self._desired.start(now)
        if request.response_nonce:
            self._answered(type_url, request, now)
        asked = self._subscriptions[type_url].take(
            request.resource_names_subscribe, request.resource_names_unsubscribe, request.initial_resource_versions
        )
        self._asked(type_url, asked, now)
        return self._flush(now)

    def update(self, snapshot: Snapshot, change: Change, now: float) -> list[Response]:
        """The configuration changed. Only what depends on a host of `change` is looked up."""
        self._desired.change(snapshot, change, now)
        return self._flush(now)

    def withhold(self, response: Response, refused: Mapping[str, str], now: float) -> list[Response]:
        """`response` was not sent, because of some of its resources: by name, with what is to be said of each. They are set aside
        as if the proxy had refused them, and the rest is told again."""
        self._set_aside(response.type_url, self._ledgers[response.type_url].refused(response.nonce, "", now, refused), now)
        return self._flush(now)

    def renew(self, snapshot: Snapshot) -> None:
        """The configuration changed in nothing that concerns `hosts`: later questions are answered from `snapshot`."""
        self._desired.snapshot = snapshot

    def tick(self, now: float) -> list[Response]:
        """Time passed: what lingered goes, what waited too long is released."""
        return self._flush(now)

    # What is known

    @property
    def hosts(self) -> KeysView[str]:
        """The mesh's host names whose change concerns this session."""
        return self._desired.interest.hosts

    def take_host_changes(self) -> tuple[set[str], set[str]]:
        """Hosts that joined and left `hosts` since this was last called."""
        return self._desired.interest.take_changes()

    def take_rejections(self) -> tuple[Rejection, ...]:
        """What the proxy refused since this was last called."""
        taken, self._rejections = tuple(self._rejections), []
        return taken

    def held(self, type_url: TypeUrl) -> dict[str, str]:
        """Name and version of what the proxy acknowledged."""
        return self._ledgers[type_url].versions()

    def status(self) -> SessionStatus:
        """How far the proxy is."""
        hosts = self._desired.virtual_hosts
        types = {each: type_status(self._ledgers[each]) for each in TYPES if self._subscriptions[each].started}
        return SessionStatus(self.proxy, types, hosts.unknown, len(hosts.shared), hosts.shared.forgotten, hosts.conflicts)

    # Answers of the proxy

    def _answered(self, type_url: TypeUrl, request: DeltaDiscoveryRequest, now: float) -> None:
        ledger = self._ledgers[type_url]
        if not request.HasField("error_detail"):
            self._acknowledged(type_url, ledger.acknowledged(request.response_nonce, now), now)
        else:
            self._refused(type_url, ledger.refused(request.response_nonce, request.error_detail.message, now), now)

    def _acknowledged(self, type_url: TypeUrl, verdict: Verdict, now: float) -> None:
        if type_url == VIRTUAL_HOST:
            self._desired.virtual_hosts.acknowledged(verdict)
        else:
            self._ledgers[type_url].forget_removed(verdict.removed)
        for name in (*verdict.told, *verdict.removed):
            self._desired.account(Key(type_url, name), now)

    def _refused(self, type_url: TypeUrl, verdict: Verdict, now: float) -> None:
        self._rejections.extend(verdict.rejections)
        self._set_aside(type_url, verdict, now)

    def _set_aside(self, type_url: TypeUrl, verdict: Verdict, now: float) -> None:
        if type_url == VIRTUAL_HOST:
            self._desired.virtual_hosts.refused(verdict)
        if type_url == CLUSTER:
            self._desired.uses.adopt(verdict.removed, now)
        for rejection in verdict.rejections:
            if type_url == VIRTUAL_HOST and self._ledgers[type_url].entries[rejection.name].wanted is not None:
                self._desired.account(Key(type_url, rejection.name), now)  # something else is wanted meanwhile
            elif type_url == VIRTUAL_HOST:
                self._desired.stand_in(rejection.name, f"VirtualHost {rejection.name}", rejection.message, now)
            elif type_url == CLUSTER:
                self._desired.cluster_refused(rejection.name, now)
            else:
                self._desired.account(Key(type_url, rejection.name), now)

    # Questions of the proxy

    def _asked(self, type_url: TypeUrl, asked: Asked, now: float) -> None:
        if asked.first and not asked.held:
            self._unanswered.add(type_url)
        if type_url == VIRTUAL_HOST:
            self._asked_virtual_hosts(asked, now)
        elif type_url == CLUSTER:
            self._asked_clusters(asked, now)
        elif type_url == LISTENER:
            self._ledgers[LISTENER].adopt(asked.held, now)
            self._desired.close_listeners(now)
        else:
            self._asked_named(type_url, asked, now)
        for name in asked.dropped:
            self._desired.drop(Key(type_url, name), now)

    def _asked_clusters(self, asked: Asked, now: float) -> None:
        """What a proxy holds from an earlier stream is in use, whether or not we know by whom yet."""
        self._desired.uses.adopt(asked.held, now)
        self._ledgers[CLUSTER].adopt(asked.held, now)
        for name in asked.held:
            self._desired.look_up(Key(CLUSTER, name), now)
        for name in asked.names:
            self._desired.ask_cluster(name, now)
            if not asked.first:
                self._ledgers[CLUSTER].force(name, now)

    def _asked_named(self, type_url: TypeUrl, asked: Asked, now: float) -> None:
        self._ledgers[type_url].adopt({name: asked.held[name] for name in asked.names if name in asked.held}, now)
        for name in asked.names:
            self._desired.look_up(Key(type_url, name), now)
            if name not in asked.held:
                self._ledgers[type_url].force(name, now)

    def _asked_virtual_hosts(self, asked: Asked, now: float) -> None:
        hosts = self._desired.virtual_hosts
        hosts.adopt(asked.held, now)
        for name in asked.names:
            self._desired.virtual_host(name, now, waiting=not asked.first, adopting=bool(asked.held))
        if asked.held:
            hosts.reclaim()

    # What is sent

    def _flush(self, now: float) -> list[Response]:
        responses = [
            *self._tell_named(SECRET),
            *self._tell_clusters(now),
            *self._tell_named(ENDPOINTS),
            *self._tell_users(LISTENER, now),
            *self._tell_users(ROUTE_CONFIGURATION, now),
            *self._tell_virtual_hosts(now),
        ]
        self.deadline = self._next(now)
        return responses

    def _tell_clusters(self, now: float) -> list[Response]:
        ledger = self._ledgers[CLUSTER]
        subscription = self._subscriptions[CLUSTER]
        if not subscription.started or len(ledger.flights) >= _CLUSTER_FLIGHTS:
            return []
        if not (ledger.due or self._desired.uses.leaving or CLUSTER in self._unanswered):
            return []
        settled = not any(self._ledgers[each].due or self._ledgers[each].flights for each in _USERS)
        removed = [name for name in self._desired.uses.gone(now, settled=settled) if self._desired.leave(name)]
        wanted = [name for name in ledger.due if subscription.wildcard or name in subscription.names]
        names = ledger.batch(sorted(wanted))
        for name in names:
            entry = ledger.entries[name]
            if entry.told_version and name in self._ledgers[ENDPOINTS].entries:
                # Envoy warms a changed cluster anew and does not ask for its endpoints again.
                self._ledgers[ENDPOINTS].force(name, now)
        return self._respond(CLUSTER, names, removed)

    def _tell_named(self, type_url: TypeUrl) -> list[Response]:
        """Secrets and endpoints: what is asked for by name and depends on nothing."""
        ledger = self._ledgers[type_url]
        if ledger.flights or not (ledger.due or type_url in self._unanswered):
            return []
        return self._respond(type_url, ledger.batch(sorted(ledger.due)))

    def _tell_users(self, type_url: TypeUrl, now: float) -> list[Response]:
        """Listeners and route configurations whose clusters are there. A first answer waits until it is whole."""
        ledger = self._ledgers[type_url]
        if ledger.flights or not (ledger.due or type_url in self._unanswered):
            return []
        if not self._subscriptions[type_url].started:
            return []
        names = [name for name, entry in ledger.due_entries() if self._may_go(entry.wanted, entry.due_since or 0.0, now)]
        if type_url in self._unanswered and len(names) < len(ledger.due):
            return []
        removed = [name for name in names if type_url == LISTENER and ledger.entries[name].wanted is None]
        return self._respond(type_url, ledger.batch(sorted(set(names) - set(removed))), sorted(removed))

    def _tell_virtual_hosts(self, now: float) -> list[Response]:
        """One response at a time: each makes Envoy rebuild the whole route configuration."""
        ledger = self._ledgers[VIRTUAL_HOST]
        hosts = self._desired.virtual_hosts
        if not self._subscriptions[VIRTUAL_HOST].started or ledger.flights:
            return []
        for name, entry in self._ledgers[ROUTE_CONFIGURATION].entries.items():
            if entry.told is not None and _is_on_demand(entry.told.version, entry.told.body):
                hosts.place(name, now)
        names, removed = hosts.batch(now, lambda resource, since: self._may_go(resource, since, now))
        if not names and not removed:
            return []
        responses = self._respond(VIRTUAL_HOST, names, removed)
        hosts.told(names, removed)
        return responses

    def _may_go(self, resource: EnvoyResource | None, since: float, now: float) -> bool:
        if resource is None or now - since >= self._settings.release_after:
            return True
        return ready(resource, self._ledgers[CLUSTER], self._ledgers[ENDPOINTS])

    def _respond(self, type_url: TypeUrl, names: Iterable[str], removed: Iterable[str] = ()) -> list[Response]:
        names, removed = tuple(names), tuple(removed)
        if not names and not removed and type_url not in self._unanswered:
            return []
        self._unanswered.discard(type_url)
        self._nonce += 1
        nonce = Nonce(str(self._nonce))
        flight = self._ledgers[type_url].tell(nonce, names, removed)
        aliases = self._desired.virtual_hosts.aliases if type_url == VIRTUAL_HOST else _no_aliases
        told = tuple(Told(resource, aliases(name)) for name, resource in flight.told if resource is not None)
        absent = tuple(name for name, resource in flight.told if resource is None)
        return [Response(type_url, nonce, told, (*removed, *absent))]

    def _next(self, now: float) -> float | None:
        """When something will be due without anybody saying anything."""
        times = list(self._desired.uses.leaving.values())
        for ledger in (self._ledgers[type_url] for type_url in _USERS):
            if not ledger.flights:
                times += [(entry.due_since or now) + self._settings.release_after for _, entry in ledger.due_entries()]
        shared = self._desired.virtual_hosts.shared
        if shared.dirty and not self._ledgers[VIRTUAL_HOST].flights:
            times.append(shared.next_at)
        return min(times, default=None)


@lru_cache(maxsize=1024)
def _is_on_demand(version: str, body: bytes) -> bool:
    """Whether a route configuration gets its virtual hosts one by one."""
    return bool(RouteConfiguration.FromString(body).HasField("vhds"))


def _no_aliases(name: str) -> tuple[str, ...]:
    return ()
