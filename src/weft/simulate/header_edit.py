"""Changes to headers, in Envoy's order: at each level first what is removed, then what is set and added; the weighted cluster
first, then the route, the virtual host, the route configuration.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#custom-request-response-headers
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from envoy.config.core.v3.base_pb2 import HeaderValueOption

from weft.simulate.call import HeaderList
from weft.simulate.held import Unreadable
from weft.simulate.outcome import HeaderChange

_HOW = {
    HeaderValueOption.APPEND_IF_EXISTS_OR_ADD: "add",
    HeaderValueOption.ADD_IF_ABSENT: "default",
    HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD: "set",
}


class Level(Protocol):
    """A message that changes headers: weighted cluster, route, virtual host or route configuration."""

    @property
    def request_headers_to_add(self) -> Iterable[HeaderValueOption]: ...
    @property
    def request_headers_to_remove(self) -> Iterable[str]: ...
    @property
    def response_headers_to_add(self) -> Iterable[HeaderValueOption]: ...
    @property
    def response_headers_to_remove(self) -> Iterable[str]: ...


def request_changes(levels: Iterable[Level]) -> tuple[HeaderChange, ...]:
    """What the levels, the innermost first, change of a request."""
    return tuple(one for of in levels for one in _changes(of.request_headers_to_remove, of.request_headers_to_add))


def response_changes(levels: Iterable[Level]) -> tuple[HeaderChange, ...]:
    """What the levels, the innermost first, change of a response."""
    return tuple(one for of in levels for one in _changes(of.response_headers_to_remove, of.response_headers_to_add))


def _changes(removed: Iterable[str], added: Iterable[HeaderValueOption]) -> Iterator[HeaderChange]:
    yield from (HeaderChange("remove", name.lower()) for name in removed)
    for one in added:
        if one.append_action not in _HOW or one.HasField("append"):
            raise Unreadable(f"a header that is added with {one}")
        yield HeaderChange(_HOW[one.append_action], one.header.key.lower(), one.header.value.replace("%%", "%"))


def changed(headers: HeaderList, changes: Iterable[HeaderChange]) -> HeaderList:
    """`headers` after the changes. A value with one of Envoy's commands keeps its text."""
    found = list(headers)
    for one in changes:
        there = any(name == one.name for name, _ in found)
        if one.how == "remove" or one.how == "set":
            found = [pair for pair in found if pair[0] != one.name]
        if one.how in ("set", "add") or (one.how == "default" and not there):
            found.append((one.name, one.value))
    return tuple(found)
