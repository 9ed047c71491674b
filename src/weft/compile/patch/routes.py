"""Patches of route configurations, virtual hosts and routes, whether they are told whole, on demand, or inside a listener."""

from collections.abc import Iterable

from envoy.config.route.v3.route_components_pb2 import FilterConfig, Route, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from weft.compile.patch.merge import merge
from weft.compile.patch.place import INSERTIONS, Patched, Place, concerns, elsewhere, fits_routes
from weft.compile.patch.sequence import operated
from weft.envoy.types import ROUTE_CONFIGURATION, VIRTUAL_HOST, EnvoyResource, envoy_resource, packed
from weft.model.extension import ApplyTo, Operation, Patch, RouteWhere

IN_ROUTES = (ApplyTo.ROUTE_CONFIGURATION, ApplyTo.VIRTUAL_HOST, ApplyTo.HTTP_ROUTE)
_EVERYWHERE = RouteWhere()


def route_configuration(of: Patched) -> EnvoyResource:
    """The route configuration as its patches change it."""
    message = RouteConfiguration.FromString(of.of.body)
    used = [one for one in of.patches if concerns(one, of.place.side) and applied(message, of.place, one)]
    if not used:
        return of.of
    origins = tuple(sorted({*of.of.origins, *(one.origin for one in used)}))
    return envoy_resource(
        ROUTE_CONFIGURATION,
        of.of.name,
        message,
        clusters=of.of.clusters,
        hosts=of.of.hosts,
        origins=origins,
        hold=of.of.hold,
    )


def virtual_host(of: Patched) -> EnvoyResource:
    """A virtual host that is told on demand, as its patches change it. Whoever asked must be answered: one that is removed says
    404. Domains that an added virtual host has are left to it: Envoy refuses a domain that is there twice."""
    message = VirtualHost.FromString(of.of.body)
    used = [one for one in of.patches if concerns(one, of.place.side) and _told(message, of.place, one)]
    taken = {domain for one in of.patches if _is_new_host(one, of.place) for domain in VirtualHost.FromString(one.value).domains}
    if taken & set(message.domains):
        left = [one for one in message.domains if one not in taken]
        message.domains[:] = left or [f"{of.of.name.rpartition('/')[2].replace(':', '-')}.taken.weft.invalid"]
    elif not used:
        return of.of
    origins = tuple(sorted({*of.of.origins, *(one.origin for one in used)}))
    return envoy_resource(
        VIRTUAL_HOST, of.of.name, message, clusters=of.of.clusters, hosts=of.of.hosts, origins=origins, hold=of.of.hold
    )


def _is_new_host(of: Patch, place: Place) -> bool:
    return of.apply_to is ApplyTo.VIRTUAL_HOST and of.operation is Operation.ADD and concerns(of, place.side)


def _told(message: VirtualHost, place: Place, patch: Patch) -> bool:
    if patch.apply_to is ApplyTo.HTTP_FILTER and patch.operation in INSERTIONS:
        return _switched_off(message, place, patch)
    added_whole = patch.operation is Operation.ADD and patch.apply_to is ApplyTo.VIRTUAL_HOST
    if patch.apply_to not in IN_ROUTES or added_whole:
        return False
    where = patch.where if isinstance(patch.where, RouteWhere) else _EVERYWHERE
    if patch.apply_to is ApplyTo.ROUTE_CONFIGURATION or not fits_routes(patch.where, place):
        return False
    if not _fits_host(message, place, where):
        return False
    if patch.apply_to is ApplyTo.HTTP_ROUTE:
        return _route(message, where, patch)
    if patch.operation is Operation.REMOVE:
        del message.routes[:]
        message.routes.add(match={"prefix": "/"}, direct_response={"status": 404}, name="removed")
    else:
        _merge_host(message, patch)
    return True


