"""Accepts or refuses tokens, and tells policies what is in those it accepts.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/jwt_authn_filter

A token that is there must be accepted; a request without one passes and is nobody. With several issuers each token must be one's
own, or one of them must accept what stands where all of them look.
"""

from hashlib import blake2b
from typing import Any

from envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import JwtAuthentication
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from weft.compile.authorization import JWT, JWT_PAYLOAD
from weft.compile.filters.order import Chain
from weft.envoy.types import packed
from weft.model.authentication import JwtRule

_SPACE_DELIMITED = ("scope", "permission")  # lists by another name (RFC 8693, 4.2)
_CLOCK_SKEW = 60


def before(rules: tuple[JwtRule, ...], chain: Chain, *, rerouted: bool = False) -> Chain:
    """The chain of a port whose callers may show tokens. `rerouted`: claims may decide where a request goes, so that its route is
    looked for again when its token was accepted."""
    if not rules:
        return chain
    return ((lambda: jwt_authn(rules, rerouted), "who asks must be known before anybody decides about it"), *chain)


def jwt_authn(rules: tuple[JwtRule, ...], rerouted: bool = False) -> HttpFilter:
    """The filter."""
    providers = {_name(one): _provider(one, rerouted) for one in rules}
    requires = _requirement(sorted(providers))
    message = JwtAuthentication(
        providers=providers, rules=[{"match": {"prefix": "/"}, "requires": requires}], bypass_cors_preflight=True
    )
    return HttpFilter(name=JWT, typed_config=packed(message))


def _name(of: JwtRule) -> str:
    """From what it says: two rules for one issuer may differ."""
    return f"{of.issuer}|{blake2b(repr(of).encode(), digest_size=4).hexdigest()}"


def _requirement(names: list[str]) -> dict[str, Any]:
    each = [{"requires_any": {"requirements": [{"provider_name": name}, {"allow_missing": {}}]}} for name in names]
    if len(each) == 1:
        return each[0]
    any_of: list[dict[str, Any]] = [{"provider_name": name} for name in names]
    return {"requires_any": {"requirements": [*any_of, {"requires_all": {"requirements": each}}]}}


def _provider(of: JwtRule, rerouted: bool) -> dict[str, Any]:
    return {
        "issuer": of.issuer,
        "audiences": of.audiences,
        "local_jwks": {"inline_string": of.jwks},
        "forward": of.forward,
        "from_headers": [{"name": name, "value_prefix": prefix} for name, prefix in of.headers],
        "from_params": of.params,
        "from_cookies": of.cookies,
        "forward_payload_header": of.payload_header,
        "payload_in_metadata": JWT_PAYLOAD,
        "normalize_payload_in_metadata": {"space_delimited_claims": sorted({*_SPACE_DELIMITED, *of.space_delimited})},
        "claim_to_headers": [{"header_name": header, "claim_name": claim} for header, claim in of.claim_headers],
        "clock_skew_seconds": _CLOCK_SKEW,
        "clear_route_cache": rerouted,
    }
