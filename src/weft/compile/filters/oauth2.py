"""Sends who has no session to sign in, and keeps the session in cookies that only this gateway can read.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/oauth2_filter

A browser that navigates is redirected; a script that fetches is answered 401, since it cannot follow. What the tokens say
is checked behind this filter, like every token.
"""

import re
from typing import Any

from envoy.config.rbac.v3.rbac_pb2 import RBAC as Rules
from envoy.config.rbac.v3.rbac_pb2 import Policy
from envoy.extensions.filters.http.oauth2.v3.oauth_pb2 import OAuth2, OAuth2Config
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from weft.compile import path_match
from weft.compile.filters.order import Chain
from weft.compile.scope.screening_inputs import Login
from weft.compile.tls import ads
from weft.envoy.names import client_secret, login_cookie, session_secret
from weft.envoy.types import duration, packed

NAME = "envoy.filters.http.oauth2"
_PATIENCE = 5.0
_SESSION = 3600.0  # when the provider does not say how long its access token lives


def before(logins: tuple[Login, ...], chain: Chain) -> Chain:
    """The chain of a gateway at which people sign in."""
    return (*((_made(one), "who has no session has no identity either, so before tokens are read") for one in logins), *chain)


def _made(of: Login) -> Any:
    return lambda: oauth2(of) if of.cluster else closed(of)


def closed(of: Login) -> HttpFilter:
    """The filter while nobody can sign in: it lets in nobody who would have to. Without the secret Envoy would take any
    session."""
    free = [{"header": one} for one in _free(of)]
    allowed = {"free": Policy(permissions=free, principals=[{"any": True}])} if free else {}
    return HttpFilter(name=_name(of), typed_config=packed(RBAC(rules=Rules(action="ALLOW", policies=allowed))))


def _name(of: Login) -> str:
    return f"{NAME}.{of.login.namespace}.{of.login.name}"


def _free(of: Login) -> list[dict[str, Any]]:
    """The headers of requests that need no session."""
    return [*_hosts(of.login.hosts), *map(_excepted, of.login.excepted)]


def oauth2(of: Login) -> HttpFilter:
    """The filter. Its name is that of the login, since a gateway may have several."""
    said = of.login
    config = OAuth2Config(
        token_endpoint={"cluster": of.cluster, "uri": of.token, "timeout": duration(_PATIENCE)},
        authorization_endpoint=of.authorization,
        end_session_endpoint=of.end,
        redirect_uri=f"%REQ(x-forwarded-proto)%://%REQ(:authority)%{said.redirect_path}",
        redirect_path_matcher={"path": {"exact": said.redirect_path}},
        signout_path={"path": {"exact": said.sign_out_path}},
        credentials={
            "client_id": said.client_id,
            "token_secret": {"name": client_secret(of.namespace, said.secret), "sds_config": ads()},
            "hmac_secret": {"name": session_secret(of.namespace, said.secret), "sds_config": ads()},
            "cookie_names": cookies(of),
        },
        auth_scopes=said.scopes,
        forward_bearer_token=said.forward,
        use_refresh_token={"value": True},
        default_expires_in=duration(_SESSION),
        pass_through_matcher=_free(of),
        deny_redirect_matcher=[
            {"name": "x-requested-with", "string_match": {"exact": "XMLHttpRequest"}},
            {"name": "sec-fetch-mode", "string_match": {"exact": "cors"}},
        ],
        stat_prefix=f"{said.namespace}.{said.name}",
    )
    return HttpFilter(name=_name(of), typed_config=packed(OAuth2(config=config)))


def secrets(of: Login) -> tuple[str, ...]:
    """The secrets that it needs."""
    if not of.cluster:
        return ()
    return client_secret(of.namespace, of.login.secret), session_secret(of.namespace, of.login.secret)


def cookies(of: Login) -> dict[str, str]:
    """The names of the cookies."""
    names = ("bearer_token", "oauth_hmac", "oauth_expires", "id_token", "refresh_token", "oauth_nonce", "code_verifier")
    return {name: login_cookie(of.login.namespace, of.login.name, name.replace("_", "-")) for name in names}


def _hosts(hosts: tuple[str, ...]) -> list[dict[str, Any]]:
    """All other hosts pass."""
    if not hosts:
        return []
    regex = "|".join(f"(?:{path_match.host(host, widely=True)['safe_regex']['regex']})" for host in hosts)
    return [{"name": ":authority", "string_match": {"safe_regex": {"regex": regex}}, "invert_match": True}]


def _excepted(path: str) -> dict[str, Any]:
    """Narrowly: what a server might take for another path needs a session."""
    below = r"[^%;\\?]*" if path.endswith("*") else ""
    return {"name": ":path", "string_match": {"safe_regex": {"regex": rf"{re.escape(path.rstrip('*'))}{below}(\?.*)?"}}}
