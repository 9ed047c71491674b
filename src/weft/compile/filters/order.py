"""The HTTP filter chains, in order, with the reason for each place."""

from collections.abc import Callable

from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from weft.compile.filters.cors import cors
from weft.compile.filters.dynamic_forward_proxy import dynamic_forward_proxy
from weft.compile.filters.fault import fault
from weft.compile.filters.on_demand import on_demand
from weft.compile.filters.router import router
from weft.compile.filters.set_filter_state import set_filter_state

Chain = tuple[tuple[Callable[[], HttpFilter], str], ...]

OUTBOUND: Chain = (
    (on_demand, "first: until the virtual host is here no other filter knows its route"),
    (cors, "a preflight is answered by the route's policy and needs no upstream, and no fault"),
    (fault, "before anything is resolved or dialled: an aborted request must not reach anybody"),
    (set_filter_state, "says what to dial, so before who dials"),
    (dynamic_forward_proxy, "holds the request until the name is resolved; after fault, which may end it"),
    (router, "always last: it ends the chain"),
)

KNOWN_HOSTS: Chain = (*(entry for entry in OUTBOUND if entry[0] is not on_demand),)
"""Gateways and upstreams: all their hosts are known, nothing is asked for."""

INBOUND: Chain = ((router, "requests of the mesh go straight to the application; who may send them is decided before"),)


def http_filters(chain: Chain) -> list[HttpFilter]:
    """The filters of a chain."""
    return [make() for make, _ in chain]
