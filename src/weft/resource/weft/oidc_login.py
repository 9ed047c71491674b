"""OidcLogin: people who come to a gateway with a browser sign in at an OpenID provider."""

from typing import Annotated

from msgspec import Meta

from weft.resource.field import Message
from weft.resource.istio.authorization_policy import PolicyTargetReference
from weft.resource.istio.selector import WorkloadSelector

Texts = tuple[str, ...]


class OidcLogin(Message, frozen=True, kw_only=True):
    """Who has no session is sent to the provider (authorization code with PKCE), and comes back with one. The identity is that of
    the ID token: policies know it as `request.auth`. https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth"""

    selector: WorkloadSelector | None = None
    target_refs: Annotated[
        tuple[PolicyTargetReference, ...],
        Meta(description="Gateways of gateway.networking.k8s.io in the same namespace; instead of a selector."),
    ] = ()
    issuer: Annotated[str, Meta(description="The provider: its OpenID configuration is asked for everything else.")]
    client_id: Annotated[str, Meta(description="What the provider calls this gateway; ID tokens must be for it.")]
    secret_name: Annotated[
        str, Meta(description="A Secret in the namespace of the gateway's workload, with the key `client-secret`.")
    ]
    scopes: Annotated[Texts, Meta(description="What is asked for; `openid` always is.")] = ()
    hosts: Annotated[
        Texts, Meta(description="Only for these hosts, written as in an AuthorizationPolicy. None: for all of the gateway.")
    ] = ()
    except_paths: Annotated[
        Texts, Meta(description="Paths that need no session: exact, or a prefix with `*` at its end.")
    ] = ()
    redirect_path: Annotated[str, Meta(description="Where the provider sends people back to; register it there.")] = (
        "/oauth2/callback"
    )
    sign_out_path: Annotated[str, Meta(description="Who goes there has no session any more.")] = "/oauth2/sign-out"
    forward_access_token: Annotated[
        bool, Meta(description="Applications get the access token in `Authorization`; else it never leaves the gateway.")
    ] = False
