"""EnvoyFilter into the model: selectors, and patches whose values are Envoy's messages.

https://istio.io/latest/docs/reference/config/networking/envoy-filter/
"""

from collections.abc import Iterator

from weft.model.extension import ApplyTo, ClusterWhere, Context, EnvoyFilter, ListenerWhere, Operation, Patch, RouteWhere
from weft.model.labels import Labels, labels
from weft.ref import Ref
from weft.resource import envoy_message
from weft.resource.istio.envoy_filter import (
    ClusterMatch,
    ConfigPatch,
    ListenerMatch,
    ObjectMatch,
    RouteConfigurationMatch,
)
from weft.resource.istio.envoy_filter import EnvoyFilter as Spec
from weft.resource.resource import Resource
from weft.resource.validation.envoy_filter import MESSAGES
from weft.translate.gateway_api.written import GATEWAY_NAME
from weft.translate.statement import Statement

_OLD_NAMES = {
    "envoy.http_connection_manager": "envoy.filters.network.http_connection_manager",
    "envoy.tcp_proxy": "envoy.filters.network.tcp_proxy",
    "envoy.router": "envoy.filters.http.router",
    "envoy.cors": "envoy.filters.http.cors",
    "envoy.fault": "envoy.filters.http.fault",
    "envoy.lua": "envoy.filters.http.lua",
    "envoy.listener.tls_inspector": "envoy.filters.listener.tls_inspector",
}
"""Names that filters had before Envoy 1.14, and that many an EnvoyFilter still matches by."""


def envoy_filter(resource: Resource, spec: Spec) -> Statement:
    """An EnvoyFilter."""
    meta, ref = resource.meta, resource.ref
    said = EnvoyFilter(
        meta.namespace,
        meta.name,
        ref,
        tuple(_patches(spec, ref)),
        tuple(_selectors(spec)),
        spec.priority,
        meta.creation_timestamp,
    )
    return Statement(ref, envoy_filter=said)


def _selectors(spec: Spec) -> Iterator[Labels]:
    """A Gateway of the Gateway API is served by the workloads that carry its name."""
    if not spec.target_refs:
        yield labels(spec.workload_selector.labels) if spec.workload_selector else ()
    for one in spec.target_refs:
        if one.kind == "Gateway":
            yield ((GATEWAY_NAME, one.name),)


def _patches(spec: Spec, ref: Ref) -> Iterator[Patch]:
    for number, one in enumerate(spec.config_patches):
        if one.apply_to != "BOOTSTRAP":
            yield _patch(one, ref.at(f"spec.configPatches[{number}]"))


def _patch(of: ConfigPatch, origin: Ref) -> Patch:
    match = of.match or ObjectMatch()
    place = of.patch.filter_class
    return Patch(
        origin,
        ApplyTo(of.apply_to),
        Operation(of.patch.operation),
        _value(of),
        Context(match.context),
        match.proxy.proxy_version if match.proxy else "",
        labels(match.proxy.metadata) if match.proxy else (),
        _where(match),
        "" if place == "UNSPECIFIED" else place,
    )


def _value(of: ConfigPatch) -> bytes:
    if of.patch.operation == "REMOVE":
        return b""
    made = envoy_message.read(of.patch.value, MESSAGES[of.apply_to], "", lambda *_: None)
    return b"" if made is None else made.SerializeToString(deterministic=True)  # None: it was refused when it was read


def _where(match: ObjectMatch) -> ListenerWhere | RouteWhere | ClusterWhere | None:
    if match.listener:
        return _listener(match.listener)
    if match.route_configuration:
        return _routes(match.route_configuration)
    return _cluster(match.cluster) if match.cluster else None


def _listener(of: ListenerMatch) -> ListenerWhere:
    chain = of.filter_chain
    inner = chain.filter if chain else None
    protocols = chain.application_protocols.split(",") if chain else []
    return ListenerWhere(
        of.name,
        of.port_number or 0,
        of.port_name,
        chain.name if chain else "",
        chain.sni if chain else "",
        chain.transport_protocol if chain else "",
        tuple(one.strip() for one in protocols if one.strip()),
        (chain.destination_port if chain else None) or 0,
        _new(inner.name) if inner else "",
        _new(inner.sub_filter.name) if inner and inner.sub_filter else "",
        _new(of.listener_filter),
    )


def _new(name: str) -> str:
    return _OLD_NAMES.get(name, name)


def _routes(of: RouteConfigurationMatch) -> RouteWhere:
    host = of.vhost
    route = host.route if host else None
    return RouteWhere(
        of.name,
        of.port_number or 0,
        of.port_name,
        of.gateway,
        host.name if host else "",
        host.domain_name if host else "",
        route.name if route else "",
        "" if route is None or route.action == "ANY" else route.action.lower(),
    )


def _cluster(of: ClusterMatch) -> ClusterWhere:
    return ClusterWhere(of.name, of.port_number or 0, of.service, of.subset)
