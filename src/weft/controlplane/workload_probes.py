"""The probes of WorkloadGroups, as agents are told them.

Defaults are Kubernetes': https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
"""

from collections.abc import Iterable

from weft.proto import node_pb2
from weft.resource.istio.workload_group import Probe, WorkloadGroup
from weft.translate.mesh import Translation

WORKLOAD_GROUPS = "workloadgroups.networking.istio.io"


def probes(groups: Iterable[str], translation: Translation) -> node_pb2.Probes:
    """Those of the groups `namespace/name`; an empty one for each that says none, or is not there."""
    found = {}
    for key in groups:
        group = translation.group(key)
        said = group.spec.probe if group and isinstance(group.spec, WorkloadGroup) else None
        found[key] = _probe(said) if said else node_pb2.Probe()
    return node_pb2.Probes(groups=found)


def _probe(of: Probe) -> node_pb2.Probe:
    message = node_pb2.Probe(
        initial_delay=of.initial_delay_seconds,
        timeout=of.timeout_seconds or 1,
        period=of.period_seconds or 10,
        successes=of.success_threshold or 1,
        failures=of.failure_threshold or 3,
    )
    if of.http_get:
        message.way, message.port, message.path = "http", of.http_get.port, of.http_get.path or "/"
        message.host, message.tls = of.http_get.host, of.http_get.scheme.upper() == "HTTPS"
        message.headers.extend(node_pb2.ProbeHeader(name=one.name, value=one.value) for one in of.http_get.http_headers)
    elif of.tcp_socket:
        message.way, message.port, message.host = "tcp", of.tcp_socket.port, of.tcp_socket.host
    elif of.grpc:
        message.way, message.port, message.service = "grpc", of.grpc.port, of.grpc.service
    elif of.exec:
        message.way = "exec"
        message.command.extend(of.exec.command)
    return message
