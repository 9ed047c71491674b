"""SPIFFE IDs as a mesh uses them: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.

The form is Istio's, so that policies and certificates of both can be read by each other. The specification:
https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
"""

import re
from dataclasses import dataclass

_SEGMENT = re.compile(r"[A-Za-z0-9._-]+\Z")
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}\Z")


@dataclass(frozen=True, slots=True, order=True)
class SpiffeId:
    """The identity of a workload. Its text is what stands in the certificate's URI subject alternative name."""

    trust_domain: str
    namespace: str
    service_account: str

    def __str__(self) -> str:
        return f"spiffe://{self.trust_domain}/ns/{self.namespace}/sa/{self.service_account}"


def spiffe_id(text: str) -> SpiffeId:
    """The identity written in `text`. Raises ValueError, naming what is wrong, for anything but the mesh's own form."""
    prefix = "spiffe://"
    if len(text.encode()) > 2048:
        raise ValueError("a SPIFFE ID has at most 2048 bytes")
    if not text.startswith(prefix):
        raise ValueError(f"a SPIFFE ID begins with {prefix}: {text!r}")
    trust_domain, *path = text[len(prefix) :].split("/")
    if not _TRUST_DOMAIN.match(trust_domain):
        raise ValueError(f"the trust domain has only lower-case letters, digits, dots, dashes and underscores: {text!r}")
    match path:
        case ["ns", namespace, "sa", account] if _is_segment(namespace) and _is_segment(account):
            return SpiffeId(trust_domain, namespace, account)
    raise ValueError(f"a workload's path is /ns/<namespace>/sa/<service account>: {text!r}")


def _is_segment(text: str) -> bool:
    return bool(_SEGMENT.match(text)) and text not in (".", "..")
