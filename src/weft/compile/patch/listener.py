"""Patches of listeners and of what is in them: filter chains, network filters, HTTP filters, listener filters.

What is inserted before everything stands after the filter that fetches a request's routes: before it no filter knows them, and it
would run twice. What is added at the end stands before the filter that ends the chain. Extension configurations are written into
the filters that ask for them by name.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain, ListenerFilter
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
)
from google.protobuf.any_pb2 import Any

from weft.compile.filters import on_demand
from weft.compile.http_connection_manager import NAME as MANAGER
from weft.compile.patch import routes
from weft.compile.patch.merge import merge
from weft.compile.patch.place import Patched, Place, concerns, fits_listener
from weft.compile.patch.sequence import operated
from weft.envoy.types import LISTENER, EnvoyResource, envoy_resource, packed
from weft.model.extension import ApplyTo, ListenerWhere, Operation, Patch

_AUTHENTICATION = ("envoy.filters.http.jwt_authn",)
_AUTHORIZATION = (*_AUTHENTICATION, "envoy.filters.http.ext_authz", "envoy.filters.http.rbac")
_EVERYWHERE = ListenerWhere()
_Named = TypeVar("_Named", Filter, ListenerFilter, HttpFilter)


def listener(of: Patched) -> EnvoyResource:
    """The listener as its patches change it."""
    message = Listener.FromString(of.of.body)
    used = [one for one in of.patches if concerns(one, of.place.side) and _applied(message, of.place, one)]
    if not used:
        return of.of
    _inline(message, of.patches)
    origins = tuple(sorted({*of.of.origins, *(one.origin for one in used)}))
    return envoy_resource(LISTENER, of.of.name, message, clusters=of.of.clusters, hosts=of.of.hosts, origins=origins)


def added(of: Patch) -> EnvoyResource:
    """A listener that a patch adds."""
    message = Listener.FromString(of.value)
    return envoy_resource(LISTENER, message.name, message, origins=(of.origin,))


def is_addition(of: Patch) -> bool:
    """Whether a patch adds a listener."""
    return of.apply_to is ApplyTo.LISTENER and of.operation is Operation.ADD


def is_removal(of: Patch, place: Place) -> bool:
    """Whether a patch removes the listener that stands there."""
    removes = of.apply_to is ApplyTo.LISTENER and of.operation is Operation.REMOVE
    return removes and concerns(of, place.side) and fits_listener(of.where, place)


def _applied(message: Listener, place: Place, patch: Patch) -> bool:
    if patch.apply_to in routes.IN_ROUTES:
        return _inner_routes(message, place, patch)
    if not fits_listener(patch.where, place):
        return False
    where = patch.where if isinstance(patch.where, ListenerWhere) else _EVERYWHERE
    match patch.apply_to:
        case ApplyTo.LISTENER if patch.operation is Operation.MERGE:
            value = Listener.FromString(patch.value)
            value.ClearField("name")
            merge(message, value)
            return True
        case ApplyTo.LISTENER_FILTER:
            return _listener_filter(message, where, patch)
        case ApplyTo.FILTER_CHAIN:
            return _filter_chain(message, where, patch)
        case ApplyTo.NETWORK_FILTER:
            return sum(_network_filter(chain, where, patch) for chain in _chains(message, where)) > 0
        case ApplyTo.HTTP_FILTER:
            return sum(_http_filter(one, where, patch) for chain in _chains(message, where) for one in chain.filters) > 0
    return False


def _listener_filter(message: Listener, where: ListenerWhere, patch: Patch) -> bool:
    value = ListenerFilter.FromString(patch.value)
    sought = where.listener_filter
    made = operated(message.listener_filters, patch.operation, value, _named(sought, value, patch), anywhere=not sought)
    if made is None:
        return False
    del message.listener_filters[:]
    message.listener_filters.extend(made)
    return True


def _filter_chain(message: Listener, where: ListenerWhere, patch: Patch) -> bool:
    value = FilterChain.FromString(patch.value)
    made = operated(message.filter_chains, patch.operation, value, lambda one: _fits_chain(one, where))
    if made is None:
        return False
    del message.filter_chains[:]
    message.filter_chains.extend(made)
    return True


def _network_filter(chain: FilterChain, where: ListenerWhere, patch: Patch) -> bool:
    value = Filter.FromString(patch.value)
    sought, last = where.filter, max(0, len(chain.filters) - 1)
    fits = _named(sought, value, patch)
    made = operated(chain.filters, patch.operation, value, fits, anywhere=not sought, last=last)
    if made is None:
        return False
    del chain.filters[:]
    chain.filters.extend(made)
    return True


def _http_filter(of: Filter, where: ListenerWhere, patch: Patch) -> bool:
    if of.name != MANAGER or where.filter not in ("", MANAGER):
        return False
    value = HttpFilter.FromString(patch.value)
    sought = where.sub_filter
    with _manager(of) as manager:
        names = [one.name for one in manager.http_filters]
        first = 1 if names[:1] == [on_demand.NAME] else 0
        last = max(0, len(names) - 1)
        operation, anywhere = patch.operation, not sought
        if operation is Operation.ADD and patch.place in ("AUTHN", "AUTHZ"):
            last = _after(names, _AUTHENTICATION if patch.place == "AUTHN" else _AUTHORIZATION, first)
        made = operated(
            manager.http_filters, operation, value, _named(sought, value, patch), anywhere=anywhere, first=first, last=last
        )
        if made is None:
            return False
        del manager.http_filters[:]
        manager.http_filters.extend(made)
        return True


def _after(names: list[str], filters: tuple[str, ...], otherwise: int) -> int:
    return max((number + 1 for number, name in enumerate(names) if name in filters), default=otherwise)


def _named(sought: str, value: _Named, patch: Patch) -> Callable[[_Named], bool]:
    """Which filter is looked for. A MERGE that names none is for the filters of its own type; the filter that fetches routes is
    nobody's to remove."""

    def fits(one: _Named) -> bool:
        if one.name == on_demand.NAME:
            return False
        if sought or patch.operation is not Operation.MERGE:
            return bool(one.name == sought)
        return bool(one.name == value.name) or (
            bool(value.typed_config.type_url) and one.typed_config.type_url == value.typed_config.type_url
        )

    return fits


