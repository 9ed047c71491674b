"""The Gateway API's part of a revision: what was said is resolved again where something it looked up has changed.

Gateways depend on classes and ListenerSets; routes on both, on namespaces, grants and Services; who gives way at a listener on
the routes there; places on the routes that meet, also at the wider places of the listener; statuses on all of them. Every
look-up of a route is noted under a key, `readers` knows who made it, and only they are resolved anew.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from weft.hostname import is_wildcard, matches
from weft.model.credential import Credential
from weft.model.gateway import Gateway as ModelGateway
from weft.model.labels import Labels
from weft.model.precedence import MESH, patterns
from weft.model.route import RouteSet
from weft.model.service import Service
from weft.ref import Ref
from weft.translate.draft import Buckets, Draft
from weft.translate.gateway_api.attachment import rejected
from weft.translate.gateway_api.judged import JudgedGateway, JudgedSet, judged
from weft.translate.gateway_api.merge import Meeting, merged
from weft.translate.gateway_api.resolution import Resolved, resolved
from weft.translate.gateway_api.status import Status, class_status, gateway_status, set_status
from weft.translate.gateway_api.written import (
    GROUP,
    Gateway,
    GatewayClass,
    Grant,
    ListenerSet,
    Namespace,
    Place,
    Route,
    Said,
)

Key = tuple[str, str]  # what was looked up: gateway, listener set, namespace, grants or service, and its name

Services = Callable[[str], tuple[Service, ...]]
Addresses = Callable[[Gateway], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class GatewayApi:
    """What `advance` remembers. `gateways` and `sets` (of listeners) are as written, `judged` those of this mesh, by
    `namespace/name`; `naming` are the sets that name a Gateway; `readers` are the routes that looked a key up, `reads` what each
    looked up; `meeting` the routes at a place, `hosts` those of a listener's places; `attached` are the routes of a listener,
    `rejected` those of them that give way to others;
    `certified` are the Gateways whose certificates were looked up under a credential's key or `grants/NAMESPACE`."""

    classes: Mapping[str, GatewayClass] = field(default_factory=dict)
    gateways: Mapping[str, Gateway] = field(default_factory=dict)
    sets: Mapping[str, ListenerSet] = field(default_factory=dict)
    naming: Mapping[str, frozenset[str]] = field(default_factory=dict)
    judged: Mapping[str, JudgedGateway] = field(default_factory=dict)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    grants: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    routes: Mapping[Ref, Route] = field(default_factory=dict)
    resolved: Mapping[Ref, Resolved] = field(default_factory=dict)
    readers: Mapping[Key, frozenset[Ref]] = field(default_factory=dict)
    reads: Mapping[Ref, frozenset[Key]] = field(default_factory=dict)
    meeting: Mapping[Place, frozenset[Ref]] = field(default_factory=dict)
    hosts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    attached: Mapping[str, frozenset[Ref]] = field(default_factory=dict)
    rejected: Mapping[str, frozenset[Ref]] = field(default_factory=dict)
    certified: Mapping[str, frozenset[str]] = field(default_factory=dict)


