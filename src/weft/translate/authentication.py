"""RequestAuthentication into the model."""

from weft.model import authentication as model
from weft.model.labels import labels
from weft.resource.istio.request_authentication import JwtRule, RequestAuthentication
from weft.resource.resource import Resource
from weft.translate.statement import Statement


def request_authentication(resource: Resource, spec: RequestAuthentication) -> Statement:
    """A RequestAuthentication."""
    targets = (*((spec.target_ref,) if spec.target_ref else ()), *spec.target_refs)
    said = model.RequestAuthentication(
        resource.meta.namespace,
        resource.meta.name,
        resource.ref,
        labels(spec.selector.match_labels) if spec.selector else (),
        tuple(sorted({one.name for one in targets})),
        tuple(_rule(one) for one in spec.jwt_rules),
    )
    return Statement(resource.ref, guarding=said)


def _rule(of: JwtRule) -> model.JwtRule:
    return model.JwtRule(
        of.issuer,
        of.jwks,
        of.audiences,
        tuple((one.name, one.prefix) for one in of.from_headers),
        of.from_params,
        of.from_cookies,
        of.output_payload_to_header,
        of.forward_original_token,
        tuple((one.header, one.claim) for one in of.output_claim_to_headers),
        of.space_delimited_claims,
    )
