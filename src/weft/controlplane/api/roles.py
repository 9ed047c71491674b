"""What each role may do.

A viewer reads everything but Secrets. An operator also writes what decides about traffic. What decides about trust is the
admin's: Secrets, the security API, patches of Envoy's own configuration, nodes, everything in the namespaces that speak for the
whole mesh, and all that is asked of the mesh itself but to be shown something.
"""

from collections.abc import Sequence

from weft.controlplane.api.caller import Role
from weft.resource.kind import Kind

READING = ("get", "list", "watch")
MESH_WIDE = ("istio-system", "weft-system")
"""Namespaces whose resources hold for all others."""

_SECRET = "secrets"
_ADMIN_GROUPS = ("security.istio.io", "extensions.istio.io")
_ADMIN_KINDS = (
    _SECRET,
    "envoyfilters.networking.istio.io",
    "nodes.mesh.weft.dev",
    "oidclogins.mesh.weft.dev",
    "trustdomains.mesh.weft.dev",
)
_ADMIN_PAGES = ("/weft/v1/audit",)
QUESTIONS = ("/weft/v1/policies/test",)
"""Pages that are asked with a body, and write nothing."""


def permits(role: Role | None, verb: str, kind: Kind, namespace: str) -> bool:
    """Whether the role may do that to objects of the kind in the namespace (empty: in all, or a kind without one)."""
    match role:
        case Role.ADMIN:
            return True
        case Role.OPERATOR if verb not in READING:
            everywhere = verb == "deletecollection" and kind.namespaced and not namespace
            return not _is_of_trust(kind) and namespace not in MESH_WIDE and not everywhere
        case Role.VIEWER | Role.OPERATOR:
            return verb in READING and kind.resource != _SECRET
        case _:
            return False


def _is_of_trust(kind: Kind) -> bool:
    return kind.group in _ADMIN_GROUPS or kind.resource in _ADMIN_KINDS


def permits_page(role: Role | None, method: str, path: str) -> bool:
    """Whether the role may ask that of the mesh itself (`/weft/v1/...`) or of the API's documents."""
    if method in ("GET", "HEAD") or path in QUESTIONS:
        return role is Role.ADMIN if path.startswith(_ADMIN_PAGES) else role is not None
    return role is Role.ADMIN


def needed(kind: Kind, verb: str, namespace: str) -> Sequence[Role]:
    """The roles that may."""
    return [role for role in Role if permits(role, verb, kind, namespace)]
