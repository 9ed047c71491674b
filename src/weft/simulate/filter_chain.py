"""Which filter chain of a listener takes a connection.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener_components.proto#config-listener-v3-filterchainmatch
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from envoy.config.core.v3.address_pb2 import CidrRange
from envoy.config.listener.v3.listener_components_pb2 import FilterChain
from envoy.config.listener.v3.listener_pb2 import Listener

from weft.simulate.held import Unreadable

_KNOWN = {"server_names", "transport_protocol", "application_protocols", "source_prefix_ranges"}


_MESH = "istio"  # the ALPN of the mesh's own mTLS


def filter_chain(of: Listener, sni: str, source: str, *, meshed: bool = False) -> FilterChain | None:
    """The chain for a connection from the address `source` whose TLS asks for `sni` (empty: it is no TLS); the more specific name
    first, then a chain that asks for TLS before one that asks for nothing, then one for the mesh's own (`meshed`), then the
    narrower network. None: the connection is closed."""
    best = max(_fitting(of, sni, source, meshed), key=lambda found: found[0], default=None)
    if best:
        return best[1]
    return of.default_filter_chain if of.HasField("default_filter_chain") else None


def _fitting(of: Listener, sni: str, source: str, meshed: bool) -> Iterator[tuple[tuple[int, int, int, int], FilterChain]]:
    for chain in of.filter_chains:
        match = chain.filter_chain_match
        if unknown := {field.name for field, _ in match.ListFields()} - _KNOWN:
            raise Unreadable(f"a filter chain matched by {sorted(unknown)[0]}")
        name = max((_rank(one, sni) for one in match.server_names), default=1)
        near = max((_narrow(one, source) for one in match.source_prefix_ranges), default=1)
        tls = match.transport_protocol in ("", "tls" if sni or meshed else "raw_buffer")
        spoken = not match.application_protocols or (meshed and _MESH in match.application_protocols)
        if name and near and tls and spoken:
            yield (name, len(match.transport_protocol), len(match.application_protocols), near), chain


def _narrow(of: CidrRange, source: str) -> int:
    """How narrow a range is that `source` is in; 0 when it is not."""
    within = ip_address(source) in ip_network(f"{of.address_prefix}/{of.prefix_len.value}")
    return 2 + of.prefix_len.value if within else 0


def _rank(name: str, sni: str) -> int:
    """How well a name of a chain fits, 0 not at all; 1 is a chain without names."""
    if name.lower() == sni.lower():
        return 1000
    return 1 + len(name) if name.startswith("*.") and sni.lower().endswith(name[1:].lower()) else 0
