"""What is told in place of something that does not exist or cannot be sent.

Envoy asks for a virtual host or a cluster on demand once in its life and holds the request meanwhile, so silence hangs and a
removal is a 404 for ever: every question gets an answer with words in it, to be replaced when there is a better one.
"""

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.route.v3.route_components_pb2 import VirtualHost

from weft.envoy.types import CLUSTER, VIRTUAL_HOST, EnvoyResource, envoy_resource

# `|` cannot stand in a host name, so that no name that a caller asks for is ever one of ours.
_OWN = "|"


def placeholder_name(route_config: str) -> str:
    """The virtual host without callers that lets a listener finish warming."""
    return f"{route_config}/{_OWN}placeholder"


def placeholder(route_config: str) -> EnvoyResource:
    """One virtual host nobody calls: a listener stays warming until its first VHDS update carries at least one."""
    name = placeholder_name(route_config)
    return envoy_resource(VIRTUAL_HOST, name, VirtualHost(name=name, domains=["placeholder.weft.invalid"]))


def answering_virtual_host(name: str, domains: tuple[str, ...], status: int, words: str) -> EnvoyResource:
    """The virtual host `name` that answers everything with `status` and `words`. Without domains nobody reaches it."""
    message = VirtualHost(
        name=name,
        domains=domains or (f"{name.rpartition(_OWN)[2].rpartition('/')[2]}.weft.invalid",),
        routes=[{"match": {"prefix": "/"}, "direct_response": {"status": status, "body": {"inline_string": words}}}],
    )
    return envoy_resource(VIRTUAL_HOST, name, message)


def rejected_virtual_host(name: str, domains: tuple[str, ...], offender: str, reason: str) -> EnvoyResource:
    """What callers of a host get whose configuration Envoy refused and of which there is no older version."""
    words = f"weft: the configuration of this host was rejected by its proxy: {offender}: {reason}\n"
    return answering_virtual_host(name, domains, 503, words)


def shared_name(route_config: str, group: str) -> str:
    """The virtual host that many unknown hosts share."""
    return f"{route_config}/{_OWN}shared{_OWN}{group}"


def is_own(name: str) -> bool:
    """Whether a virtual host is one of ours, that no caller asked for by name."""
    return _OWN in name.rpartition("/")[2]


def empty_cluster(name: str) -> EnvoyResource:
    """A cluster without endpoints: a connection to it fails at once, where a missing one hangs until the timeout."""
    return envoy_resource(CLUSTER, name, Cluster(name=name, type="STATIC", connect_timeout={"seconds": 1}))


def is_plain_host(host: str) -> bool:
    """Whether `host` may stand as a virtual host's domain: no wildcard, no strange character, no absurd length."""
    return 0 < len(host) <= 270 and all(c.isascii() and (c.isalnum() or c in ".-_:[]%") for c in host)
