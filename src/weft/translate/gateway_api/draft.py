"""The Gateway API's part of a revision: what was said is resolved again where something it looked up has changed.

Gateways depend on classes; routes on Gateways, namespaces, grants and Services; places on the routes that meet there; statuses
on all of them. Every look-up is noted under a key, `readers` knows who made it, and only they are resolved anew.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from weft.model.gateway import Gateway as ModelGateway
from weft.model.labels import Labels
from weft.model.route import RouteSet
from weft.model.service import Service
from weft.ref import Ref
from weft.translate.draft import Buckets, Draft
from weft.translate.gateway_api.attachment import Resolved, resolved
from weft.translate.gateway_api.listeners import JudgedGateway, judged
from weft.translate.gateway_api.merge import merged
from weft.translate.gateway_api.status import CLASS_ACCEPTED, Status, gateway_status
from weft.translate.gateway_api.written import CONTROLLER, Gateway, GatewayClass, Grant, Namespace, Place, Route, Said

Key = tuple[str, str]  # what was looked up: gateway, namespace, grants or service, and its name

Services = Callable[[str], tuple[Service, ...]]
Addresses = Callable[[Gateway], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class GatewayApi:
    """What `advance` remembers. `gateways` are as written, `judged` those of this mesh, by `namespace/name`; `readers` are the
    routes that looked a key up, `reads` what each looked up; `meeting` the routes at a place, `attached` those of a listener."""

    classes: Mapping[str, GatewayClass] = field(default_factory=dict)
    gateways: Mapping[str, Gateway] = field(default_factory=dict)
    judged: Mapping[str, JudgedGateway] = field(default_factory=dict)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    grants: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    routes: Mapping[Ref, Route] = field(default_factory=dict)
    resolved: Mapping[Ref, Resolved] = field(default_factory=dict)
    readers: Mapping[Key, frozenset[Ref]] = field(default_factory=dict)
    reads: Mapping[Ref, frozenset[Key]] = field(default_factory=dict)
    meeting: Mapping[Place, frozenset[Ref]] = field(default_factory=dict)
    attached: Mapping[str, frozenset[Ref]] = field(default_factory=dict)


class GatewayApiDraft:
    """The Gateway API's part while it changes. Call `replace` for each statement, then `revise` once."""

    def __init__(self, base: GatewayApi, statuses: Mapping[Ref, Status], domain: str) -> None:
        self._domain = domain
        self._classes = Draft(base.classes)
        self._gateways = Draft(base.gateways)
        self._judged = Draft(base.judged)
        self._namespaces = Draft(base.namespaces)
        self._grants = Draft(base.grants)
        self._routes = Draft(base.routes)
        self._resolved = Draft(base.resolved)
        self._readers = Buckets(base.readers)
        self._reads = Draft(base.reads)
        self._meeting = Buckets(base.meeting)
        self._attached = Buckets(base.attached)
        self.statuses = Draft(statuses)
        self._touched: dict[Key, None] = {}  # what was looked up and may be something else now
        self._stale_gateways: dict[str, None] = {}
        self._stale_routes: dict[Ref, None] = {}
        self._stale_places: dict[Place, None] = {}

    @property
    def concerned(self) -> bool:
        """Whether anything of the Gateway API may have to be looked at."""
        return bool(self._touched or self._stale_gateways or self._stale_routes)

    def replace(self, ref: Ref, gone: Said | None, come: Said | None) -> None:
        """The resource `ref` says `come` from now on."""
        match come or gone:
            case GatewayClass(name):
                self._classes.put(name, come if isinstance(come, GatewayClass) else None)
                self.statuses.put(
                    ref, CLASS_ACCEPTED if isinstance(come, GatewayClass) and come.controller == CONTROLLER else None
                )
                for key, one in self._gateways.frozen().items():
                    if one.class_name == name:
                        self._stale_gateways[key] = None
            case Gateway():
                key = f"{ref.namespace}/{ref.name}"
                self._gateways.put(key, come if isinstance(come, Gateway) else None)
                self._stale_gateways[key] = None
            case Namespace(name):
                self._namespaces.put(name, come if isinstance(come, Namespace) else None)
                self._touched[("namespace", name)] = None
            case Grant():
                others = tuple(one for one in self._grants.get(ref.namespace) or () if one.origin != ref)
                said = (*others, come) if isinstance(come, Grant) else others
                self._grants.put(ref.namespace, tuple(sorted(said, key=lambda one: one.origin)))
                self._touched[("grants", ref.namespace)] = None
            case Route():
                self._routes.put(ref, come if isinstance(come, Route) else None)
                self._stale_routes[ref] = None

    def touch_services(self, hosts: Iterable[str]) -> None:
        """Services came, went or changed."""
        for host in hosts:
            self._touched[("service", host)] = None

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
        for place in self._stale_places:
            routes = [found for ref in self._meeting.get(place) if (found := self._resolved.get(ref))]
            lay(place, merged(place, routes, self._judged.get(place.gateway.partition("~")[0])))
        for key in self._stale_gateways:
            self._tell(key, addresses)

    def _judge(self, key: str, open_gateways: Callable[[str, tuple[ModelGateway, ...]], None]) -> None:
        written, before = self._gateways.get(key), self._judged.get(key)
        now = judged(written, self._classes.frozen()) if written else None
        self._touched[("gateway", key)] = None
        if now == before:
            return
        self._judged.put(key, now)
        for one in (before, now):
            for listener in one.listeners if one else ():
                places = [place for ref in self._attached.get(listener.key) for place, _ in self._places(ref)]
                self._stale_places.update(dict.fromkeys(place for place in places if place.gateway == listener.key))
            self._stale_places.update(dict.fromkeys(one.walls if one else ()))
        open_gateways(key, now.served if now else ())

    def _places(self, ref: Ref) -> tuple[tuple[Place, tuple[int, ...]], ...]:
        found = self._resolved.get(ref)
        return found.places if found else ()

    def _resolve(self, ref: Ref, services: Services) -> None:
        route, before = self._routes.get(ref), self._resolved.get(ref)
        view = _Lookups(self, services)
        now = resolved(route, view) if route else None
        for key in (self._reads.get(ref) or frozenset()) - view.keys:
            self._readers.discard(key, ref)
        for key in view.keys:
            self._readers.add(key, ref)
        self._reads.put(ref, frozenset(view.keys))
        if now == before:
            return
        self._resolved.put(ref, now)
        self.statuses.put(ref, now.status if now and now.status.parents else None)
        for place, _ in before.places if before else ():
            self._meeting.discard(place, ref)
            self._stale_places[place] = None
        for place, _ in now.places if now else ():
            self._meeting.add(place, ref)
            self._stale_places[place] = None
        old, new = (one.listeners if one else frozenset() for one in (before, now))
        for listener in old - new:
            self._attached.discard(listener, ref)
        for listener in new - old:
            self._attached.add(listener, ref)
        for listener in old ^ new:
            self._stale_gateways[listener.partition("~")[0]] = None

    def _tell(self, key: str, addresses: Addresses) -> None:
        """The status of a Gateway; none when it is not of this mesh."""
        gateway = self._judged.get(key)
        namespace, _, name = key.partition("/")
        if gateway is None:
            self.statuses.put(Ref("gateway.networking.k8s.io", "Gateway", namespace, name), None)
            return
        attached = {one.key: len(frozenset(self._attached.get(one.key))) for one in gateway.listeners}
        self.statuses.put(gateway.gateway.origin, gateway_status(gateway, attached, addresses(gateway.gateway)))

    # What is looked up

    def gateway(self, key: str) -> JudgedGateway | None:
        """The Gateway `namespace/name` of this mesh."""
        return self._judged.get(key)

    def gateway_written(self, key: str) -> Gateway | None:
        """The Gateway `namespace/name`, whosever it is."""
        return self._gateways.get(key)

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
            self._judged.frozen(),
            self._namespaces.frozen(),
            self._grants.frozen(),
            self._routes.frozen(),
            self._resolved.frozen(),
            self._readers.frozen(),
            self._reads.frozen(),
            self._meeting.frozen(),
            self._attached.frozen(),
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

    def foreign(self, key: str) -> bool:
        self.keys.add(("gateway", key))
        return self._draft.gateway(key) is None and self._draft.gateway_written(key) is not None

    def labels(self, namespace: str) -> Labels:
        self.keys.add(("namespace", namespace))
        return self._draft.labels(namespace)

    def grants(self, namespace: str) -> tuple[Grant, ...]:
        self.keys.add(("grants", namespace))
        return self._draft.grants(namespace)

    def service(self, host: str) -> Service | None:
        self.keys.add(("service", host))
        return next((one for one in self._services(host) if one.origin.kind == "Service"), None)
