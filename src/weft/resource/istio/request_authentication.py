"""RequestAuthentication: which tokens are accepted, from whom, and where they are looked for."""

from weft.resource.field import DurationOrZero, Message
from weft.resource.istio.authorization_policy import PolicyTargetReference
from weft.resource.istio.selector import WorkloadSelector


class JwtHeader(Message, frozen=True, kw_only=True):
    """A header with a token, after `prefix`."""

    name: str
    prefix: str = ""


class ClaimToHeader(Message, frozen=True, kw_only=True):
    """A claim of an accepted token, told to the application in a header. Claims within claims are joined by dots."""

    header: str
    claim: str


class JwtRule(Message, frozen=True, kw_only=True):
    """The tokens of one issuer. Without places they are looked for in `Authorization: Bearer` and the query's `access_token`.
    Its keys are `jwks`, or fetched from `jwksUri`, or from where the issuer's OpenID configuration says."""

    issuer: str
    audiences: tuple[str, ...] = ()
    jwks_uri: str = ""
    jwks: str = ""
    from_headers: tuple[JwtHeader, ...] = ()
    from_params: tuple[str, ...] = ()
    from_cookies: tuple[str, ...] = ()
    output_payload_to_header: str = ""
    forward_original_token: bool = False
    output_claim_to_headers: tuple[ClaimToHeader, ...] = ()
    timeout: DurationOrZero = ""
    space_delimited_claims: tuple[str, ...] = ()


class RequestAuthentication(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/security/request_authentication/

    A request with a token that no rule accepts is refused; one without a token passes, and is nobody to policies.
    """

    selector: WorkloadSelector | None = None
    target_ref: PolicyTargetReference | None = None
    target_refs: tuple[PolicyTargetReference, ...] = ()
    jwt_rules: tuple[JwtRule, ...] = ()
