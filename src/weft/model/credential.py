"""What Secrets and ConfigMaps hold for TLS: a certificate with its key, authorities to check peers with, and what they revoked.

A key is told to the proxies whose own configuration names its Secret, and to nobody else: never print one.
"""

from dataclasses import dataclass, field

from weft.ref import Ref

SECRET, CONFIG_MAP = "Secret", "ConfigMap"


def credential_key(kind: str, namespace: str, name: str) -> str:
    """`Secret/default/web`: the key of a credential in a mesh, and what depends on it depends on."""
    return f"{kind}/{namespace}/{name}"


@dataclass(frozen=True, slots=True)
class Credential:
    """One Secret or ConfigMap, PEM; and the secret of a client of an OpenID provider. `problem` says why certificate and key
    cannot be shown, `distrust` why the authorities cannot be used; each is empty when they can."""

    key: str
    origin: Ref
    chain: bytes = field(default=b"", repr=False)
    private_key: bytes = field(default=b"", repr=False)
    authorities: bytes = field(default=b"", repr=False)
    revoked: bytes = field(default=b"", repr=False)
    client_secret: bytes = field(default=b"", repr=False)
    problem: str = ""
    distrust: str = ""
