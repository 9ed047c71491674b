"""How workloads are checked that join a WorkloadGroup, as the control plane said it last; kept on disk, so that an agent that
begins anew without it knows.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from google.protobuf.message import DecodeError

from weft.agent.instance import HealthCheck, Instance
from weft.proto import node_pb2

_WAYS: Mapping[str, Literal["http", "tcp", "grpc", "exec"]] = {"http": "http", "tcp": "tcp", "grpc": "grpc", "exec": "exec"}
_UNKNOWN = HealthCheck(type="unknown")


class Probes:
    """The probes of all groups that workloads of the node name."""

    def __init__(self, path: Path | None = None) -> None:
        """`path`: where they are kept."""
        self._path = path
        self._said = node_pb2.Probes()
        if path:
            with suppress(OSError, DecodeError):
                self._said = node_pb2.Probes.FromString(path.read_bytes())

    def take(self, said: node_pb2.Probes) -> None:
        """The control plane says all of them anew."""
        self._said = said
        if self._path:
            with suppress(OSError):
                self._path.write_bytes(said.SerializeToString())

    def check(self, instance: Instance) -> HealthCheck | None:
        """How the instance is checked: as its group says, else as it says itself."""
        if not instance.workload_group:
            return instance.health
        key = f"{instance.namespace}/{instance.workload_group}"
        if key not in self._said.groups:
            return _UNKNOWN
        said = self._said.groups[key]
        return _check(said) if said.way in _WAYS else instance.health


def _check(of: node_pb2.Probe) -> HealthCheck:
    return HealthCheck(
        _WAYS[of.way],
        of.path or "/",
        of.port,
        tuple(of.command),
        of.period,
        of.timeout,
        of.failures,
        host=of.host,
        tls=of.tls,
        headers=tuple((one.name, one.value) for one in of.headers),
        service=of.service,
        successes=of.successes,
        initial_delay=of.initial_delay,
        eager=False,
    )
