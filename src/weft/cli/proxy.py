"""`weft proxy config`: what an Envoy really holds now, in Envoy's own words."""

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.cli import completion
from weft.cli.mesh_folder import running_mesh, supervisor
from weft.cli.output import as_yaml, fail, table

app = typer.Typer(add_completion=False, no_args_is_help=True)


class What(StrEnum):
    """The parts of a configuration."""

    ALL = "all"
    CLUSTERS = "clusters"
    ENDPOINTS = "endpoints"
    LISTENERS = "listeners"
    ROUTES = "routes"
    SECRETS = "secrets"


class Output(StrEnum):
    """Forms in which it is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


# Where Envoy's configuration dump keeps each message, by the part it belongs to.
# https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/config_dump_shared.proto
_PLACES: dict[What, tuple[tuple[str, str], ...]] = {
    What.CLUSTERS: (
        ("static_clusters", "cluster"),
        ("dynamic_active_clusters", "cluster"),
        ("dynamic_warming_clusters", "cluster"),
    ),
    What.ENDPOINTS: (("dynamic_endpoint_configs", "endpoint_config"), ("static_endpoint_configs", "endpoint_config")),
    What.LISTENERS: (("static_listeners", "listener"), ("dynamic_listeners", "active_state.listener")),
    What.ROUTES: (("static_route_configs", "route_config"), ("dynamic_route_configs", "route_config")),
    What.SECRETS: (("static_secrets", "secret"), ("dynamic_active_secrets", "secret"), ("dynamic_warming_secrets", "secret")),
}


@app.callback()
def proxy() -> None:
    """Look into a proxy."""


@app.command()
def config(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="SERVICE|INSTANCE", help="A service or instance of `weft ps`.", autocompletion=completion.services
        ),
    ],
    what: Annotated[What, typer.Argument(help="Which part.")] = What.ALL,
    output: Annotated[Output, typer.Option("--output", "-o", help="json and yaml print Envoy's own messages.")] = Output.TABLE,
) -> None:
    """Print what a proxy holds now. Private keys are left out by Envoy itself."""
    instance = _instance(ctx, name)
    dump = config_dump(running_mesh(ctx).admin_socket, instance)
    parts = list(_PLACES) if what is What.ALL else [what]
    found = {part: list(_messages(dump, part)) for part in parts}
    everything = [message for messages in found.values() for message in messages]
    match output:
        case Output.JSON:
            print(json.dumps(everything, indent=2))
        case Output.YAML:
            print(as_yaml(everything), end="")
        case Output.TABLE:
            rows = [[part.value, _name(message), _remark(part, message)] for part in parts for message in found[part]]
            print(table(("part", "name", "remark"), rows))


def _instance(ctx: typer.Context, name: str) -> str:
    """`namespace/name` of the first instance that is called `name`, or belongs to a service called so."""
    with supervisor(ctx) as mesh:
        instances = mesh.call("ps")["instances"]
    keys = {f"{each['namespace']}/{each['name']}": each for each in instances}
    exact = [key for key, each in keys.items() if name in (key, each["name"])]
    of_service = [key for key, each in keys.items() if name in (each["service"], each["meshService"])]
    found = sorted(exact) or sorted(of_service)
    if not found:
        raise fail(f"there is no service or instance {name!r}", "there are: " + ", ".join(sorted(keys)))
    if len(found) > 1:
        print(f"weft: {name} has {len(found)} instances; this is {found[0]}", file=sys.stderr)
    return found[0]


def config_dump(socket: Path, instance: str) -> dict[str, Any]:
    """What the Envoy of `namespace/name` holds, asked of the agent at its admin socket. Exits when nobody answers."""
    import httpx

    transport = httpx.HTTPTransport(uds=str(socket))
    try:
        with httpx.Client(transport=transport, trust_env=False, timeout=10) as agent:
            answer = agent.get(f"http://agent/proxies/{instance}/config_dump")
    except httpx.HTTPError as problem:
        raise fail(f"the agent does not answer: {problem}", "`weft logs` and .weft/logs/agent.log tell more") from None
    if answer.is_error:
        raise fail(f"the Envoy of {instance} does not answer: {answer.text.strip()}")
    dump: dict[str, Any] = answer.json()
    return dump


def _messages(dump: dict[str, Any], part: What) -> Iterator[dict[str, Any]]:
    for section in dump.get("configs", ()):
        for place, path in _PLACES[part]:
            for entry in section.get(place, ()):
                message: Any = entry
                for step in path.split("."):
                    message = message.get(step, {}) if isinstance(message, dict) else {}
                if message:
                    yield message


def _name(message: dict[str, Any]) -> str:
    return str(message.get("name") or message.get("cluster_name") or "-")


def _remark(part: What, message: dict[str, Any]) -> str:
    match part:
        case What.CLUSTERS:
            return str(message.get("type", "STATIC"))
        case What.ENDPOINTS:
            groups = message.get("endpoints", ())
            hosts = [_socket(host["endpoint"].get("address", {})) for group in groups for host in group.get("lb_endpoints", ())]
            return ", ".join(hosts) or "none"
        case What.LISTENERS:
            return _socket(message.get("address", {})) if "address" in message else "internal"
        case What.ROUTES:
            return ", ".join(host["name"] for host in message.get("virtual_hosts", ())) or "on demand"
        case _:
            return ""


def _socket(address: dict[str, Any]) -> str:
    found = address.get("socket_address", {})
    return f"{found['address']}:{found['port_value']}" if found else str(address.get("pipe", {}).get("path", "-"))
