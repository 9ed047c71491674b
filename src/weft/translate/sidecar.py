"""Istio's Sidecar into the model. Who wins among several is `model.precedence.sidecar`.

https://istio.io/latest/docs/reference/config/networking/sidecar/
"""

from collections.abc import Iterator

from weft.hostname import full_name
from weft.model.gateway import Server
from weft.model.labels import labels
from weft.model.mesh import Settings
from weft.model.route import Destination
from weft.model.sidecar import Egress, Ingress, Sidecar
from weft.ref import Ref
from weft.resource.istio import sidecar as spec
from weft.resource.resource import Resource
from weft.translate.istio_gateways import ended_by
from weft.translate.istio_traffic import connection_pool
from weft.translate.statement import Reference, Statement

_ALL = frozenset(("HTTP_PROXY",))  # an explicit proxy's port is not the port that is called


def sidecar(resource: Resource, written: spec.Sidecar, settings: Settings) -> Statement:
    """A Sidecar."""
    meta, ref, policy = resource.meta, resource.ref, written.outbound_traffic_policy
    said = Sidecar(
        meta.namespace,
        ref,
        labels(written.workload_selector.labels) if written.workload_selector else (),
        tuple(_egress(one, meta.namespace, settings) for one in written.egress),
        tuple(_ingress(one, ref.at(f"spec.ingress[{i}]")) for i, one in enumerate(written.ingress)),
        connection_pool(written.inbound_connection_pool) if written.inbound_connection_pool else None,
        None if policy is None else policy.mode == "ALLOW_ANY",
        _egress_proxy(policy, meta.namespace, settings),
        meta.creation_timestamp,
    )
    return Statement(ref, sidecar=said, references=tuple(_references(said, ref)))


def _egress(of: spec.EgressListener, namespace: str, settings: Settings) -> Egress:
    port = of.port.number if of.port and of.port.protocol.upper() not in _ALL else 0
    return Egress(tuple(found for one in of.hosts if (found := _host(one, namespace, settings))), port)


def _host(written: str, namespace: str, settings: Settings) -> tuple[str, str] | None:
    owner, _, host = written.rpartition("/")
    if owner == "~":
        return None
    if owner == "." and namespace == settings.root_namespace:
        return owner, host.lower()  # of whoever obeys it
    owner = namespace if owner == "." else owner or "*"
    return owner, full_name(host, namespace if owner == "*" else owner, settings.domain)


def _ingress(of: spec.IngressListener, origin: Ref) -> Ingress:
    host, port, socket = _endpoint(of.default_endpoint)
    pool = connection_pool(of.connection_pool) if of.connection_pool else None
    return Ingress(of.port.number, of.port.protocol, host, port, socket, pool, _tls(of, origin))


def _tls(of: spec.IngressListener, origin: Ref) -> Server | None:
    return ended_by(of.tls, of.port.number, origin.at("tls")) if of.tls and of.tls.mode in ("SIMPLE", "MUTUAL") else None


def _endpoint(written: str) -> tuple[str, int, str]:
    """Host, port and socket. Of the workload's own address only the port is said."""
    if written.startswith("unix://"):
        return "", 0, written.removeprefix("unix://")
    host, _, port = written.rpartition(":")
    host = host.strip("[]")
    return "" if host in ("0.0.0.0", "::") else host, int(port) if port.isdigit() else 0, ""


def _egress_proxy(of: spec.OutboundTrafficPolicy | None, namespace: str, settings: Settings) -> Destination | None:
    to = of.egress_proxy if of else None
    if to is None:
        return None
    return Destination(full_name(to.host, namespace, settings.domain), to.subset, (to.port.number or 0) if to.port else 0)


def _references(of: Sidecar, ref: Ref) -> Iterator[Reference]:
    if to := of.egress_proxy:
        yield Reference(to.host, ref.at("spec.outboundTrafficPolicy.egressProxy"), to.subset, to.port, any_port=False)
