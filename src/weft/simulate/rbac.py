"""Whether RBAC filters let a call pass. https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto"""

import json
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Protocol

from envoy.config.core.v3.address_pb2 import CidrRange
from envoy.config.rbac.v3.rbac_pb2 import RBAC, Permission, Policy, Principal
from envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from envoy.type.matcher.v3.value_pb2 import ValueMatcher

from weft.simulate.call import Call, HttpCall
from weft.simulate.held import Unreadable
from weft.simulate.path import split
from weft.simulate.route_match import header_matches
from weft.simulate.text_match import matches
from weft.simulate.truth import Truth, every, negated, some

_JWT = "envoy.filters.http.jwt_authn"
NOBODY = "none"
"""What is said to have refused a call that no policy allows."""


def refusing(of: RBAC, call: Call) -> str:
    """The policy that refuses `call`, `none` where one would have had to allow it; empty when it passes."""
    first = matched(of, call)
    match of.action:
        case RBAC.ALLOW:
            return "" if first else NOBODY
        case RBAC.DENY:
            return first
    return ""


def matched(of: RBAC, call: Call) -> str:
    """The first policy that fits `call`; empty when none does."""
    fits, name = fitting(of, _Whole(call))
    return name if fits else ""


class Known(Protocol):
    """What is known of a call. Each answers for a rule that asks one thing."""

    def permission(self, of: Permission) -> Truth:
        """Whether it asks that."""
        ...

    def principal(self, of: Principal) -> Truth:
        """Whether the caller is that."""
        ...

    def unread(self, what: str) -> Truth:
        """The answer to what is not read here."""
        ...


def fitting(of: RBAC, known: Known) -> tuple[Truth, str]:
    """Whether a policy fits, and which: the first that does, else the first that may."""
    maybe = ""
    for name in sorted(of.policies):
        fits = _policy(of.policies[name], known)
        if fits:
            return True, name
        if fits is None:
            maybe = maybe or name
    return (None, maybe) if maybe else (False, "")


def _policy(of: Policy, known: Known) -> Truth:
    if of.HasField("condition") or of.HasField("checked_condition"):
        return known.unread("a policy with an expression")
    permitted = some(_permission(one, known) for one in of.permissions)
    return False if permitted is False else every((permitted, some(_principal(one, known) for one in of.principals)))


def _permission(of: Permission, known: Known) -> Truth:
    match of.WhichOneof("rule"):
        case "any":
            return bool(of.any)
        case "and_rules":
            return every(_permission(one, known) for one in of.and_rules.rules)
        case "or_rules":
            return some(_permission(one, known) for one in of.or_rules.rules)
        case "not_rule":
            return negated(_permission(of.not_rule, known))
    return known.permission(of)


def _principal(of: Principal, known: Known) -> Truth:
    match of.WhichOneof("identifier"):
        case "any":
            return bool(of.any)
        case "and_ids":
            return every(_principal(one, known) for one in of.and_ids.ids)
        case "or_ids":
            return some(_principal(one, known) for one in of.or_ids.ids)
        case "not_id":
            return negated(_principal(of.not_id, known))
    return known.principal(of)


@dataclass(frozen=True, slots=True)
class _Whole:
    """A call of which everything is known."""

    call: Call

    def permission(self, of: Permission) -> Truth:
        """Whether it asks that."""
        call = self.call
        match of.WhichOneof("rule"):
            case "header":
                return isinstance(call, HttpCall) and header_matches(of.header, call)
            case "url_path":
                return isinstance(call, HttpCall) and matches(of.url_path.path, split(call.path)[0])
            case "destination_ip":
                return _within(of.destination_ip, call.destination)
            case "requested_server_name":
                return matches(of.requested_server_name, call.server_name)
            case "metadata":
                return _metadata(of.metadata, call)
            case other:
                raise Unreadable(f"a permission by {other}")

    def principal(self, of: Principal) -> Truth:
        """Whether the caller is that."""
        call = self.call
        match of.WhichOneof("identifier"):
            case "authenticated":
                return bool(call.identity) and matches(of.authenticated.principal_name, call.identity)
            case "direct_remote_ip":
                return _within(of.direct_remote_ip, call.source)
            case "remote_ip":
                return _within(of.remote_ip, call.remote)
            case "header":
                return isinstance(call, HttpCall) and header_matches(of.header, call)
            case "metadata":
                return _metadata(of.metadata, call)
            case other:
                raise Unreadable(f"a principal by {other}")

    def unread(self, what: str) -> Truth:
        """Whoever asks must know."""
        raise Unreadable(what)


def _within(of: CidrRange, address: str) -> bool:
    network = ip_network(f"{of.address_prefix}/{of.prefix_len.value}", strict=False)
    return ip_address(address) in network


def _metadata(of: MetadataMatcher, call: Call) -> bool:
    if of.invert:
        raise Unreadable("a matcher of metadata that is inverted")
    said = _said(of.filter, call)
    keys = [one.key for one in of.path]
    for key in keys[1:] if of.filter == _JWT else keys:
        if not isinstance(said, dict) or key not in said:
            return False
        said = said[key]
    return _value(of.value, said)


def _said(filter_name: str, call: Call) -> Any:
    """What a filter says of a call: only of the one that reads tokens it is known."""
    if filter_name != _JWT:
        raise Unreadable(f"what {filter_name} says of a call")
    return json.loads(call.claims) if isinstance(call, HttpCall) and call.claims else None


def _value(of: ValueMatcher, said: Any) -> bool:
    match of.WhichOneof("match_pattern"):
        case "string_match":
            return isinstance(said, str) and matches(of.string_match, said)
        case "list_match":
            return isinstance(said, list) and any(_value(of.list_match.one_of, one) for one in said)
        case other:
            raise Unreadable(f"a value that is matched by {other}")
