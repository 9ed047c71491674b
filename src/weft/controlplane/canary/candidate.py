"""What the canary is shown of an Envoy resource: the same message, made harmless.

Whatever waits (endpoints, secrets, routes from elsewhere), binds a port, opens a file of the proxy's machine, resolves a name or
checks health is replaced by something that is there at once: Envoy withholds its refusals while anything warms. All else stays
as it is. A route configuration is shown as its virtual hosts, one by one, so that a change of one of a thousand is one question.
"""

import itertools
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.address_pb2 import SocketAddress
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import CertificateValidationContext
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import DecodeError, Message

from weft.envoy.types import CLUSTER, LISTENER, ROUTE_CONFIGURATION, VIRTUAL_HOST, EnvoyResource, TypeUrl

CERTIFICATE, TRUST = "canary", "canary-trust"
"""The canary's own secrets, in place of all others."""

_LARGEST_DIRECT_RESPONSE = 1 << 20  # as in every route configuration of ours
_addresses = itertools.cycle(range(1, 1 << 16))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One question. Equal content has an equal `key`, whatever resource it is of; `body` is the harmless message's bytes. Two of
    one name, or with one domain, cannot be shown together."""

    type_url: TypeUrl
    key: str
    name: str
    body: bytes
    domains: tuple[str, ...] = ()


def candidates(of: EnvoyResource) -> tuple[Candidate, ...]:
    """The questions about `of`; none for what needs no judging (endpoints, secrets)."""
    kept = _candidates if len(of.body) < _LARGE else _large_candidates
    return kept(of.type_url, of.name, of.version, of.body)


def _made(type_url: TypeUrl, name: str, version: str, body: bytes) -> tuple[Candidate, ...]:
    if type_url == CLUSTER:
        return (Candidate(CLUSTER, f"c{version}", name, _cluster(body)),)
    if type_url == LISTENER:
        return (Candidate(LISTENER, f"l{version}", name, _listener(body)),)
    if type_url == ROUTE_CONFIGURATION:
        return tuple(routes(one) for one in RouteConfiguration.FromString(body).virtual_hosts)
    if type_url == VIRTUAL_HOST:
        host = VirtualHost.FromString(body)
        del host.domains[:]  # of hosts on demand they are ours: only what answers them is in question
        host.name = "host"
        return (routes(host),)
    return ()


_LARGE = 1 << 16
_candidates = lru_cache(maxsize=4096)(_made)
_large_candidates = lru_cache(maxsize=16)(_made)


def routes(host: VirtualHost) -> Candidate:
    """The question about one virtual host. Without domains it is given some where it is asked."""
    shown = VirtualHost()
    shown.CopyFrom(host)
    _tame(shown)
    body = _bytes(shown)
    return Candidate(VIRTUAL_HOST, f"r{_digest(body)}", host.name, body, tuple(host.domains))


def route_configuration(name: str, hosts: tuple[Candidate, ...]) -> bytes:
    """The route configuration in which virtual hosts are asked for together."""
    message = RouteConfiguration(name=name, max_direct_response_body_size_bytes={"value": _LARGEST_DIRECT_RESPONSE})
    for number, one in enumerate(hosts):
        host = message.virtual_hosts.add()
        host.MergeFromString(one.body)
        if not one.domains:
            host.name, host.domains[:] = f"host-{number}", [f"host-{number}.weft.invalid"]
    return _bytes(message)


def parts(of: Candidate) -> tuple[tuple[str, Candidate], ...]:
    """The routes of a virtual host, each alone with the field of the operator's resource that it was made from."""
    host = VirtualHost.FromString(of.body)
    alone = (VirtualHost(name=host.name, domains=host.domains, routes=[route]) for route in host.routes)
    return tuple((_origin(one.routes[0]), routes(one)) for one in alone)


def _origin(of: Any) -> str:
    said = of.metadata.filter_metadata
    return str(said["weft"].fields["origin"].string_value) if "weft" in said else ""