class GatewayApiDraft:
    """The Gateway API's part while it changes. Call `replace` for each statement, then `revise` once."""

    def __init__(
        self,
        base: GatewayApi,
        statuses: Mapping[Ref, Status],
        domain: str,
        credential: Callable[[str], Credential | None],
    ) -> None:
        self._domain = domain
        self.credential = credential
        self._certified = Buckets(base.certified)
        self._classes = Draft(base.classes)
        self._gateways = Draft(base.gateways)
        self._sets = Draft(base.sets)
        self._naming = Buckets(base.naming)
        self._judged = Draft(base.judged)
        self._namespaces = Draft(base.namespaces)
        self._grants = Draft(base.grants)
        self._routes = Draft(base.routes)
        self._resolved = Draft(base.resolved)
        self._readers = Buckets(base.readers)
        self._reads = Draft(base.reads)
        self._meeting = Buckets(base.meeting)
        self._hosts = Buckets(base.hosts)
        self._attached = Buckets(base.attached)
        self._rejected = Draft(base.rejected)
        self.statuses = Draft(statuses)
        self._touched: dict[Key, None] = {}  # what was looked up and may be something else now
        self._stale_gateways: dict[str, None] = {}
        self._stale_routes: dict[Ref, None] = {}
        self._stale_listeners: dict[str, None] = {}  # whose routes may give way otherwise
        self._stale_places: dict[Place, None] = {}
        self.rerouted: dict[str, None] = {}  # hosts to which other Gateways may lead now

    @property
    def concerned(self) -> bool:
        """Whether anything of the Gateway API may have to be looked at."""
        return bool(self._touched or self._stale_gateways or self._stale_routes)

    def replace(self, ref: Ref, gone: Said | None, come: Said | None) -> None:
        """The resource `ref` says `come` from now on."""
        match come or gone:
            case GatewayClass(name):
                now = come if isinstance(come, GatewayClass) else None
                self._classes.put(name, now)
                self.statuses.put(ref, class_status(now) if now else None)
                for key, one in self._gateways.frozen().items():
                    if one.class_name == name:
                        self._stale_gateways[key] = None
            case Gateway():
                key = f"{ref.namespace}/{ref.name}"
                self._gateways.put(key, come if isinstance(come, Gateway) else None)
                self._stale_gateways[key] = None
            case ListenerSet():
                self._replace_set(ref, gone, come)
            case Namespace(name):
                self._namespaces.put(name, come if isinstance(come, Namespace) else None)
                self._touched[("namespace", name)] = None
                for set_key, one_set in self._sets.frozen().items():
                    if set_key.startswith(f"{name}/"):
                        self._stale_gateways[one_set.gateway] = None
            case Grant():
                others = tuple(one for one in self._grants.get(ref.namespace) or () if one.origin != ref)
                said = (*others, come) if isinstance(come, Grant) else others
                self._grants.put(ref.namespace, tuple(sorted(said, key=lambda one: one.origin)))
                self._touched[("grants", ref.namespace)] = None
                self._stale_gateways.update(dict.fromkeys(self._certified.get(f"grants/{ref.namespace}")))
            case Route():
                self._routes.put(ref, come if isinstance(come, Route) else None)
                self._stale_routes[ref] = None

    def _replace_set(self, ref: Ref, gone: Said | None, come: Said | None) -> None:
        key = f"{ref.namespace}/{ref.name}"
        self.statuses.put(ref, None)
        self._touched[("listener set", key)] = None
        if isinstance(gone, ListenerSet):
            self._naming.discard(gone.gateway, key)
            self._stale_gateways[gone.gateway] = None
        if isinstance(come, ListenerSet):
            self._naming.add(come.gateway, key)
            self._stale_gateways[come.gateway] = None
        self._sets.put(key, come if isinstance(come, ListenerSet) else None)

    def touch_services(self, hosts: Iterable[str]) -> None:
        """Services came, went or changed."""
        for host in hosts:
            self._touched[("service", host)] = None

    def touch_credentials(self, keys: Iterable[str]) -> None:
        """Secrets or ConfigMaps came, went or changed."""
        for key in keys:
            self._stale_gateways.update(dict.fromkeys(self._certified.get(key)))

    def touch_gateways(self, refs: Iterable[Ref]) -> None:
        """Workloads that serve these came, went or moved."""
        for ref in refs:
            self._stale_gateways[f"{ref.namespace}/{ref.name}"] = None

    def revise(
        self,
        services: Services,
        addresses: Addresses,
        open_gateways: Callable[[str, tuple[ModelGateway, ...]], None],
        lay: Callable[[Place, RouteSet | None], None],
    ) -> None:
        """Resolves what is stale. `open_gateways` is told the listeners of a Gateway, `lay` what is routed at a place."""
        if not self.concerned:
            return
        for key in list(self._stale_gateways):
            self._judge(key, open_gateways)
        for looked_up in self._touched:
            self._stale_routes.update(dict.fromkeys(self._readers.get(looked_up)))
        for ref in self._stale_routes:
            self._resolve(ref, services)
        for listener in self._stale_listeners:
            self._reject(listener)
        for place in [*self._stale_places, *self._below(self._stale_places)]:
            lay(place, merged(place, self._meetings(place), self._judged.get(place.gateway.partition("~")[0])))
        for key in self._stale_gateways:
            self._tell(key, addresses)

    def _judge(self, key: str, open_gateways: Callable[[str, tuple[ModelGateway, ...]], None]) -> None:
        written, before = self._gateways.get(key), self._judged.get(key)
        sets = [found for name in self._naming.get(key) if (found := self._sets.get(name))]
        now = judged(written, self._classes.frozen(), sets, self.labels, self) if written else None
        for looked_up in before.reads if before else ():
            self._certified.discard(looked_up, key)
        for looked_up in now.reads if now else ():
            self._certified.add(looked_up, key)
        self._touched[("gateway", key)] = None
        for one in (before, now):
            self._touched.update(dict.fromkeys(("listener set", each.set.key) for each in (one.sets if one else ())))
        if now == before:
            return
        self._judged.put(key, now)
        for one in (before, now):
            for listener in one.all_listeners if one else ():
                self._stale_places.update(dict.fromkeys(self._places_at(listener.key)))
            self._stale_places.update(dict.fromkeys(one.walls if one else ()))
        open_gateways(key, now.served if now else ())

    def _places_at(self, listener: str) -> Iterable[Place]:
        return (Place(listener, host) for host in self._hosts.get(listener))

    def _resolve(self, ref: Ref, services: Services) -> None:
        route, before = self._routes.get(ref), self._resolved.get(ref)
        view = _Lookups(self, services)
        now = resolved(route, view) if route else None
        before_keys = self._reads.get(ref) or frozenset()
        self.rerouted.update((name, None) for kind, name in before_keys | view.keys if kind == "service")
        for key in before_keys - view.keys:
            self._readers.discard(key, ref)
        for key in view.keys:
            self._readers.add(key, ref)
        self._reads.put(ref, frozenset(view.keys))
        if now == before:
            return
        self._resolved.put(ref, now)
        for place, _ in before.places if before else ():
            self._leave(place, ref)
        for place, _ in now.places if now else ():
            self._meeting.add(place, ref)
            self._hosts.add(place.gateway, place.host)
            self._stale_places[place] = None
        old, new = (one.listeners if one else frozenset() for one in (before, now))
        for listener in old - new:
            self._attached.discard(listener, ref)
        for listener in new - old:
            self._attached.add(listener, ref)
        for listener in old | new:
            self._stale_listeners[listener] = None
            if listener not in old & new:
                self._stale_gateways[listener.partition("~")[0]] = None
        self._say(ref)

    def _leave(self, place: Place, ref: Ref) -> None:
        self._meeting.discard(place, ref)
        if not self._meeting.get(place):
            self._hosts.discard(place.gateway, place.host)
        self._stale_places[place] = None

    def _reject(self, listener: str) -> None:
        """Who gives way at a listener, now that its routes may be others."""
        present = [found for ref in self._attached.get(listener) if (found := self._resolved.get(ref))]
        now = frozenset(route.origin for route in rejected((one.route, one.at(listener)) for one in present))
        before = self._rejected.get(listener) or frozenset()
        if now == before:
            return
        self._rejected.put(listener, now)
        self._stale_gateways[listener.partition("~")[0]] = None
        for ref in now ^ before:
            found = self._resolved.get(ref)
            self._stale_places.update(dict.fromkeys(found.at(listener) if found else ()))
            self._say(ref)

    def _say(self, ref: Ref) -> None:
        """The status of a route."""
        found = self._resolved.get(ref)
        if found is None or not found.parents:
            self.statuses.put(ref, None)
            return
        given_way = frozenset(key for key in found.listeners if ref in (self._rejected.get(key) or ()))
        self.statuses.put(ref, found.status(given_way))

    def _below(self, places: Iterable[Place]) -> list[Place]:
        """The narrower places of their listeners: what no rule there takes falls through to these."""
        found: dict[Place, None] = {}
        for place in places:
            if place.gateway != MESH and is_wildcard(place.host):
                narrower = (host for host in self._hosts.get(place.gateway) if host != place.host and matches(place.host, host))
                found.update(dict.fromkeys(Place(place.gateway, host, place.export) for host in narrower))
        return [place for place in found if place not in self._stale_places]

    def _meetings(self, place: Place) -> list[Meeting]:
        """The routes at `place`, and at the wider places of its listener, unless nothing is at `place` itself."""
        own = self._present(place)
        if not own or place.gateway == MESH:
            return [(place, own)]
        wider = (Place(place.gateway, host, place.export) for host in patterns(place.host)[1:])
        return [(place, own), *((at, found) for at in wider if (found := self._present(at)))]

    def _present(self, place: Place) -> list[Resolved]:
        given_way = self._rejected.get(place.gateway) or frozenset()
        return [found for ref in self._meeting.get(place) if ref not in given_way and (found := self._resolved.get(ref))]

    def _tell(self, key: str, addresses: Addresses) -> None:
        """The status of a Gateway and of the ListenerSets that name it; none when it is not of this mesh."""
        gateway = self._judged.get(key)
        namespace, _, name = key.partition("/")
        if gateway is None:
            self.statuses.put(Ref(GROUP, "Gateway", namespace, name), None)
            for set_key in self._naming.get(key):
                if written := self._sets.get(set_key):
                    self.statuses.put(written.origin, None)
            return
        attached = {one.key: self._count(one.key) for one in gateway.all_listeners}
        status = gateway_status(gateway, attached, addresses(gateway.gateway))
        self.statuses.put(gateway.gateway.origin, status)
        for one in gateway.sets:
            self.statuses.put(one.set.origin, set_status(one, attached, status))

    def _count(self, listener: str) -> int:
        given_way = self._rejected.get(listener) or frozenset()
        return len(frozenset(self._attached.get(listener)) - given_way)

    # What is looked up

    def gateway(self, key: str) -> JudgedGateway | None:
        """The Gateway `namespace/name` of this mesh."""
        return self._judged.get(key)

    def listener_set(self, key: str) -> tuple[JudgedGateway, JudgedSet] | None:
        """The ListenerSet `namespace/name`, with its Gateway when that is of this mesh."""
        written = self._sets.get(key)
        gateway = self._judged.get(written.gateway) if written else None
        found = next((one for one in gateway.sets if one.set.key == key), None) if gateway else None
        return (gateway, found) if gateway and found else None

    def written(self, kind: str, key: str) -> bool:
        """Whether there is a Gateway or ListenerSet `namespace/name`, whosever it is."""
        return (self._gateways.get(key) if kind == "Gateway" else self._sets.get(key)) is not None

    def leading_to(self, host: str) -> tuple[str, ...]:
        """The keys of the Gateways whose routes look up the Service `host`."""
        routes = (self._resolved.get(ref) for ref in self._readers.get(("service", host)))
        return tuple(sorted({listener.partition("~")[0] for one in routes if one for listener in one.listeners}))

    def labels(self, namespace: str) -> Labels:
        """The labels of a namespace."""
        found = self._namespaces.get(namespace)
        return found.labels if found else ()

    def grants(self, namespace: str) -> tuple[Grant, ...]:
        """The grants of a namespace."""
        return self._grants.get(namespace) or ()

    @property
    def domain(self) -> str:
        """The domain of the mesh's services."""
        return self._domain

    def frozen(self) -> GatewayApi:
        """What to remember."""
        return GatewayApi(
            self._classes.frozen(),
            self._gateways.frozen(),
            self._sets.frozen(),
            self._naming.frozen(),
            self._judged.frozen(),
            self._namespaces.frozen(),
            self._grants.frozen(),
            self._routes.frozen(),
            self._resolved.frozen(),
            self._readers.frozen(),
            self._reads.frozen(),
            self._meeting.frozen(),
            self._hosts.frozen(),
            self._attached.frozen(),
            self._rejected.frozen(),
            self._certified.frozen(),
        )


class _Lookups:
    """A `View` that notes what was looked up."""

    def __init__(self, draft: GatewayApiDraft, services: Services) -> None:
        self._draft = draft
        self._services = services
        self.keys: set[Key] = set()

    @property
    def domain(self) -> str:
        return self._draft.domain

    def gateway(self, key: str) -> JudgedGateway | None:
        self.keys.add(("gateway", key))
        return self._draft.gateway(key)

    def listener_set(self, key: str) -> tuple[JudgedGateway, JudgedSet] | None:
        self.keys.add(("listener set", key))
        return self._draft.listener_set(key)

    def foreign(self, kind: str, key: str) -> bool:
        self.keys.add(("gateway" if kind == "Gateway" else "listener set", key))
        return self._draft.written(kind, key)

    def labels(self, namespace: str) -> Labels:
        self.keys.add(("namespace", namespace))
        return self._draft.labels(namespace)

    def grants(self, namespace: str) -> tuple[Grant, ...]:
        self.keys.add(("grants", namespace))
        return self._draft.grants(namespace)

    def service(self, host: str) -> Service | None:
        self.keys.add(("service", host))
        return next((one for one in self._services(host) if one.origin.kind == "Service"), None)
