"""TLS towards a service without sidecars, as its own namespace says it: what every caller then speaks, unless it says
otherwise."""

from dataclasses import dataclass

from weft.ref import Ref


@dataclass(frozen=True, slots=True)
class BackendTls:
    """Of the port called `port` of a service; empty: of all its ports. `authorities` are keys of credentials, none: the
    system's."""

    port: str
    hostname: str
    names: tuple[str, ...]
    authorities: tuple[str, ...]
    origin: Ref
