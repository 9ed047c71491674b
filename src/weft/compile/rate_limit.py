"""What a request is counted as: Envoy's actions of rate limits, which make a descriptor of it.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-ratelimit

A request that does not match makes no descriptor. An attribute that a request lacks is `-`, so that leaving it out escapes no
limit; a text that is longer than any honest one is counted with the others that are.
"""

import re
from typing import Any

from envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from envoy.extensions.rate_limit_descriptors.expr.v3.expr_pb2 import Descriptor

from weft.compile import path_match
from weft.compile.authorization import JWT, JWT_PAYLOAD
from weft.compile.route_match import header_matcher
from weft.envoy.types import packed
from weft.model import rate_limit as model
from weft.model.rate_limit import Key, Limit, Match
from weft.quota import NAME_KEY

ABSENT = "-"
_IGNORE_CASE = "(?i)"
_LONGEST = 256
_LONG = "(long)"
_TEXTS = {
    model.PATH: "request.url_path",
    model.METHOD: "request.method",
    model.HOST: "request.host",
}


def actions(of: Limit, *further: dict[str, Any]) -> list[dict[str, Any]]:
    """What makes the descriptor: the rule's name, then `further`, then what it is counted by."""
    return [_named(of), *further, *(action for key in of.per for _, action in _keyed(key))]


def keys(of: Limit) -> tuple[str, ...]:
    """The keys of the descriptor's entries after the name and what is further."""
    return tuple(name for key in of.per for name, _ in _keyed(key))


def _named(of: Limit) -> dict[str, Any]:
    headers = _headers(of.match)
    if not headers:
        return {"generic_key": {"descriptor_key": NAME_KEY, "descriptor_value": of.name}}
    return {"header_value_match": {"descriptor_key": NAME_KEY, "descriptor_value": of.name, "headers": headers}}


# what it matches


def _headers(of: Match) -> list[HeaderMatcher]:
    pseudo = ((":authority", [_host(one) for one in of.hosts]), (":method", [_method(one) for one in of.methods]))
    said = (*pseudo, (":path", [path_pattern(one) for one in of.paths]))
    made = [_one_of(name, patterns) for name, patterns in said if patterns]
    return made + [header_matcher(one) for one in of.headers]


def _one_of(name: str, patterns: list[str]) -> HeaderMatcher:
    whole = "|".join(f"(?:{one})" for one in patterns)
    regex = f"{_IGNORE_CASE}{whole}" if name == ":authority" else whole
    return HeaderMatcher(name=name, string_match={"safe_regex": {"regex": regex}})


def _host(value: str) -> str:
    regex: str = path_match.host(value)["safe_regex"]["regex"]
    return regex.removeprefix(_IGNORE_CASE)


def _method(value: str) -> str:
    return ".*".join(re.escape(part) for part in value.split("*"))


def path_pattern(value: str) -> str:
    """A path as an AuthorizationPolicy writes it, as a pattern for a path with its query."""
    if "{" in value:
        parts = re.split(r"(\{\*\*?\})", value)
        wild = {"{*}": "[^/?]+", "{**}": "[^?]*"}
        path = "".join(wild.get(part) or re.escape(part) for part in parts)
    else:
        path = "[^?]*".join(re.escape(part) for part in value.split("*"))
    return rf"{path}(?:\?.*)?"


# what it is counted by


def _keyed(of: Key) -> list[tuple[str, dict[str, Any]]]:
    """The entries that an attribute makes: their keys, and the actions."""
    match of.attribute:
        case model.REMOTE_IP:
            return [("remote_address", {"remote_address": {}})]
        case model.REQUEST_PRINCIPAL:
            return [_claim(("iss",)), _claim(("sub",))]
        case model.CLAIM:
            return [_claim(of.names)]
        case model.PRINCIPAL:
            said = f"connection.mtls ? connection.uri_san_peer_certificate : '{ABSENT}'"
            return [_expression(model.PRINCIPAL, said)]
        case model.HEADER:
            name = of.names[0].lower()
            header = f'request.headers["{name}"]'
            short = f"(size({header}) > {_LONGEST} ? '{_LONG}' : {header})"
            return [_expression(name, f"\"{name}\" in request.headers ? {short} : '{ABSENT}'")]
        case _:
            text = _TEXTS[of.attribute]
            return [_expression(of.attribute, f"size({text}) > {_LONGEST} ? '{_LONG}' : {text}")]


def _expression(key: str, text: str) -> tuple[str, dict[str, Any]]:
    config = packed(Descriptor(descriptor_key=key, text=text))
    return key, {"extension": {"name": "envoy.rate_limit_descriptors.expr", "typed_config": config}}


def _claim(path: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    key = f"claim {'.'.join(path)}"
    metadata_key = {"key": JWT, "path": [{"key": each} for each in (JWT_PAYLOAD, *path)]}
    return key, {"metadata": {"descriptor_key": key, "metadata_key": metadata_key, "default_value": ABSENT, "source": "DYNAMIC"}}
