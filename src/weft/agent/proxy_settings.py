"""How Envoys are started, as ProxyConfigs say it and the control plane said it last; kept on disk, so that an Envoy that begins
while the control plane is away begins so.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError

from weft.proto import node_pb2

CODE = "proxy-restart-needed"
_LOADER = ("LD_", "DYLD_", "GLIBC_")  # these decide which code runs: nobody far away says so


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one Envoy. `concurrency` None: nothing is said; 0: a worker thread for each processor."""

    concurrency: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class ProxySettings:
    """Those of all proxies of the node."""

    def __init__(self, path: Path | None = None) -> None:
        """`path`: where they are kept."""
        self._path = path
        self._said = node_pb2.AllProxySettings()
        if path:
            with suppress(OSError, DecodeError):
                self._said = node_pb2.AllProxySettings.FromString(path.read_bytes())

    def take(self, said: node_pb2.AllProxySettings) -> None:
        """The control plane says all of them anew."""
        self._said = said
        if self._path:
            with suppress(OSError):
                self._path.write_bytes(said.SerializeToString())

    def of(self, key: str) -> Settings:
        """Those of the proxy `namespace/name`."""
        if key not in self._said.proxies:
            return Settings()
        said = self._said.proxies[key]
        environment = {name: value for name, value in said.environment.items() if not name.startswith(_LOADER)}
        return Settings(said.concurrency if said.HasField("concurrency") else None, environment)