def _bytes(message: Message) -> bytes:
    body: bytes = message.SerializeToString(deterministic=True)
    return body


def _digest(body: bytes) -> str:
    return blake2b(body, digest_size=8).hexdigest()


def _cluster(body: bytes) -> bytes:
    message = Cluster.FromString(body)
    _tame(message)
    if message.type in (Cluster.EDS, Cluster.STRICT_DNS, Cluster.LOGICAL_DNS) and not message.HasField("cluster_type"):
        message.type = Cluster.STATIC
        message.ClearField("eds_cluster_config")
    if message.HasField("load_assignment"):
        del message.load_assignment.endpoints[:]
    return _bytes(message)


def _listener(body: bytes) -> bytes:
    """No port is bound; the address is one that nobody else has, since two listeners must not share one. Envoy takes no UDP
    listener that is not bound: it gets any free port there."""
    message = Listener.FromString(body)
    _tame(message)
    message.ClearField("access_log")  # a file of the proxy's machine
    if message.HasField("address") and message.address.HasField("socket_address"):
        high, low = divmod(next(_addresses), 256)
        message.address.socket_address.address = f"127.77.{high}.{low}"
        udp = message.address.socket_address.protocol == SocketAddress.UDP
        message.address.socket_address.port_value = 0 if udp else 1
        message.address.socket_address.ipv4_compat = False
        message.bind_to_port.value = udp
    return _bytes(message)


def _tame(message: Message) -> None:
    """Makes everything within `message` harmless that would wait for something or open a file."""
    match message:
        case HttpConnectionManager():
            if message.HasField("rds"):
                message.route_config.CopyFrom(RouteConfiguration(name=message.rds.route_config_name))
            message.route_config.validate_clusters.value = False  # the proxies have them; the canary need not
        case CommonTlsContext():
            _tame_tls(message)
        case Packed():
            _tame_packed(message)
            return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = field.message_type.fields_by_name["value"].message_type
            values = list(value.values()) if inner is not None else []
        else:
            values = list(value) if field.is_repeated else [value]
        for each in values:
            _tame(each)


def _tame_packed(message: Packed) -> None:
    try:
        kind = descriptor_pool.Default().FindMessageTypeByName(message.type_url.rpartition("/")[2])
        inner = message_factory.GetMessageClass(kind)()
        inner.ParseFromString(message.value)
    except (KeyError, DecodeError):
        return
    _tame(inner)
    message.value = _bytes(inner)


def _tame_tls(context: CommonTlsContext) -> None:
    certificates = bool(context.tls_certificate_sds_secret_configs or context.tls_certificates)
    context.ClearField("tls_certificates")
    context.ClearField("tls_certificate_sds_secret_configs")
    if certificates:
        context.tls_certificate_sds_secret_configs.add(name=CERTIFICATE)
    if context.HasField("validation_context_sds_secret_config"):
        context.validation_context_sds_secret_config.CopyFrom(_trust())
    if context.HasField("combined_validation_context"):
        context.combined_validation_context.validation_context_sds_secret_config.CopyFrom(_trust())
        _tame_validation(context.combined_validation_context.default_validation_context)
    if context.HasField("validation_context") and _tame_validation(context.validation_context):
        own = CertificateValidationContext()
        own.CopyFrom(context.validation_context)
        context.combined_validation_context.default_validation_context.CopyFrom(own)
        context.combined_validation_context.validation_context_sds_secret_config.CopyFrom(_trust())


def _tame_validation(of: CertificateValidationContext) -> bool:
    """Whether it trusts authorities in a file, which is then forgotten."""
    there = bool(of.HasField("trusted_ca"))
    of.ClearField("trusted_ca")
    of.ClearField("crl")
    return there


def _trust() -> Any:
    return CommonTlsContext(validation_context_sds_secret_config={"name": TRUST}).validation_context_sds_secret_config
