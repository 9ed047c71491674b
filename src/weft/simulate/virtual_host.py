"""Which virtual host a Host belongs to: an exact domain before `*.suffix`, that before `prefix.*`, the longest first, then `*`.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-virtualhost
"""

from collections.abc import Iterator

from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration


def virtual_host(of: RouteConfiguration, authority: str) -> VirtualHost | None:
    """The virtual host of `authority`; None when there is none."""
    host = authority.lower()
    if of.ignore_port_in_host_matching:
        host = without_port(host)
    best = max(_fitting(of, host), key=lambda found: found[0], default=None)
    return best[1] if best else None


def _fitting(of: RouteConfiguration, host: str) -> Iterator[tuple[tuple[int, int], VirtualHost]]:
    for one in of.virtual_hosts:
        for domain in one.domains:
            if rank := _rank(domain.lower(), host):
                yield rank, one


def _rank(domain: str, host: str) -> tuple[int, int] | None:
    """How well the domain fits, the greater the better; None when it does not. A `*` never stands for nothing."""
    if domain == host:
        return 4, 0
    if domain == "*":
        return 1, 0
    if domain.startswith("*"):
        return (3, len(domain)) if host.endswith(domain[1:]) and len(host) > len(domain) - 1 else None
    if domain.endswith("*"):
        return (2, len(domain)) if host.startswith(domain[:-1]) and len(host) > len(domain) - 1 else None
    return None


def without_port(authority: str) -> str:
    """`authority` without its port; an IPv6 address keeps its brackets."""
    host, colon, port = authority.rpartition(":")
    return host if colon and port.isdigit() and not (":" in host and not host.endswith("]")) else authority
