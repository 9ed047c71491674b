"""Whom to trust in one trust domain: its roots, several while one follows another.

One value stands for it everywhere: the authority makes it, the agent keeps it, and both the Envoys' validation context and the
Workload API are told it. https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md
"""

import base64
import binascii
import hashlib
import re
import textwrap
from dataclasses import dataclass

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_CERTIFICATE = re.compile(f"{_BEGIN}([A-Za-z0-9+/=\\s]+){_END}")


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """`roots` are DER certificates, each once; the first one is that of who signs."""

    trust_domain: str
    roots: tuple[bytes, ...]

    @property
    def pem(self) -> bytes:
        """All roots, one after the other."""
        return b"".join(map(_pem, self.roots))

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """SHA-256 of each root, in hexadecimal digits."""
        return tuple(hashlib.sha256(root).hexdigest() for root in self.roots)


def trust_bundle(trust_domain: str, pem: bytes) -> TrustBundle:
    """The bundle written in `pem`, in its order. Raises ValueError when no certificate is in it, or a broken one."""
    try:
        found = [base64.b64decode(body, validate=False) for body in _CERTIFICATE.findall(pem.decode("ascii", "replace"))]
    except binascii.Error as error:
        raise ValueError(f"a certificate of the trust bundle is not base64: {error}") from error
    if not found:
        raise ValueError("the trust bundle holds no certificate")
    return TrustBundle(trust_domain, tuple(dict.fromkeys(found)))


def _pem(der: bytes) -> bytes:
    lines = textwrap.wrap(base64.b64encode(der).decode(), 64)
    return "\n".join([_BEGIN, *lines, _END, ""]).encode()