def _switched_off(message: VirtualHost, place: Place, patch: Patch) -> bool:
    """A filter in the listener of all ports runs for those it is for; and never for a tunnel: what is inside is looked at."""
    name = HttpFilter.FromString(patch.value).name
    off = packed(FilterConfig(disabled=True))
    if any(elsewhere(patch, port) for port in place.ports):
        if name not in message.typed_per_filter_config:
            message.typed_per_filter_config[name].CopyFrom(off)
        return True
    tunnels = [one for one in message.routes if one.match.HasField("connect_matcher")]
    for one in tunnels:
        if name not in one.typed_per_filter_config:
            one.typed_per_filter_config[name].CopyFrom(off)
    return bool(tunnels)


def applied(message: RouteConfiguration, place: Place, patch: Patch) -> bool:
    """Whether the patch was for this route configuration or something in it, and was applied."""
    if patch.apply_to not in IN_ROUTES or not fits_routes(patch.where, place):
        return False
    where = patch.where if isinstance(patch.where, RouteWhere) else _EVERYWHERE
    match patch.apply_to, patch.operation:
        case ApplyTo.ROUTE_CONFIGURATION, Operation.MERGE:
            value = RouteConfiguration.FromString(patch.value)
            value.ClearField("name")
            merge(message, value)
            return True
        case ApplyTo.VIRTUAL_HOST, Operation.ADD:
            return _add_host(message, VirtualHost.FromString(patch.value))
        case ApplyTo.VIRTUAL_HOST, _:
            return _hosts(message, place, where, patch)
        case ApplyTo.HTTP_ROUTE, _:
            return sum(_route(one, where, patch) for one in message.virtual_hosts if _fits_host(one, place, where)) > 0
    return False


def _add_host(message: RouteConfiguration, value: VirtualHost) -> bool:
    """Domains are one virtual host's alone; and one that takes every host would leave none to be asked for."""
    domains = {domain for one in message.virtual_hosts for domain in one.domains}
    if message.HasField("vhds"):
        domains.add("*")
    value.domains[:] = [one for one in value.domains if one not in domains]
    if value.domains:
        message.virtual_hosts.append(value)
    return bool(value.domains)


def _hosts(message: RouteConfiguration, place: Place, where: RouteWhere, patch: Patch) -> bool:
    found = [one for one in message.virtual_hosts if _fits_host(one, place, where)]
    if patch.operation is Operation.REMOVE:
        kept = [one for one in message.virtual_hosts if one not in found]
        del message.virtual_hosts[:]
        message.virtual_hosts.extend(kept)
    else:
        for one in found:
            _merge_host(one, patch)
    return bool(found)


def _merge_host(message: VirtualHost, patch: Patch) -> None:
    value = VirtualHost.FromString(patch.value)
    value.ClearField("name")
    merge(message, value)


def _fits_host(of: VirtualHost, place: Place, where: RouteWhere) -> bool:
    """Virtual hosts have Istio's names, `reviews.default.svc.cluster.local:9080`, after the prefix of those on demand."""
    name = of.name.rpartition("/")[2]
    names = {of.name, name, *(f"{name}:{port}" for port in place.ports)}
    if where.host and where.host not in names:
        return False
    return not where.domain or where.domain in _spelled(of.domains, place)


def _spelled(domains: Iterable[str], place: Place) -> set[str]:
    """Domains with and without the port."""
    found = set(domains)
    for port in place.ports:
        found |= {one.removesuffix(f":{port}") for one in domains} | {f"{one}:{port}" for one in domains}
    return found


def _route(message: VirtualHost, where: RouteWhere, patch: Patch) -> bool:
    value = Route.FromString(patch.value)
    tunnels = sum(one.match.HasField("connect_matcher") for one in message.routes)
    anywhere = not where.route and not where.action
    made = operated(message.routes, patch.operation, value, lambda one: _fits_route(one, where), anywhere=anywhere, first=tunnels)
    if made is None:
        return False
    del message.routes[:]
    message.routes.extend(made)
    return True


def _fits_route(of: Route, where: RouteWhere) -> bool:
    """A route is known by its whole name (`namespace/resource/rule`) or by that of its rule, as in Istio."""
    if of.match.HasField("connect_matcher") and where.route != of.name:
        return False
    if where.action and of.WhichOneof("action") != where.action:
        return False
    return where.route in ("", of.name, of.name.rpartition("/")[2])
