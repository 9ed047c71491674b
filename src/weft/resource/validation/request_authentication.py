"""The rules of RequestAuthentication. What cannot be checked is refused: a rule without keys accepts nobody."""

import json

from weft.resource import names
from weft.resource.field_path import child, item
from weft.resource.istio.request_authentication import JwtRule, RequestAuthentication
from weft.resource.problems import Problems
from weft.resource.validation.authorization_policy import attachment


def request_authentication(spec: RequestAuthentication, problems: Problems) -> None:
    """Whom it is for, and for each rule an issuer and its keys."""
    attachment(spec, problems)
    for index, rule in enumerate(spec.jwt_rules):
        _rule(rule, item("spec.jwtRules", index), problems)


def _rule(of: JwtRule, path: str, problems: Problems) -> None:
    if not of.issuer:
        problems.invalid(child(path, "issuer"), "it is empty")
    if problems.conflict(path, {"jwks": bool(of.jwks), "jwksUri": bool(of.jwks_uri)}):
        return
    if of.jwks:
        problems.invalid(child(path, "jwks"), _key_set(of.jwks), "a JSON object with a list of keys (RFC 7517)")
    elif of.jwks_uri:
        problems.invalid(child(path, "jwksUri"), names.web_address(of.jwks_uri), "such as https://login.example.com/keys")
    elif names.web_address(of.issuer):
        hint = "write jwks or jwksUri: only an issuer called by a URL can be asked for its OpenID configuration"
        problems.invalid(child(path, "jwksUri"), "where the keys of the issuer are is not said", hint)
    for index, place in enumerate(of.from_headers):
        problems.invalid(f"{item(child(path, 'fromHeaders'), index)}.name", names.header(place.name))
    if of.output_payload_to_header:
        problems.invalid(child(path, "outputPayloadToHeader"), names.header(of.output_payload_to_header))
    for index, told in enumerate(of.output_claim_to_headers):
        there = item(child(path, "outputClaimToHeaders"), index)
        problems.invalid(f"{there}.header", names.header(told.header))
        problems.invalid(f"{there}.claim", "" if told.claim else "it is empty")


def _key_set(text: str) -> str:
    try:
        said = json.loads(text)
    except ValueError as problem:
        return f"this is not JSON: {problem}"
    keys = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(keys, list) or not keys:
        return "there are no keys in it"
    return "" if all(isinstance(one, dict) and one.get("kty") for one in keys) else "a key has no type (kty)"
