"""OidcLogin into the model."""

from weft.model import login as model
from weft.model.labels import labels
from weft.resource.resource import Resource
from weft.resource.weft.oidc_login import OidcLogin
from weft.translate.authentication import keys_at
from weft.translate.statement import Need, Statement


def oidc_login(resource: Resource, spec: OidcLogin) -> Statement:
    """An OidcLogin."""
    said = model.OidcLogin(
        resource.meta.namespace,
        resource.meta.name,
        resource.ref,
        spec.issuer,
        spec.client_id,
        spec.secret_name,
        keys_at(spec.issuer, ""),
        labels(spec.selector.match_labels) if spec.selector else (),
        tuple(sorted({one.name for one in spec.target_refs})),
        tuple(dict.fromkeys(("openid", *spec.scopes))),
        spec.hosts,
        spec.except_paths,
        spec.redirect_path,
        spec.sign_out_path,
        spec.forward_access_token,
    )
    need = Need(spec.secret_name, resource.ref.at("spec.secretName"), client=True)
    return Statement(resource.ref, guarding=said, needs=(need,))
