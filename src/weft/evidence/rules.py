"""What is known of a recorded call, for the rules that Envoy is given (`simulate.rbac`).

What is read is what is compiled for Envoy, so that there is one reading of the operator's words. A path is recorded as a
template: a rule fits it when it fits all of a few paths of that kind, among them those that the rules themselves name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from envoy.config.core.v3.address_pb2 import CidrRange
from envoy.config.rbac.v3.rbac_pb2 import Permission, Principal
from envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher

from weft.simulate import text_match
from weft.simulate.held import Unreadable
from weft.simulate.truth import Truth, negated
from weft.telemetry.calls import ANY, Caller, Operation
from weft.telemetry.path_template import covers


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a call. `paths` are of the recorded kind; none: nothing was asked (TCP), or nobody knows what."""

    caller: Caller
    operation: Operation
    paths: tuple[str, ...] = ()

    def permission(self, of: Permission) -> Truth:
        """Whether it asks that: of the path, of method and host. The rest is not recorded."""
        match of.WhichOneof("rule"):
            case "header":
                return self._header(of.header)
            case "url_path":
                return self._path(of.url_path.path)
        return None

    def principal(self, of: Principal) -> Truth:
        """Whether the caller is that: by its certificate or, without one, by its address."""
        match of.WhichOneof("identifier"):
            case "authenticated":
                return bool(self.caller.identity) and _text(of.authenticated.principal_name, self.caller.identity)
            case "direct_remote_ip":
                return _within(of.direct_remote_ip, self.caller.address)
            case "header":
                return self._header(of.header)
        return None

    def unread(self, _: str) -> Truth:
        """What is not read here may hold or not."""
        return None

    def _header(self, of: HeaderMatcher) -> Truth:
        """Only of the pseudo-headers it is known what they were."""
        said = {":method": self.operation.method, ":authority": self.operation.host}.get(of.name, "")
        if not said or said == ANY or not of.HasField("string_match"):
            return None
        fits = _text(of.string_match, said)
        return negated(fits) if of.invert_match else fits

    def _path(self, of: StringMatcher) -> Truth:
        said = {_text(of, path) for path in self.paths}
        return said.pop() if len(said) == 1 else None


def _text(of: StringMatcher, said: str) -> Truth:
    try:
        return text_match.matches(of, said)
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
