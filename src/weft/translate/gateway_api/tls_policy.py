"""What one BackendTLSPolicy says, before it is known which of several holds."""

from dataclasses import dataclass

from weft.model.credential import credential_key
from weft.ref import Ref

NOBODY = ("Secret//",)
"""Keys of credentials that never are: who trusts only these trusts nobody."""


@dataclass(frozen=True, slots=True)
class BackendTarget:
    """A Service, by its full name and its own, and one port of it by name; empty: all."""

    host: str
    name: str
    port: str
    origin: Ref


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """A policy as it is written. `references` are (group, kind, name) of what holds authorities; `system`: the system's are
    meant."""

    origin: Ref
    targets: tuple[BackendTarget, ...]
    hostname: str
    names: tuple[str, ...]
    references: tuple[tuple[str, str, str], ...]
    system: bool = False
    created: str = ""

    @property
    def authorities(self) -> tuple[str, ...]:
        """The keys of the credentials that are named."""
        return tuple(
            credential_key(kind, self.origin.namespace, name)
            for group, kind, name in self.references
            if (group, kind) in (("", "ConfigMap"), ("", "Secret"))
        )

    @property
    def trusted(self) -> tuple[str, ...]:
        """The same, for who is to check with them: none are the system's."""
        return () if self.system else self.authorities or NOBODY
