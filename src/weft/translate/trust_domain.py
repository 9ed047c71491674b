"""TrustDomain into the model: another domain whose workloads are known. Its roots are no part of the mesh: agents hold them."""

from weft.messages import finding
from weft.model.mesh import Settings
from weft.resource.resource import Resource
from weft.translate.statement import Statement


def trust_domain(resource: Resource, settings: Settings) -> Statement:
    """The domain that is called like the resource; the mesh's own, under any of its names, is not another one."""
    name = resource.meta.name
    if name not in (settings.trust_domain, *settings.trust_domain_aliases):
        return Statement(resource.ref, federated=resource.ref)
    why = f"{name} is this mesh's own trust domain"
    hint = "a mesh is federated with others; its own roots are those of its authority"
    return Statement(resource.ref, findings=(finding("no-effect", resource.ref, name="it", why=why, hint=hint),))
