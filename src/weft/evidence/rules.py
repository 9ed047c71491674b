"""Whether the rules that Envoy is given fit a recorded call, of which not everything is known.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto

What is read is what is compiled for Envoy, so that there is one reading of the operator's words. A path is recorded as a
template: a rule fits it when it fits all of a few paths of that kind, among them those that the rules themselves name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from envoy.config.core.v3.address_pb2 import CidrRange
from envoy.config.rbac.v3.rbac_pb2 import RBAC, Permission, Policy, Principal
from envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from envoy.extensions.path.match.uri_template.v3.uri_template_match_pb2 import UriTemplateMatchConfig
from envoy.type.matcher.v3.string_pb2 import StringMatcher

from weft.evidence.logic import Truth, agreed, every, negated, some
from weft.simulate import text_match
from weft.simulate.held import Unreadable
from weft.telemetry.calls import ANY, Caller, Operation
from weft.telemetry.path_template import covers


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a call. `paths` are of the recorded kind; none: nothing was asked (TCP), or nobody knows what."""

    caller: Caller
    operation: Operation
    paths: tuple[str, ...] = ()


def matched(of: RBAC, asked: Asked) -> tuple[Truth, str]:
    """Whether a policy fits, and which: the first that does, else the first that may."""
    maybe = ""
    for name in sorted(of.policies):
        fits = policy(of.policies[name], asked)
        if fits:
            return True, name
        if fits is None:
            maybe = maybe or name
    return (None, maybe) if maybe else (False, "")


def policy(of: Policy, asked: Asked) -> Truth:
    """Whether one policy fits."""
    if of.HasField("condition") or of.HasField("checked_condition"):
        return None
    permitted = some(_permission(one, asked) for one in of.permissions)
    return False if permitted is False else every((permitted, some(_principal(one, asked) for one in of.principals)))


def _permission(of: Permission, asked: Asked) -> Truth:
    match of.WhichOneof("rule"):
        case "any":
            return bool(of.any)
        case "and_rules":
            return every(_permission(one, asked) for one in of.and_rules.rules)
        case "or_rules":
            return some(_permission(one, asked) for one in of.or_rules.rules)
        case "not_rule":
            return negated(_permission(of.not_rule, asked))
        case "header":
            return _header(of.header, asked)
        case "url_path":
            return _paths(asked, lambda path: text_match.matches(of.url_path.path, path))
        case "uri_template":
            template = UriTemplateMatchConfig.FromString(of.uri_template.typed_config.value).path_template
            pattern = "/".join({"*": "{*}", "**": "{**}"}.get(one, one) for one in template.split("/"))
            return _paths(asked, lambda path: covers(pattern, path))
    return None


def _principal(of: Principal, asked: Asked) -> Truth:
    match of.WhichOneof("identifier"):
        case "any":
            return bool(of.any)
        case "and_ids":
            return every(_principal(one, asked) for one in of.and_ids.ids)
        case "or_ids":
            return some(_principal(one, asked) for one in of.or_ids.ids)
        case "not_id":
            return negated(_principal(of.not_id, asked))
        case "authenticated":
            identity = asked.caller.identity
            return bool(identity) and _text(of.authenticated.principal_name, identity)
        case "direct_remote_ip":
            return _within(of.direct_remote_ip, asked.caller.address)
        case "header":
            return _header(of.header, asked)
    return None


def _header(of: HeaderMatcher, asked: Asked) -> Truth:
    """Only of the pseudo-headers it is known what they were."""
    said = {":method": asked.operation.method, ":authority": asked.operation.host}.get(of.name, "")
    if not said or said == ANY or not of.HasField("string_match"):
        return None
    fits = _text(of.string_match, said)
    return negated(fits) if of.invert_match else fits


def _text(of: StringMatcher, said: str) -> Truth:
    try:
        return text_match.matches(of, said)
    except Unreadable:
        return None


def _paths(asked: Asked, fits: Callable[[str], bool]) -> Truth:
    try:
        return agreed(fits(path) for path in asked.paths) if asked.paths else None
    except Unreadable:
        return None


def _within(of: CidrRange, address: str) -> Truth:
    try:
        return ip_address(address) in ip_network(f"{of.address_prefix}/{of.prefix_len.value}", strict=False)
    except ValueError:
        return None


_STANDING = ("0", "x7Zq-w", "~")
"""What may stand for what varies: a digit, a word, neither."""


def paths(template: str, named: Iterable[str]) -> tuple[str, ...]:
    """Some paths of a template; those `named` of a rule (as it writes them) that are of it are among them."""
    if not template.startswith("/"):
        return ()
    if "{" not in template:
        return (template,)
    some_paths = [template.replace("{**}", f"{one}/{one}").replace("{*}", one) for one in _STANDING]
    plain = (one.replace("{**}", "0/0").replace("{*}", "0").strip("*") for one in named)
    return tuple(dict.fromkeys((*some_paths, *(one for one in plain if covers(template, one)))))
