"""Settings of the mesh that operators change while it runs."""

from dataclasses import dataclass
from enum import Enum

from weft.ref import Ref

Texts = tuple[str, ...]


class Normalization(Enum):
    """How paths are rewritten before anybody reads them. DEFAULT is BASE, and policies compare paths with what servers may take
    them for."""

    DEFAULT = "DEFAULT"
    NONE = "NONE"
    BASE = "BASE"
    MERGE_SLASHES = "MERGE_SLASHES"
    DECODE_AND_MERGE_SLASHES = "DECODE_AND_MERGE_SLASHES"


@dataclass(frozen=True, slots=True)
class ShownBody:
    """How much of a request's body an authorizer is shown, in bytes; `partial`: a longer one is shown in part."""

    most: int
    partial: bool = False
    as_bytes: bool = False


@dataclass(frozen=True, slots=True)
class HttpQuestion:
    """How an authorizer is asked over HTTP. Names of headers may have a wildcard at one end."""

    path_prefix: str = ""
    shown: Texts = ()
    added: tuple[tuple[str, str], ...] = ()
    to_upstream: Texts = ()
    to_caller_when_denied: Texts = ()
    to_caller_when_allowed: Texts = ()


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Who decides outside of the proxy. `http` None: it speaks gRPC. `timeout` is in seconds, `status` what is answered when
    nobody answers (0: 403), unless it is then let pass (`fail_open`)."""

    name: str
    host: str
    port: int
    timeout: float = 0.0
    fail_open: bool = False
    status: int = 0
    clears_route: bool = False
    body: ShownBody | None = None
    http: HttpQuestion | None = None


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """One MeshConfig. None: nothing said."""

    namespace: str
    origin: Ref
    created: str = ""
    authorizers: tuple[Authorizer, ...] = ()
    normalization: Normalization = Normalization.DEFAULT
    explain_denials: bool | None = None
