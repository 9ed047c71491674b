"""A listener on a TCP address: what all of ours share.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener.proto
"""

from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import FilterChain
from envoy.config.listener.v3.listener_pb2 import Listener

from weft.model.workload import Address


def socket_listener(name: str, at: Address, chains: list[FilterChain], direction: str, **words: Any) -> Listener:
    """The listener. SO_REUSEPORT is off: with it a second Envoy of the same user would silently share the port instead of being
    told that it is taken. `::` takes IPv4 too, as servers do whose system leaves them the choice."""
    both = {"ipv4_compat": True} if at.host == "::" else {}
    return Listener(
        name=name,
        address={"socket_address": {"address": at.host, "port_value": at.port, **both}},
        filter_chains=chains,
        traffic_direction=direction,
        enable_reuse_port={"value": False},
        tcp_backlog_size={"value": 1024},
        **words,
    )
