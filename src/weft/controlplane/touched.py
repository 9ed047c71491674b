"""What a change of the mesh may make of Envoy's configuration: compiled for callers that stand for all that it may concern.

The callers are imagined: one of each namespace that wrote something about a host that changed, one with the labels of each
rule that asks for labels, and a gateway for each Gateway concerned. Of a gateway only the rules of changed hosts are compiled, so
that the cost is that of what changed.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from weft.compile.snapshot import Cache, snapshot
from weft.controlplane import touched_patches
from weft.controlplane.offline import route_names
from weft.envoy.names import HTTP_PROXY_ROUTES, outbound_cluster, plain_cluster
from weft.envoy.types import CLUSTER, LISTENER, ROUTE_CONFIGURATION, VIRTUAL_HOST, EnvoyResource, TypeUrl
from weft.hostname import is_wildcard, matches
from weft.model.labels import Labels
from weft.model.mesh import Change, Mesh
from weft.model.route import HttpMatch, L4Match, RouteSet
from weft.model.workload import Address, Proxy, Workload
from weft.xds.snapshots import Snapshot

_log = logging.getLogger("weft.controlplane")
_ANY = Address("127.0.0.1", 1)
_NAME = "weft-canary"

Caller = tuple[str, Labels]
"""A namespace and labels."""


class Touched(NamedTuple):
    """An Envoy resource, and an imagined proxy that would be told it. `problem`: no Envoy message can say what was written."""

    proxy: Proxy
    resource: EnvoyResource
    problem: str = ""


def touched(before: Mesh, after: Mesh, change: Change, cache: Cache) -> tuple[Touched, ...]:
    """The clusters, virtual hosts, route configurations and listeners that `change` may have made anew, each once."""
    found: dict[tuple[str, str, str], Touched] = {}
    for host in sorted(change.hosts | set(_under_defaults(before, after))):
        for caller in _callers(after, host):
            proxy = sidecar(*caller)
            _note(found, Touched(proxy, _nothing(after, host)), _seen(after, host, snapshot(after, proxy, cache)))
    for key in _concerned(before, after, change):
        one = after.gateways[key]
        proxy = Proxy(Workload(one.namespace, _NAME, "default", one.selector), gateway=True)
        reduced = _reduced(before, after, change, key)
        origins = (one.origin, *(rules.origin for rules in (reduced.gateway_routes or {})[key]))
        nothing = EnvoyResource(LISTENER, key, b"", "", origins=origins)
        _note(found, Touched(proxy, nothing), _served(snapshot(reduced, proxy, cache)))
    for patched in touched_patches.changed(before, after):
        for proxy in touched_patches.proxies(after, patched):
            nothing = EnvoyResource(LISTENER, f"{patched.namespace}/{patched.name}", b"", "", origins=(patched.origin,))
            _note(found, Touched(proxy, nothing), touched_patches.seen(after, proxy, patched, cache))
    return tuple(found.values())


def is_unsaid(mesh: Mesh, of: EnvoyResource) -> bool:
    """Whether there is still something about a host or gateway, of which nothing could be made, that no message can say."""
    if of.type_url == LISTENER:
        made = touched(Mesh(mesh.settings), mesh, Change(), Cache())
    else:
        made = touched(mesh, mesh, Change(frozenset((of.name.rpartition("/")[2],))), Cache())
    return any(one.problem and one.resource.name == of.name for one in made)


def named(mesh: Mesh, proxy: Proxy, type_url: TypeUrl, name: str) -> EnvoyResource | None:
    """What `proxy` would be told in `mesh` under a name."""
    held = snapshot(mesh, proxy, Cache())
    if type_url == CLUSTER:
        return held.cluster(name)
    if type_url == VIRTUAL_HOST:
        routes, _, host = name.rpartition("/")
        return held.virtual_host(routes, host)
    if type_url == ROUTE_CONFIGURATION:
        return held.route_configuration(name)
    return next((one for one in held.listeners() if one.name == name), None)


def _note(found: dict[tuple[str, str, str], Touched], nothing: Touched, made: Iterable[EnvoyResource]) -> None:
    """Adds what is made for a proxy, up to what cannot be: numbers have no room in a message that are too large for it."""
    try:
        for one in made:
            found.setdefault((one.type_url, one.name, one.version), Touched(nothing.proxy, one))
    except Exception as problem:  # ours or not: one resource must not take the others with it
        if not isinstance(problem, ValueError):
            _log.exception("event=not-compiled about=%s", nothing.resource.name)
        found.setdefault((nothing.resource.type_url, nothing.resource.name, ""), nothing._replace(problem=str(problem)))


def _nothing(mesh: Mesh, host: str) -> EnvoyResource:
    """What stands for a host of which nothing can be made, with everything that was said about it."""
    origins = [one.origin for one in mesh.services.get(host, ())]
    origins += [one.origin for one in mesh.routes.get(host, ())]
    origins += [one.origin for one in mesh.policies.get(host, ())]
    return EnvoyResource(VIRTUAL_HOST, f"{HTTP_PROXY_ROUTES}/{host}", b"", "", origins=tuple(origins))


def _seen(mesh: Mesh, host: str, held: Snapshot) -> Iterator[EnvoyResource]:
    """What a sidecar holds of one host."""
    clusters: dict[str, None] = {}
    for authority in _authorities(mesh, host):
        answer = held.virtual_host(HTTP_PROXY_ROUTES, authority)
        yield answer
        clusters.update(dict.fromkeys(answer.clusters))
    clusters.update(dict.fromkeys(_clusters(mesh, host)))
    yield from (found for name in clusters if (found := held.cluster(name)))


def _under_defaults(before: Mesh, after: Mesh) -> Iterator[str]:
    """A service of each namespace whose defaults changed: what is made of the others is made of the same words."""
    if before.defaults is after.defaults:
        return
    changed = {key for key in {*before.defaults, *after.defaults} if before.defaults.get(key) != after.defaults.get(key)}
    root = after.settings.root_namespace
    for host, services in after.services.items():
        found = changed & {services[0].namespace, root}
        if found and not is_wildcard(host):
            changed -= found
            yield host


def _callers(mesh: Mesh, host: str) -> Iterable[Caller]:
    """Namespaces and labels that may see the host each in their own way."""
    routes = mesh.routes.get(host, ())
    found: dict[Caller, None] = {(one.namespace, ()): None for one in mesh.services.get(host, ())}
    found.update({(one.namespace, ()): None for one in routes})
    for policy in mesh.policies.get(host, ()):
        found.update({(policy.namespace, ()): None, (policy.namespace, policy.workload_selector): None})
    for one in routes:
        for match in _matches(one):
            found[match.source_namespace or one.namespace, match.source_labels] = None
    return found


def _matches(of: RouteSet) -> Iterator[HttpMatch | L4Match]:
    for http in of.http:
        yield from http.matches
    for raw in (*of.tls, *of.tcp):
        yield from raw.matches


def sidecar(namespace: str, own: Labels) -> Proxy:
    """A caller that nobody is."""
    return Proxy(Workload(namespace, _NAME, "default", own), http_proxy=_ANY)


def _authorities(mesh: Mesh, host: str) -> Iterable[str]:
    """How a request would name each port of the host; a wildcard stands for a name of its kind."""
    name = host.replace("*", _NAME, 1)
    ports = {port.number: None for one in mesh.services.get(host, ()) for port in one.ports}
    return [f"{name}:{number}" for number in ports] or [name]


def _clusters(mesh: Mesh, host: str) -> Iterator[str]:
    """Every cluster of the host, whether or not a rule sends there yet."""
    if is_wildcard(host):
        host = next((one for one in sorted(mesh.services) if mesh.policies.get(host) and matches(host, one)), "")
    subsets = ["", *(one.name for policy in mesh.policies.get(host, ()) for one in policy.subsets)]
    for number in {port.number: None for one in mesh.services.get(host, ()) for port in one.ports}:
        for subset in dict.fromkeys(subsets):
            yield outbound_cluster(number, subset, host)
            yield plain_cluster(number, subset, host)


# Gateways


def _concerned(before: Mesh, after: Mesh, change: Change) -> Iterable[str]:
    """The gateways that changed, and those to which rules of a changed host are bound."""
    bound = {key for host in change.hosts for one in after.routes.get(host, ()) for key in one.gateways}
    return sorted(_changed(before, after) | (bound & after.gateways.keys()))


def _changed(before: Mesh, after: Mesh) -> set[str]:
    return {key for key, one in after.gateways.items() if before.gateways.get(key) is not one}


def _reduced(before: Mesh, after: Mesh, change: Change, key: str) -> Mesh:
    """The mesh with nothing at its edge but one gateway, and, of one that did not change, what concerns the changed hosts."""
    rules = (after.gateway_routes or {}).get(key, ())
    if key not in _changed(before, after):
        hosts = {host for changed in change.hosts for one in after.routes.get(changed, ()) for host in one.hosts}
        rules = tuple(one for one in rules if not hosts.isdisjoint(one.hosts))
    return replace(after, gateways={key: after.gateways[key]}, gateway_routes={key: rules})


def _served(held: Snapshot) -> Iterator[EnvoyResource]:
    """What a gateway holds."""
    listeners = held.listeners()
    routes = [found for name in route_names(listeners) if (found := held.route_configuration(name))]
    yield from (*listeners, *routes)
    clusters = {name for made in (*listeners, *routes) for name in made.clusters}
    yield from (found for name in sorted(clusters) if (found := held.cluster(name)))
