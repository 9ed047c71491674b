"""The rules of WorkloadGroup."""

from weft.resource import names
from weft.resource.field_path import below, child
from weft.resource.istio.workload_group import Probe, WorkloadGroup
from weft.resource.problems import Problems
from weft.resource.validation.labels import labels

_SPEC = "spec"


def workload_group(spec: WorkloadGroup, problems: Problems) -> None:
    """A template is an entry without an address, and each workload has its own."""
    if spec.metadata is not None:
        labels(spec.metadata.labels, "spec.metadata.labels", problems)
    template, place = spec.template, child(_SPEC, "template")
    if template.address:
        problems.invalid(child(place, "address"), "every workload of a group has an address of its own", "remove it")
    labels(template.labels, child(place, "labels"), problems)
    for name in template.ports:
        problems.invalid(below(place, "ports", name), names.label(name.lower()))
    if template.service_account:
        problems.invalid(child(place, "serviceAccount"), names.subdomain(template.service_account))
    if template.locality.count("/") > 2:
        problems.invalid(child(place, "locality"), "a locality has at most three parts", "region/zone/sub-zone")
    if spec.probe is not None:
        _probe(spec.probe, child(_SPEC, "probe"), problems)


def _probe(of: Probe, path: str, problems: Problems) -> None:
    ways = {"httpGet": of.http_get, "tcpSocket": of.tcp_socket, "exec": of.exec, "grpc": of.grpc}
    there = {name: way is not None for name, way in ways.items()}
    if not problems.conflict(path, there, "a probe checks in one way") and not any(there.values()):
        problems.invalid(path, "a way to check is needed: httpGet, tcpSocket, exec or grpc")
    for name in ("initial_delay_seconds", "timeout_seconds", "period_seconds", "success_threshold", "failure_threshold"):
        if getattr(of, name) < 0:
            camel = name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:])
            problems.invalid(child(path, camel), f"{getattr(of, name)} is less than 0")
