"""What a session needs to know of the configuration: everything one proxy may ask for, at one revision."""

from collections.abc import Iterable
from typing import Protocol

from weft.envoy.types import EnvoyResource


class Snapshot(Protocol):
    """One proxy's configuration at one revision. Every method is pure, cheap when repeated, and answers with the same
    object while its inputs stay the same."""

    def listeners(self) -> tuple[EnvoyResource, ...]:
        """All listeners; what they need (`clusters`) is sent before them."""
        ...

    def route_configuration(self, name: str) -> EnvoyResource | None:
        """A route configuration that a listener names; None when there is none of that name."""
        ...

    def virtual_host(self, route_config: str, host: str) -> EnvoyResource:
        """The virtual host that answers `host` (as the caller wrote it, perhaps with a port). Its `name` is canonical:
        the same for all spellings of one service. An unknown host is a virtual host too: it says so."""
        ...

    def cluster(self, name: str) -> EnvoyResource | None:
        """A cluster by name; None when nothing of that name exists any more."""
        ...

    def endpoints(self, name: str) -> EnvoyResource | None:
        """The endpoints of the EDS cluster `name` (an empty assignment when it has none); None for an unknown cluster."""
        ...

    def secret(self, name: str) -> EnvoyResource | None:
        """The secret `name`, whoever asks: who may have it is decided by what names it. None while there is nothing good."""
        ...

    def eager_clusters(self) -> Iterable[str]:
        """Clusters the proxy holds from the start, besides those its listeners name."""
        ...
