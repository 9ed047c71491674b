"""Who signs in at a gateway, and where."""

from dataclasses import dataclass

from weft.model.labels import Labels
from weft.ref import Ref


@dataclass(frozen=True, slots=True)
class OidcLogin:
    """One OidcLogin. `selector` and `gateways` as those of an AuthorizationPolicy. `keys_at` is where the provider says of itself
    what is needed; `secret` names the Secret with the client's secret, in the gateway's namespace."""

    namespace: str
    name: str
    origin: Ref
    issuer: str
    client_id: str
    secret: str
    keys_at: str
    selector: Labels = ()
    gateways: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("openid",)
    hosts: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()
    redirect_path: str = "/oauth2/callback"
    sign_out_path: str = "/oauth2/sign-out"
    forward: bool = False
