"""Changes to headers, as Envoy takes them.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#custom-request-response-headers

Envoy reads `%...%` in a value as a command and refuses what it does not know, together with everything around it: a percent
sign that begins no command is doubled.
"""

import re
from dataclasses import replace
from typing import Any

from envoy.config.core.v3.base_pb2 import HeaderValueOption

from weft.model.route import HeaderEdit

_COMMAND = re.compile(r"%[A-Z][A-Z0-9_]*(\([^()%]*\))?(:\d+)?%|%%")
_HOST = ("host", ":authority")


def header_edits(request: HeaderEdit, response: HeaderEdit) -> dict[str, Any]:
    """The four fields that a virtual host, a route and a weighted cluster have in common."""
    return {
        "request_headers_to_add": _added(request),
        "request_headers_to_remove": list(request.remove),
        "response_headers_to_add": _added(response),
        "response_headers_to_remove": list(response.remove),
    }


def _added(edit: HeaderEdit) -> list[HeaderValueOption]:
    sets = [header(name, value, "OVERWRITE_IF_EXISTS_OR_ADD") for name, value in edit.set]
    return sets + [header(name, value, "APPEND_IF_EXISTS_OR_ADD") for name, value in edit.add]


def header(name: str, value: str, action: str) -> HeaderValueOption:
    """One header, literally but for Envoy's own commands."""
    return HeaderValueOption(header={"key": name, "value": literal(value)}, append_action=action, keep_empty_value=True)


def literal(value: str) -> str:
    """`value` with every percent sign doubled that belongs to no command."""
    parts, last = [], 0
    for found in _COMMAND.finditer(value):
        parts += [value[last : found.start()].replace("%", "%%"), found[0]]
        last = found.end()
    return "".join(parts) + value[last:].replace("%", "%%")


def without_host(edit: HeaderEdit) -> tuple[HeaderEdit, str]:
    """An edit without what it says of the Host, and that: Envoy changes the Host by other means."""
    said = [value for name, value in edit.set + edit.add if name.lower() in _HOST]
    if not said:
        return edit, ""
    kept = replace(
        edit,
        set=tuple(pair for pair in edit.set if pair[0].lower() not in _HOST),
        add=tuple(pair for pair in edit.add if pair[0].lower() not in _HOST),
    )
    return kept, said[-1]
