"""The DestinationRule that a VirtualService's subsets need, ready to paste.

The labels of a subset are guessed from what its service's endpoints carry: a subset is mostly called what the label
`version` says.
"""

from collections.abc import Iterable, Sequence

from weft.model.labels import Labels
from weft.model.mesh import Mesh
from weft.model.precedence import endpoints, patterns, service
from weft.model.service import Service
from weft.model.traffic import ServicePolicy
from weft.translate.statement import Reference

_LABEL = "version"


def missing_subsets_hint(mesh: Mesh, missing: Sequence[Reference], namespace: str) -> str:
    """What to apply, or to add to the DestinationRule that is there, so that `missing` (all of one host) exist."""
    host = missing[0].host
    known = service(mesh, host, namespace)
    assert known is not None
    carried = [endpoint.labels for endpoint in endpoints(mesh, known)]
    subsets = [
        f"  - name: {name}\n    labels:\n      {_label(name, carried)}: {name}"
        for name in dict.fromkeys(reference.subset for reference in missing)
    ]
    rule = _rule_of(mesh, host, known, namespace)
    if rule:
        return "\n".join((f"add to spec.subsets of {rule.origin}:", *subsets))
    return "\n".join(
        (
            "apply this DestinationRule:",
            "apiVersion: networking.istio.io/v1",
            "kind: DestinationRule",
            "metadata:",
            f"  name: {known.name}",
            f"  namespace: {known.namespace}",
            "spec:",
            f"  host: {_short(host, known, mesh.settings.domain)}",
            "  subsets:",
            *subsets,
        )
    )


def _rule_of(mesh: Mesh, host: str, known: Service, namespace: str) -> ServicePolicy | None:
    """The DestinationRule that a caller in `namespace` would find for the host now."""
    owners = (namespace, known.namespace, mesh.settings.root_namespace)
    rules = [rule for key in patterns(host) for rule in mesh.policies.get(key, ()) if rule.namespace in owners]
    return min(rules, key=lambda rule: (owners.index(rule.namespace), rule.host.startswith("*")), default=None)


def _label(value: str, carried: Iterable[Labels]) -> str:
    """The label that has `value` at some endpoint; `version` when it has, or when none does."""
    keys = sorted({key for of in carried for key, said in of if said == value})
    return keys[0] if keys and _LABEL not in keys else _LABEL


def _short(host: str, known: Service, domain: str) -> str:
    """The host as a resource of the service's own namespace writes it."""
    full = f"{known.name}.{known.namespace}.svc.{domain}"
    return known.name if host == full else f'"{host}"' if host.startswith("*") else host