def _chains(message: Listener, where: ListenerWhere) -> Iterator[FilterChain]:
    yield from (one for one in message.filter_chains if _fits_chain(one, where))
    if message.HasField("default_filter_chain") and _fits_chain(message.default_filter_chain, where):
        yield message.default_filter_chain


def _fits_chain(of: FilterChain, where: ListenerWhere) -> bool:
    match = of.filter_chain_match
    return (
        where.chain in ("", of.name)
        and (not where.sni or where.sni in match.server_names)
        and where.transport_protocol in ("", match.transport_protocol)
        and set(where.application_protocols) <= set(match.application_protocols)
        and (not where.filter or any(one.name == where.filter for one in of.filters))
    )


@contextmanager
def _manager(of: Filter) -> Iterator[HttpConnectionManager]:
    """The connection manager in a network filter, to be changed."""
    found = HttpConnectionManager()
    of.typed_config.Unpack(found)
    yield found
    of.typed_config.CopyFrom(packed(found))


def _inner_routes(message: Listener, place: Place, patch: Patch) -> bool:
    """The routes that stand in the listener itself, as a patch may have put them there."""
    used = False
    for one in (one for chain in message.filter_chains for one in chain.filters if one.name == MANAGER):
        with _manager(one) as manager:
            if manager.HasField("route_config"):
                inner = Place(place.side, (manager.route_config.name,), place.ports)
                used |= routes.applied(manager.route_config, inner, patch)
    return used


def _inline(message: Listener, patches: tuple[Patch, ...]) -> None:
    """Puts extension configurations into the filters that ask for them; who asks for one that is nowhere would wait for ever."""
    known = {one.name: one.typed_config for one in map(_extension, patches) if one is not None}
    for chain in (*message.filter_chains, message.default_filter_chain):
        for one in chain.filters:
            if one.name == MANAGER:
                with _manager(one) as manager:
                    _fill(manager, known)


def _extension(of: Patch) -> TypedExtensionConfig | None:
    is_one = of.apply_to is ApplyTo.EXTENSION_CONFIG and of.operation is Operation.ADD
    return TypedExtensionConfig.FromString(of.value) if is_one else None


def _fill(manager: HttpConnectionManager, known: dict[str, Any]) -> None:
    kept = []
    for one in manager.http_filters:
        if one.HasField("config_discovery") and one.config_discovery.config_source.HasField("ads"):
            if one.name not in known:
                continue
            one.typed_config.CopyFrom(known[one.name])
        kept.append(HttpFilter.FromString(one.SerializeToString()))
    if len(kept) != len(manager.http_filters) or known:
        del manager.http_filters[:]
        manager.http_filters.extend(kept)
