"""What a proxy is told, written down so that people can read it and changes of it are seen.

What is the same in every mesh stands once, in `ordinary.yaml`; the files of a story show only what differs from that. Listeners
of sidecars that hold nothing of a story are left out. `WRITE_GOLDENS=1 pytest tests/cases` writes all of them anew.
"""

import difflib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from story import CASES, Story

from weft.compile.snapshot import ProxySnapshot
from weft.controlplane.offline import as_json
from weft.envoy.names import HTTP_PROXY_ROUTES, INNER_LISTENER
from weft.envoy.types import EnvoyResource

ORDINARY = CASES / "ordinary.yaml"
WRITING = os.environ.get("WRITE_GOLDENS") == "1"
_FIXED = (HTTP_PROXY_ROUTES, INNER_LISTENER)


def told(held: ProxySnapshot, hosts: Iterable[str]) -> list[dict[str, Any]]:
    """Everything a proxy holds after calls to `hosts`, in Envoy's JSON: listeners, routes, virtual hosts, clusters, endpoints."""
    all_of_it = held.listeners()
    listeners = [one for one in all_of_it if not one.name.startswith("inbound|") or _is_patched(one)]
    routes = [found for name in _route_names([as_json(one) for one in listeners]) if (found := held.route_configuration(name))]
    on_demand = any(one.name == HTTP_PROXY_ROUTES for one in listeners)
    listeners = [one for one in listeners if one.name not in _FIXED or _is_patched(one)]
    routes = [one for one in routes if one.name not in _FIXED or _is_patched(one)]
    asked = {one.name: one for host in hosts if on_demand for one in [held.virtual_host(HTTP_PROXY_ROUTES, host)]}
    users: list[EnvoyResource] = [*listeners, *routes, *(asked[name] for name in sorted(asked))]
    clusters = [
        found
        for name in sorted({*held.eager_clusters(), *(name for one in users for name in one.clusters)})
        if (found := held.cluster(name))
    ]
    endpoints = [found for one in clusters if one.eds and (found := held.endpoints(one.name))]
    named = sorted({name for one in (*users, *clusters) for name in one.secrets})
    secrets = [found for name in named if (found := held.secret(name))]
    return [as_json(one) for one in (*users, *clusters, *endpoints)] + [_named(as_json(one)) for one in secrets]


def _named(secret: dict[str, Any]) -> dict[str, Any]:
    """Certificates are made anew for each run."""
    return {key: value if key in ("@type", "name") else "(made for the test)" for key, value in secret.items()}


def _is_patched(of: EnvoyResource) -> bool:
    return any(one.kind == "EnvoyFilter" for one in of.origins)


def _route_names(of: Any) -> list[str]:
    found: list[str] = []
    if isinstance(of, dict):
        found += [of["route_config_name"]] if "route_config_name" in of else []
        of = list(of.values())
    if isinstance(of, list):
        for one in of:
            found += _route_names(one)
    return sorted(set(found))


def of_story(story: Story, proxy: str) -> list[dict[str, Any]]:
    """The golden of one caller."""
    hosts = [one.call.authority for one in story.tellings if one.caller == proxy and one.call.port == 0]
    messages = told(story.snapshot(proxy), sorted(set(hosts)))
    usual = ordinary()
    return [_special(one, usual) for one in messages]


def ordinary() -> dict[str, Any]:
    """What every cluster, virtual host and route has, unless a story shows otherwise."""
    found: dict[str, Any] = yaml.safe_load(ORDINARY.read_text())
    return found


def _special(message: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    match message_kind(message):
        case "Cluster":
            return without(message, usual["cluster"])
        case "VirtualHost":
            return _host(message, usual)
        case "RouteConfiguration" if message.get("virtual_hosts"):
            hosts = [_host(one, usual) for one in message["virtual_hosts"]]
            return {**without(message, usual["route configuration"]), "virtual_hosts": hosts}
        case "Listener":
            return _listener(message, usual)
    return message


def message_kind(message: dict[str, Any]) -> str:
    """The short name of its type: `Cluster`."""
    return str(message["@type"].rpartition(".")[2])


def _host(message: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    routes = [
        {**one, "route": without(one["route"], _usual_route(one, usual))} if "route" in one else one
        for one in _once(message.get("routes", ()), usual)
        if one != usual["connect"]
    ]
    return {**without(message, usual["virtual host"]), "routes": routes}


def _usual_route(of: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """That of a tunnel's route is another."""
    kind = usual["connect"]["route"] if "connect_matcher" in of["match"] else usual["route"]
    return {key: value for key, value in kind.items() if key != "cluster"}


def _once(routes: list[dict[str, Any]], usual: dict[str, Any]) -> list[dict[str, Any]]:
    """Without the route before each other one that differs only in that it takes what must not be repeated."""
    pairs = zip(routes, [*routes[1:], {}], strict=True)
    return [one for one, after in pairs if not ("route" in one and _unrepeatable(one, usual) == _unrepeatable(after, {}))]


def _unrepeatable(of: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """A route without its retries, and without the match for what must not be repeated."""
    matches = usual.get("unrepeatable", {}).get("match", {}).get("headers", [])
    headers = of.get("match", {}).get("headers", [])
    if matches and headers[-len(matches) :] != matches:
        return {}
    match = {**of.get("match", {}), "headers": headers[: len(headers) - len(matches)]}
    return {**of, "match": match, "route": {key: value for key, value in of.get("route", {}).items() if key != "retry_policy"}}


def _listener(message: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    kept = without(message, usual["listener"])
    for chain in kept.get("filter_chains", ()):
        for one in chain["filters"]:
            if one["name"].endswith("http_connection_manager"):
                one["typed_config"] = without(one["typed_config"], usual["connection manager"])
    return kept


def without(message: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """`message` without what is as usual; `(none)` stands for what is usual and not there."""
    kept: dict[str, Any] = {}
    for key, value in message.items():
        ordinary = usual.get(key)
        if isinstance(value, dict) and isinstance(ordinary, dict):
            value = without(value, ordinary)
            if not value:
                continue
        elif value == ordinary:
            continue
        kept[key] = value
    return kept | {key: "(none)" for key in usual if key not in message}


def check(file: Path, messages: Any) -> str:
    """What differs from the golden `file`, or nothing; when goldens are written, it is written."""
    plain = _in_order(json.loads(json.dumps(messages)))  # without the odd kinds of dict that protobuf makes
    text = yaml.safe_dump(plain, sort_keys=False, width=120, default_flow_style=None)
    if WRITING:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return ""
    before = file.read_text() if file.exists() else ""
    if before == text:
        return ""
    return "\n".join(difflib.unified_diff(before.splitlines(), text.splitlines(), "golden", "now", lineterm="", n=2))


_MAPS = ("typed_per_filter_config", "json_format")


def _in_order(of: Any) -> Any:
    """The same with what is said to filters and of lines by their names: protobuf gives maps in any order."""
    if isinstance(of, list):
        return [_in_order(one) for one in of]
    if not isinstance(of, dict):
        return of
    return {
        key: dict(sorted(value.items())) if key in _MAPS and isinstance(value, dict) else _in_order(value)
        for key, value in of.items()
    }
