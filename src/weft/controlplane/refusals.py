"""A refusal of Envoy in the operator's terms: which resource, which field, and Envoy's words."""

from collections.abc import Iterable, Sequence

from weft.controlplane.canary.canary import Canary, Refusal
from weft.controlplane.touched import Touched
from weft.envoy.names import parse_outbound
from weft.envoy.types import CLUSTER, LISTENER, ROUTE_CONFIGURATION, EnvoyResource, TypeUrl
from weft.finding import Finding
from weft.messages import finding
from weft.ref import Ref
from weft.resource.istio.destination_rule import DestinationRule
from weft.resource.resource import Resource

_OURS = ("Service", "WorkloadEntry", "Namespace", "Node")
"""Kinds from which only what we ourselves wrote is made: Envoy is not asked about it."""


async def refusals(canary: Canary, made: Sequence[Touched]) -> tuple[Refusal, ...]:
    """What of `made` cannot be said to Envoy, or is refused by it."""
    unsaid = tuple(Refusal(one.resource, one.problem) for one in made if one.problem)
    return unsaid + await canary.judge([one.resource for one in made if not one.problem and is_operators(one.resource)])


def is_operators(of: EnvoyResource) -> bool:
    """Whether an Envoy resource carries what an operator may have written otherwise than Envoy takes it."""
    return any(map(is_operators_kind, of.origins))


def is_operators_kind(ref: Ref) -> bool:
    """Whether a resource of this kind may say something to Envoy in words of its own."""
    return ref.kind not in _OURS


def blamed(refusal: Refusal) -> tuple[Ref, ...]:
    """The whole refs of what it was made from, the one of the refused route first."""
    found = {ref.resource: None for ref in refusal.resource.origins if is_operators_kind(ref)}
    return tuple(sorted(found, key=lambda ref: (not _is_of(refusal.field, ref), ref)))


def said(code: str, refusal: Refusal, resource: Resource, hint: str = "") -> Finding:
    """The finding about `resource`, at the field that was refused as far as it is known."""
    field = _field(refusal, resource)
    ref = resource.ref.at(field) if field else resource.ref
    return finding(code, ref, what=what(refusal.resource.type_url, refusal.resource.name), words=refusal.words, hint=hint)


def what(type_url: TypeUrl, name: str) -> str:
    """An Envoy resource as people speak of it."""
    kind = {CLUSTER: "the cluster", LISTENER: "the listener", ROUTE_CONFIGURATION: "the routes"}.get(type_url, "the virtual host")
    return f"{kind} {name.rpartition('/')[2]}"


def _is_of(field: str, ref: Ref) -> bool:
    return field == str(ref) or field.startswith(f"{ref} ")


def _field(refusal: Refusal, resource: Resource) -> str:
    ref = resource.ref.resource
    if _is_of(refusal.field, ref):
        return refusal.field.removeprefix(str(ref)).strip()
    outbound = parse_outbound(refusal.resource.name)
    if isinstance(resource.spec, DestinationRule) and outbound:
        return _place(resource.spec, outbound[1])
    if resource.kind.kind == "EnvoyFilter":
        patches = {ref.field for ref in refusal.resource.origins if ref.resource == resource.ref.resource}
        return patches.pop() if len(patches) == 1 else "spec.configPatches"
    return _first(ref for ref in refusal.resource.origins if ref.resource == resource.ref.resource)


def _place(spec: DestinationRule, subset: str) -> str:
    """Where a DestinationRule speaks of a cluster: what a subset says stands over what the whole says."""
    for number, one in enumerate(spec.subsets or ()):
        if one.name == subset and one.traffic_policy:
            return f"spec.subsets[{number}].trafficPolicy"
    return "spec.trafficPolicy"


def _first(refs: Iterable[Ref]) -> str:
    return next((ref.field for ref in sorted(refs) if ref.field), "")
