"""The HTTP filter chains, in order, with the reason for each place, and which filters only run where a route wants them.

A filter that has nothing to do costs all the same: those that few routes want were 6% of a sidecar's instructions for each
request. They are switched off by the route configuration and on again by what a route says to them. They are not off in the
chain itself (`HttpFilter.disabled`): a request for a host that is not here yet passes a chain that was made before its route was
known, and would miss them.
"""

from collections.abc import Callable

from envoy.config.route.v3.route_components_pb2 import FilterConfig
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from google.protobuf.any_pb2 import Any as AnyMessage

from weft.compile.filters import (
    cors,
    dynamic_forward_proxy,
    fault,
    grpc_web,
    local_ratelimit,
    on_demand,
    ratelimit,
    rbac,
    router,
    set_filter_state,
    stateful_session,
)
from weft.envoy.types import packed

Chain = tuple[tuple[Callable[[], HttpFilter], str], ...]

OUTBOUND: Chain = (
    (on_demand.on_demand, "first: until the virtual host is here no other filter knows its route"),
    (cors.cors, "a preflight is answered by the route's policy and needs no upstream, and no fault"),
    (fault.fault, "before anything is resolved or dialled: an aborted request must not reach anybody"),
    (stateful_session.stateful_session, "says which endpoint, so before the router; after fault, which needs none"),
    (set_filter_state.set_filter_state, "says what to dial, so before who dials"),
    (dynamic_forward_proxy.dynamic_forward_proxy, "holds the request until the name is resolved; after fault, which may end it"),
    (router.router, "always last: it ends the chain"),
)

KNOWN_HOSTS: Chain = (*(entry for entry in OUTBOUND if entry[0] is not on_demand.on_demand),)
"""Gateways and upstreams: all their hosts are known, nothing is asked for."""

GUARD: Chain = (
    (rbac.audit, "decides nothing, and so before who does"),
    (rbac.deny, "what is denied nobody can allow"),
    (rbac.naming, "before who may allow it: afterwards nobody could say who did not"),
    (rbac.allow, "before anything is done for a request that may not be made"),
)

LIMITS: Chain = (
    *local_ratelimit.slots(0, local_ratelimit.SLOTS),
    (ratelimit.asks, "after what a proxy decides by itself: a question takes time"),
    (ratelimit.must_ask, "the same, where nothing passes that nobody counts"),
)
"""After the guard: what may not be asked takes nobody's share."""

INBOUND: Chain = (*GUARD, *LIMITS, (router.router, "what may be asked goes straight to the application"))

GATEWAY: Chain = (*GUARD, *LIMITS, *KNOWN_HOSTS)

INBOUND_GRPC_WEB: Chain = ((grpc_web.grpc_web, "before all that reads gRPC: from here on it is some"), *INBOUND)
"""A port whose protocol is grpc-web: its application speaks gRPC."""

WHERE_WANTED = (cors.NAME, fault.NAME, stateful_session.NAME, set_filter_state.NAME, dynamic_forward_proxy.NAME)
"""The filters that run on those routes only which have something to say to them."""


def widened(chain: Chain, limits: int) -> Chain:
    """The chain with room for so many local limits."""
    more = local_ratelimit.slots(local_ratelimit.SLOTS, local_ratelimit.room(limits))
    place = next((index for index, entry in enumerate(chain) if entry[0] is ratelimit.asks), 0)
    return (*chain[:place], *more, *chain[place:]) if more else chain


def switched_off() -> dict[str, AnyMessage]:
    """What a route configuration says to the filters that its routes switch on."""
    return {name: packed(FilterConfig(disabled=True)) for name in WHERE_WANTED}


def http_filters(chain: Chain) -> list[HttpFilter]:
    """The filters of a chain."""
    return [make() for make, _ in chain]
