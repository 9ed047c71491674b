"""How it is said that somebody may not: as Kubernetes does, and who may."""

from weft.controlplane.api.caller import Caller
from weft.controlplane.api.roles import needed
from weft.controlplane.api.status import Refused
from weft.resource.kind import Kind


def forbidden(caller: Caller, verb: str, kind: Kind, namespace: str, name: str = "") -> Refused:
    """The refusal, worded as Kubernetes words it, with the roles that may."""
    where = f' in the namespace "{namespace}"' if namespace else ""
    group = f' in API group "{kind.group}"' if kind.group else ""
    roles = " or ".join(needed(kind, verb, namespace)) or "nobody"
    message = f'{kind.resource} "{name}" is forbidden: {who(caller)} cannot {verb} resource "{kind.plural}"{group}{where}'
    return Refused(403, "Forbidden", f"{message}: it takes the role {roles}", group=kind.group, about=kind.plural, name=name)


def who(caller: Caller) -> str:
    """The caller and its role, in words."""
    return f'User "{caller.name}" ({caller.role or "without a role"})'
