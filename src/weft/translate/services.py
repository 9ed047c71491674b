"""Service and ServiceEntry into services, and where their endpoints come from.

A port's protocol is what `appProtocol` says, else its name, else what its application answered; one whose transport is UDP
is UDP.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network

from weft.hostname import full_name, is_wildcard, service_name
from weft.model.labels import labels
from weft.model.locality import TrafficDistribution
from weft.model.mesh import Settings
from weft.model.service import Location, Protocol, Resolution, Service, ServicePort, protocol
from weft.protocol import declared
from weft.resource.core.service import Service as ServiceSpec
from weft.resource.core.service import ServicePort as PortSpec
from weft.resource.istio.service_entry import ServiceEntry
from weft.resource.resource import Resource
from weft.translate.endpoints import inline_instance
from weft.translate.naming import exported
from weft.translate.statement import Backing, Instance, Statement, TargetPort
from weft.translate.virtual_addresses import held

ASKED = "mesh.weft.dev/asked-protocols"
"""The annotation with what applications answered that were asked what they speak, as JSON: `{"9080": "http"}`."""

EXPORT_TO = "networking.istio.io/exportTo"
DISTRIBUTION = "networking.istio.io/traffic-distribution"

DISTRIBUTIONS = {
    "PreferClose": TrafficDistribution.SAME_ZONE,
    "PreferSameZone": TrafficDistribution.SAME_ZONE,
    "PreferSameNode": TrafficDistribution.SAME_NODE,
    "Any": TrafficDistribution.ANY,
}

_RESOLUTIONS = {
    "NONE": Resolution.NONE,
    "STATIC": Resolution.STATIC,
    "DNS": Resolution.DNS,
    "DNS_ROUND_ROBIN": Resolution.DNS_ROUND_ROBIN,
    "DYNAMIC_DNS": Resolution.DNS,
}


def core_service(resource: Resource, spec: ServiceSpec, settings: Settings) -> Statement:
    """A Kubernetes Service. Its endpoints are the WorkloadEntries of its namespace that its selector selects."""
    meta, ref = resource.meta, resource.ref
    hostname = service_name(meta.name, meta.namespace, settings.domain)
    targets = tuple(_target(port) for port in spec.ports)
    asked = asked_protocols(meta.annotations.get(ASKED, ""))
    ports = tuple(_port(port, target, asked) for port, target in zip(spec.ports, targets, strict=True))
    addresses = spec.cluster_ips or (spec.cluster_ip,)
    service = Service(
        hostname,
        meta.namespace,
        meta.name,
        ports,
        ref,
        export_to=exported(_annotation(meta.annotations.get(EXPORT_TO, "")), meta.namespace),
        addresses=tuple(_canonical(address) for address in addresses if address not in ("", "None")),
        created=meta.creation_timestamp,
        affinity=spec.session_affinity == "ClientIP",
        distribution=DISTRIBUTIONS.get(meta.annotations.get(DISTRIBUTION, "") or spec.traffic_distribution),
        headless=spec.cluster_ip == "None" or "None" in spec.cluster_ips,
    )
    if spec.type == "ExternalName":
        return _another_name(service, spec.external_name, targets, settings)
    unready, sliced = spec.publish_not_ready_addresses, not spec.selector
    backing = Backing(hostname, meta.namespace, targets, labels(spec.selector), (), unready, sliced)
    return Statement(ref, services=(service,), backings=(backing,))


def _another_name(of: Service, name: str, targets: tuple[TargetPort, ...], settings: Settings) -> Statement:
    """A Service that stands for another host: one of the mesh, or one outside that DNS resolves."""
    host = full_name(name, of.namespace, settings.domain)
    service = replace(of, location=Location.EXTERNAL, resolution=Resolution.DNS, alias=host, headless=False)
    backing = Backing(of.hostname, of.namespace, targets, (), (Instance("", of.namespace, host),))
    return Statement(of.origin, services=(service,), backings=(backing,))


def _canonical(address: str) -> str:
    """An address or range in the one form that equal ones have."""
    found = ip_network(address, strict=False)
    return str(found) if "/" in address else str(found.network_address)


def _annotation(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def asked_protocols(text: str) -> dict[int, str]:
    """The protocols by port number in the annotation `ASKED`; none in one that is of another form."""
    try:
        return {int(number): str(said) for number, said in json.loads(text or "{}").items() if declared(str(said))}
    except (ValueError, TypeError, AttributeError):
        return {}


def _port(port: PortSpec, target: TargetPort, asked: Mapping[int, str]) -> ServicePort:
    said = declared(port.app_protocol or port.name) or protocol(asked.get(port.port, ""))
    spoken = Protocol.UDP if port.protocol == "UDP" else said
    elsewhere = target.target if target.target != port.port else 0
    return ServicePort(port.port, port.name, spoken, elsewhere)


def _target(port: PortSpec) -> TargetPort:
    match port.target_port:
        case str(name) if not name.isdigit():
            return TargetPort(port.name, port.port, port.port, name)
        case None | 0:
            return TargetPort(port.name, port.port, port.port)
        case number:
            return TargetPort(port.name, port.port, int(number))


def service_entry(resource: Resource, spec: ServiceEntry, settings: Settings) -> Statement:
    """A ServiceEntry: one service for each of its hosts, all with the same ports and endpoints."""
    meta, ref = resource.meta, resource.ref
    ports = tuple(
        ServicePort(port.number, port.name, protocol(port.protocol or port.name), port.target_port or 0) for port in spec.ports
    )
    first = Service(
        "",
        meta.namespace,
        meta.name,
        ports,
        ref,
        Location.INTERNAL if spec.location == "MESH_INTERNAL" else Location.EXTERNAL,
        _RESOLUTIONS[spec.resolution],
        exported(spec.export_to, meta.namespace),
        spec.subject_alt_names,
        tuple(map(_canonical, spec.addresses)),
        meta.creation_timestamp,
        DISTRIBUTIONS.get(meta.annotations.get(DISTRIBUTION, "")),
    )
    virtual = {full_name(host, meta.namespace, settings.domain): said for host, said in held(resource, spec).items()}
    hosts = tuple(dict.fromkeys(full_name(host, meta.namespace, settings.domain) for host in spec.hosts))
    services = tuple(replace(first, hostname=host, addresses=virtual.get(host, first.addresses)) for host in hosts)
    return Statement(ref, services=services, backings=tuple(_backing(service, spec) for service in services))


def _backing(service: Service, spec: ServiceEntry) -> Backing:
    ports = tuple(TargetPort(port.name, port.number, port.target_port or port.number) for port in spec.ports)
    selector = labels(spec.workload_selector.labels) if spec.workload_selector else ()
    instances = tuple(inline_instance(service.namespace, endpoint) for endpoint in spec.endpoints)
    if not instances and not selector and _resolves(service):
        instances = (Instance("", service.namespace, service.hostname),)
    if service.resolution is Resolution.NONE:
        instances, selector = (), ()
    return Backing(service.hostname, service.namespace, ports, selector, instances)


def _resolves(service: Service) -> bool:
    """Whether the host itself is the name to resolve."""
    return service.resolution in (Resolution.DNS, Resolution.DNS_ROUND_ROBIN) and not is_wildcard(service.hostname)
