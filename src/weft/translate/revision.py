"""One step from a mesh to the next: statements are exchanged, then what they touched is made anew.

Hosts are the unit of everything. A changed workload touches the hosts whose selectors select it, and there only its own
endpoints; a changed service makes all endpoints of its hosts anew.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from weft.finding import Finding
from weft.hostname import Names, is_wildcard
from weft.model.endpoint import Endpoint
from weft.model.gateway import Gateway as ModelGateway
from weft.model.labels import Labels, selects
from weft.model.mesh import Change, Mesh
from weft.model.precedence import MESH, rank
from weft.model.route import RouteSet
from weft.model.service import Service
from weft.model.tls_settings import NO_SETTINGS
from weft.ref import Ref
from weft.translate.attach import AttachmentsDraft
from weft.translate.draft import Buckets, Draft, Shelves
from weft.translate.endpoint_slices import sliced
from weft.translate.endpoints import endpoints, order
from weft.translate.gateway_api.backend_tls import TlsPoliciesDraft
from weft.translate.gateway_api.draft import GatewayApiDraft
from weft.translate.gateway_api.status import Status, findings
from weft.translate.gateway_api.written import GROUP, Gateway, Place, Said
from weft.translate.gateway_conflicts import neighbours
from weft.translate.index import WORKLOADS, Index, Shelf, shelf
from weft.translate.precedence import merged, ordered, ordered_services, replaced
from weft.translate.recheck import Recheck
from weft.translate.statement import Backing, Instance, Statement
from weft.translate.tls_modes import all_written, written_for

ANYWHERE = "*"
"""Among attachments: workloads of all namespaces, by `namespace/name`, and the Gateways that select them and name Secrets."""


class Revision:
    """A mesh being revised. Call `replace` for every change, then `mesh`, `findings` and `index`, once and in this order."""

    def __init__(
        self, mesh: Mesh, findings: Mapping[Ref, tuple[Finding, ...]], index: Index, statuses: Mapping[Ref, Status]
    ) -> None:
        self._old = mesh
        self._services = Draft(mesh.services)
        self._endpoints = Draft(mesh.endpoints)
        self._routes = Draft(mesh.routes)
        self._gateway_routes = Draft(mesh.gateway_routes or {})
        self._policies = Draft(mesh.policies)
        self._peer_authentications = Draft(mesh.peer_authentications)
        self._guards = Draft(mesh.guards)
        self._sidecars = Draft(mesh.sidecars)
        self._addresses_of = Draft(mesh.addresses)
        self._defaults = Draft(mesh.defaults)
        self._configs = Draft(mesh.configs)
        self._distributions = Draft(mesh.distributions)
        self._tls = mesh.tls
        self._key_sets = Draft(mesh.key_sets)
        self._federated = Draft(mesh.federated)
        self._gateways = Draft(mesh.gateways)
        self._envoy_filters = Draft(mesh.envoy_filters)
        self._credentials = Draft(mesh.credentials)
        self._statements: Shelves[Shelf, Statement] = Shelves(index.statements)
        self._rules = Draft(index.rules)
        self._attachments = AttachmentsDraft(index.attachments)
        self._api = GatewayApiDraft(index.api, statuses, mesh.settings.domain, self._credentials.get)
        self._tls_policies = TlsPoliciesDraft(index.tls_policies, mesh.backend_tls)
        self._recheck = Recheck(findings, index)
        self._slices = Buckets(index.slices)
        self._hosts: dict[str, None] = {}  # whose endpoints are made anew
        self._workloads: dict[tuple[str, str], set[Ref]] = {}  # changed ones, and the services that (had) selected them

    # Exchanging statements

    def replace(self, ref: Ref, new: Statement | None) -> None:
        """The resource `ref` says `new` from now on; None: nothing."""
        old = self._statements.get(shelf(ref), ref.name)
        if old == new:
            return
        self._statements.put(shelf(ref), ref.name, new)
        self._recheck.replace(ref, old, new)
        gone, come = old or Statement(ref), new or Statement(ref)
        self._replace_services(gone, come)
        self._replace_instance(ref, gone.instance, come.instance)
        self._replace_slice(gone, come)
        self._replace_rules(gone, come)
        self._replace_credential(gone, come)
        if gone.tls_policy or come.tls_policy:
            self._tls_policies.replace(ref, gone.tls_policy, come.tls_policy)
        if gone.api or come.api:
            self._api.replace(ref, gone.api, come.api)
            self._select(gone.api, come.api)

    def _replace_credential(self, gone: Statement, come: Statement) -> None:
        for key in {one.credential.key: None for one in (gone, come) if one.credential}:
            self._credentials.put(key, come.credential)
        if gone.gateway and gone.needs:
            self._attachments.unselect(ANYWHERE, gone.gateway.selector, gone.ref)
        if come.gateway and come.needs:
            self._attachments.select(ANYWHERE, come.gateway.selector, come.ref, self._all_labels())

    def _all_labels(self) -> Iterator[tuple[str, Labels]]:
        for kind, namespace in self._statements.shelves():
            if kind == WORKLOADS:
                yield from ((f"{namespace}/{name}", of) for name, of in self._labels(namespace))

    def _select(self, gone: Said | None, come: Said | None) -> None:
        """The workloads that serve a Gateway are known by its name."""
        if isinstance(gone, Gateway):
            self._attachments.unselect(gone.namespace, gone.selector, gone.origin)
        if isinstance(come, Gateway):
            self._attachments.select(come.namespace, come.selector, come.origin, self._labels(come.namespace))

    def _replace_services(self, gone: Statement, come: Statement) -> None:
        for backing in gone.backings[:1]:
            if backing.selector:
                self._attachments.unselect(backing.namespace, backing.selector, gone.ref)
        for backing in come.backings[:1]:
            if backing.selector:
                self._attachments.select(backing.namespace, backing.selector, come.ref, self._labels(backing.namespace))
        for service in (*gone.services, *come.services):
            for address in service.addresses:
                kept = [one for one in self._addresses_of.get(address) or () if one[1] != come.ref]
                kept += [(one.hostname, come.ref) for one in come.services if address in one.addresses]
                self._addresses_of.put(address, tuple(sorted(kept)))
        said = {service.hostname: service for service in come.services}
        for host in dict.fromkeys([service.hostname for service in gone.services] + list(said)):
            others = [one for one in self._services.get(host) or () if one.origin != come.ref]
            self._services.put(host, ordered_services([*others, said[host]] if host in said else others))
            self._hosts[host] = None

    def _replace_slice(self, gone: Statement, come: Statement) -> None:
        if gone.slice:
            self._slices.discard(gone.slice.host, gone.ref)
        if come.slice:
            self._slices.add(come.slice.host, come.ref)
        self._hosts.update((one.slice.host, None) for one in (gone, come) if one.slice)

    def _labels(self, namespace: str) -> Iterator[tuple[str, Labels]]:
        for name, statement in self._statements.shelf((WORKLOADS, namespace)).items():
            if statement.instance:
                yield name, statement.instance.labels

    def _replace_instance(self, ref: Ref, gone: Instance | None, come: Instance | None) -> None:
        if gone is None and come is None:
            return
        touched = self._workloads.setdefault((ref.namespace, ref.name), set())
        if gone:
            touched.update(self._attachments.selectors_of(ref.namespace, gone.labels))
        if gone and (come is None or come.labels != gone.labels):
            self._attachments.detach(ref.namespace, ref.name, gone.labels)
            self._recheck.refs(self._attachments.selectors_of(ANYWHERE, gone.labels))
            self._attachments.detach(ANYWHERE, f"{ref.namespace}/{ref.name}", gone.labels)
        if come and (gone is None or come.labels != gone.labels):
            self._attachments.attach(ref.namespace, ref.name, come.labels)
            self._recheck.refs(self._attachments.selectors_of(ANYWHERE, come.labels))
            self._attachments.attach(ANYWHERE, f"{ref.namespace}/{ref.name}", come.labels)

    def _replace_rules(self, gone: Statement, come: Statement) -> None:
        ref = come.ref
        if gone.routes or come.routes:
            old_hosts, new_hosts = (one.routes.hosts if one.routes else () for one in (gone, come))
            for host in dict.fromkeys((*old_hosts, *new_hosts)):
                said = come.routes if host in new_hosts else None
                self._routes.put(host, replaced(self._routes.get(host) or (), ref, said))
            self._bind(ref, gone.routes, come.routes)
        for host in {one.policy.host: None for one in (gone, come) if one.policy}:
            policy = come.policy if come.policy and come.policy.host == host else None
            rules = replaced(self._rules.get(host) or (), ref, policy)
            self._rules.put(host, rules)
            self._policies.put(host, merged(rules))
        if gone.gateway or come.gateway:
            self._gateways.put(f"{ref.namespace}/{ref.name}", come.gateway)
        if gone.envoy_filter or come.envoy_filter:
            others = [one for one in self._envoy_filters.get(ref.namespace) or () if one.origin != ref]
            if come.envoy_filter:
                insort(others, come.envoy_filter, key=lambda one: one.rank)
            self._envoy_filters.put(ref.namespace, tuple(others))
        if gone.peer_authentication or come.peer_authentication:
            before = self._peer_authentications.get(ref.namespace) or ()
            self._peer_authentications.put(ref.namespace, replaced(before, ref, come.peer_authentication))
        if gone.sidecar or come.sidecar:
            self._sidecars.put(ref.namespace, replaced(self._sidecars.get(ref.namespace) or (), ref, come.sidecar))
        if gone.guarding or come.guarding:
            kept = [one for one in self._guards.get(ref.namespace) or () if one.origin != ref]
            kept += [come.guarding] if come.guarding else []
            self._guards.put(ref.namespace, tuple(sorted(kept, key=lambda one: one.origin)))
        if gone.distribution or come.distribution:
            self._distributions.put(ref.name, come.distribution)
        if gone.tls or come.tls:
            self._tls = come.tls or NO_SETTINGS
        if gone.defaults or come.defaults:
            self._defaults.put(ref.namespace, replaced(self._defaults.get(ref.namespace) or (), ref, come.defaults))

        for at in {one.key_set.at: None for one in (gone, come) if one.key_set}:
            self._key_sets.put(at, come.key_set if come.key_set and come.key_set.at == at else None)
        if gone.federated or come.federated:
            self._federated.put(ref.name, come.federated)

        if gone.mesh_config or come.mesh_config:
            self._configs.put(ref.namespace, replaced(self._configs.get(ref.namespace) or (), ref, come.mesh_config))

    def _bind(self, ref: Ref, gone: RouteSet | None, come: RouteSet | None) -> None:
        old, new = (one.gateways if one else () for one in (gone, come))
        for gateway in dict.fromkeys((*old, *new)):
            if gateway == MESH:
                continue
            bound = [one for one in self._gateway_routes.get(gateway) or () if one.origin != ref]
            if come and gateway in new:
                insort(bound, come, key=rank)
            self._gateway_routes.put(gateway, tuple(bound))

    # Endpoints

    def _make_endpoints(self) -> None:
        for host in self._hosts:
            self._make_endpoints_of(host)
        for (namespace, name), touched in self._workloads.items():
            statement = self._statements.get((WORKLOADS, namespace), name)
            instance = statement.instance if statement else None
            if instance:
                touched.update(self._attachments.selectors_of(namespace, instance.labels))
            for host in self._hosts_of(touched):
                if host not in self._hosts:
                    self._splice(host, namespace, f"{namespace}/{name}", instance)

    def _hosts_of(self, refs: Iterable[Ref]) -> Iterable[str]:
        statements = (self._statements.get(shelf(ref), ref.name) for ref in refs)
        return {backing.hostname: None for one in statements if one for backing in one.backings}

    def _make_endpoints_of(self, host: str) -> None:
        kept = _by_namespace(host, self._services.get(host) or ())
        for key in _by_namespace(host, self._old.services.get(host, ())):
            if key not in kept:
                self._endpoints.put(key, ())
        for key, namespace in kept.items():
            found = [one for backing in self._backings(host, namespace) for one in self._all_of(backing)]
            self._endpoints.put(key, _sorted(found))

    def _all_of(self, backing: Backing) -> Iterator[Endpoint]:
        for instance in backing.instances:
            yield from endpoints(backing, instance)
        for ref in self._slices.get(backing.hostname) if backing.sliced else ():
            statement = self._statements.get(shelf(ref), ref.name)
            if statement and statement.slice:
                yield from sliced(backing, statement.slice)
        if backing.selector:
            for name in self._attachments.selected_by(backing.namespace, backing.selector):
                statement = self._statements.get((WORKLOADS, backing.namespace), name)
                if statement and statement.instance:
                    yield from endpoints(backing, statement.instance)

    def _splice(self, host: str, namespace: str, workload: str, instance: Instance | None) -> None:
        """Exchanges the endpoints of one workload; all others of the host stay the same objects."""
        services = self._services.get(host) or ()
        key = next(key for key, owner in _by_namespace(host, services).items() if owner == namespace)
        found: list[Endpoint] = []
        for backing in self._backings(host, namespace):
            if instance and backing.selector and selects(backing.selector, instance.labels):
                found.extend(endpoints(backing, instance))
        before = self._endpoints.get(key) or ()
        start = bisect_left(before, workload, key=lambda one: one.workload)
        end = bisect_right(before, workload, lo=start, key=lambda one: one.workload)
        self._endpoints.put(key, before[:start] + _sorted(found) + before[end:])

    def _backings(self, host: str, namespace: str) -> Iterator[Backing]:
        """Where the endpoints of the services that `namespace` calls `host` come from, in order of precedence."""
        for service in self._services.get(host) or ():
            if service.namespace == namespace:
                statement = self._statements.get(shelf(service.origin), service.origin.name)
                yield from (one for one in (statement.backings if statement else ()) if one.hostname == host)

    # The Gateway API

    def _revise_api(self) -> None:
        self._api.touch_services(self._services.changed())
        self._api.touch_credentials(self._credentials.changed())
        self._api.touch_gateways(ref for refs in self._workloads.values() for ref in refs if ref.group == GROUP)
        self._api.revise(lambda host: self._services.get(host) or (), self._addresses, self._open, self._lay)
        self._tls_policies.touch({**dict.fromkeys(self._services.changed()), **self._api.rerouted}, self._credentials.changed())
        self._tls_policies.revise(
            lambda host: self._services.get(host) or (), self._credentials.get, self._api.leading_to, self._api.statuses.put
        )

    def _addresses(self, of: Gateway) -> tuple[str, ...]:
        """Of the workloads that serve a Gateway."""
        names = self._attachments.selected_by(of.namespace, of.selector)
        found = (self._statements.get((WORKLOADS, of.namespace), name) for name in names)
        return tuple(sorted({one.instance.address for one in found if one and one.instance}))

    def _open(self, key: str, gateways: tuple[ModelGateway, ...]) -> None:
        for known in [known for known in self._gateways.frozen() if known.partition("~")[0] == key and "~" in known]:
            self._gateways.put(known, None)
        for one in gateways:
            self._gateways.put(one.key, one)

    def _lay(self, place: Place, rules: RouteSet | None) -> None:
        others = [one for one in self._routes.get(place.host) or () if not _at(one, place)]
        self._routes.put(place.host, ordered([*others, rules] if rules else others))
        if place.gateway != MESH:
            bound = [one for one in self._gateway_routes.get(place.gateway) or () if one.hosts != (place.host,)]
            if rules:
                insort(bound, rules, key=rank)
            self._gateway_routes.put(place.gateway, tuple(bound))

    # Results

    def mesh(self) -> tuple[Mesh, Change]:
        """The next mesh, and what differs."""
        self._make_endpoints()
        self._revise_api()
        mesh = Mesh(
            self._old.settings,
            self._services.frozen(),
            self._endpoints.frozen(),
            self._routes.frozen(),
            self._policies.frozen(),
            self._peer_authentications.frozen(),
            self._gateways.frozen(),
            self._envoy_filters.frozen(),
            self._credentials.frozen(),
            self._tls_policies.held.frozen(),
            self._names(),
            self._gateway_routes.frozen(),
            guards=self._guards.frozen(),
            sidecars=self._sidecars.frozen(),
            addresses=self._addresses_of.frozen(),
            defaults=self._defaults.frozen(),
            configs=self._configs.frozen(),
            distributions=self._distributions.frozen(),
            tls=self._tls,
            key_sets=self._key_sets.frozen(),
            federated=self._federated.frozen(),
        )
        hosts = self._services.changed() | self._routes.changed() | self._policies.changed() | self._tls_policies.held.changed()
        hosts |= self._addresses_of.changed()
        backed = frozenset(key.rpartition("/")[2] for key in self._endpoints.changed())
        policies = (self._peer_authentications, self._guards, self._sidecars)
        single = (self._defaults, self._configs, self._distributions, self._key_sets, self._federated)
        broad = (self._gateways, *policies, self._envoy_filters, *single)
        everything = any(one.changed() for one in broad) or self._tls != self._old.tls or any(map(_is_many, hosts))
        return mesh, Change(hosts, backed - hosts, everything, self._credentials.changed())

    def _names(self) -> Names:
        services, names = self._services.frozen(), self._old.names
        if names is None:
            return Names(services)
        differ = self._services.appeared_or_gone()
        return names.revised(services, differ & services.keys(), differ - services.keys()) if differ else names

    def findings(self, mesh: Mesh) -> Mapping[Ref, tuple[Finding, ...]]:
        """The findings in `mesh`, the one that was made: those of what changed and of what names it are looked for anew."""
        recheck = self._recheck
        recheck.services(self._services.changed(), self._services.appeared_or_gone())
        recheck.hosts(self._policies.changed() | self._rules.changed())
        recheck.endpoints(key.rpartition("/")[2] for key in self._endpoints.changed())
        for host in self._routes.changed():
            recheck.refs(one.origin for one in mesh.routes.get(host, ()))
        self._recheck_modes(mesh)
        for namespace in self._sidecars.changed():
            recheck.refs(one.origin for one in mesh.sidecars.get(namespace, ()))
        for namespace in mesh.guards if self._key_sets.changed() else self._guards.changed():
            recheck.refs(one.origin for one in mesh.guards.get(namespace, ()))
        for namespace in self._configs.changed():
            recheck.refs(one.origin for one in mesh.configs.get(namespace, ()))
            recheck.refs(one.origin for found in mesh.guards.values() for one in found)
        for namespace in self._defaults.changed():
            recheck.refs(one.origin for one in mesh.defaults.get(namespace, ()))
        for host in self._rules.changed():
            recheck.refs(one.origin for one in self._rules.get(host) or ())
        recheck.gateways(self._gateways.changed(), self._gateways.appeared_or_gone(), mesh.gateways)
        both = [of.get(key) for key in self._gateways.changed() for of in (self._old.gateways, mesh.gateways)]
        recheck.refs(neighbours([one for one in both if one], mesh.gateways))
        recheck.refs(self._api.statuses.changed())
        recheck.credentials(self._credentials.changed())
        return recheck.findings(
            mesh, self._rules.frozen(), lambda ref: self._statements.get(shelf(ref), ref.name), self._told, self._namespaces
        )

    def _recheck_modes(self, mesh: Mesh) -> None:
        """Which TLS modes of DestinationRules are looked at again: those whose hosts, rules or PeerAuthentications changed."""
        changed, rules = self._peer_authentications.changed(), self._rules.frozen()
        for namespace in changed:
            self._recheck.refs(one.origin for one in mesh.peer_authentications.get(namespace, ()))
        backed = {key.rpartition("/")[2] for key in self._endpoints.changed()}
        hosts = backed | self._services.changed() | self._policies.changed()
        wide = bool(changed) or any(map(is_wildcard, hosts))
        self._recheck.refs(all_written(rules) if wide else written_for(hosts, rules))

    def _namespaces(self, of: Statement) -> tuple[str, ...]:
        """Of the proxies that look up the Secrets that `of` names: those of the workloads that open a Gateway; none: of its
        own."""
        selected = self._attachments.selected_by(ANYWHERE, of.gateway.selector) if of.gateway and of.gateway.selector else ()
        return tuple(sorted({name.partition("/")[0] for name in selected})) or (of.ref.namespace,)

    def _told(self, ref: Ref) -> Iterable[Finding]:
        status, key = self._api.statuses.get(ref), f"{ref.namespace}/{ref.name}"
        if status is None:
            return ()
        of_set = self._api.listener_set(key) if ref.kind == "ListenerSet" else None
        return findings(ref, status, self._api.gateway(key), of_set[1] if of_set else None)

    def statuses(self) -> Mapping[Ref, Status]:
        """The statuses of the Gateway API's resources."""
        return self._api.statuses.frozen()

    def index(self) -> Index:
        """What the next revision needs."""
        kept = self._recheck.index(
            self._statements.frozen(),
            self._rules.frozen(),
            self._attachments.frozen(),
            self._api.frozen(),
            self._tls_policies.frozen(),
        )
        return replace(kept, slices=self._slices.frozen())


def _at(of: RouteSet, place: Place) -> bool:
    return of.origin.group == GROUP and (of.gateways, of.export_to) == ((place.gateway,), (place.export,))


def _by_namespace(host: str, services: tuple[Service, ...]) -> dict[str, str]:
    """The keys of a host's endpoints, each with the namespace whose services they are of: the first has the plain host."""
    namespaces = list(dict.fromkeys(service.namespace for service in services))
    return {(f"{namespace}/{host}" if i else host): namespace for i, namespace in enumerate(namespaces)}


def _sorted(found: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(sorted(dict.fromkeys(found), key=order))


def _is_many(key: str) -> bool:
    """Whether a host or address stands for many."""
    return is_wildcard(key) or "/" in key
