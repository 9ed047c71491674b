"""The table of commands and the entry point. A command's module is imported only when it is called, so that `--help` is quick.

`--mesh` and `--log-format` stand before the command and hold for all of them.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from errno import EADDRINUSE
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from weft import __version__
from weft.cli.settings import LogFormat, Settings


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, the module with its `app`, its line in the help, and under which heading it stands."""

    name: str
    module: str
    summary: str
    panel: str


_MESH, _RESOURCES, _SEE, _PARTS = "A mesh on this machine", "Resources", "What goes on", "Parts and tools"

COMMANDS: tuple[Command, ...] = (
    Command("demo", "weft.cli.demo", "Run a bookstore in a mesh: five services, a gateway, traffic.", _MESH),
    Command("up", "weft.cli.up", "Run a mesh on this machine.", _MESH),
    Command("down", "weft.cli.down", "Stop a mesh in order: drain, then end every process.", _MESH),
    Command("ps", "weft.cli.ps", "List the instances of a mesh.", _MESH),
    Command("logs", "weft.cli.logs", "Print what a service wrote.", _MESH),
    Command("exec", "weft.cli.exec", "Run a command as a workload: its sidecar, identity and environment.", _MESH),
    Command("scale", "weft.cli.scale", "Change how many instances a service has.", _MESH),
    Command("restart", "weft.cli.restart", "Replace the instances of a service one by one, without losing a request.", _MESH),
    Command("ls", "weft.cli.ls", "List the meshes of this user.", _MESH),
    Command("init", "weft.cli.init", "Write a weft.yaml, from a compose.yaml or from nothing.", _MESH),
    Command("apply", "weft.cli.apply", "Apply resources from YAML: all of them, or none when one is wrong.", _RESOURCES),
    Command("get", "weft.cli.get", "List resources, or show one.", _RESOURCES),
    Command("describe", "weft.cli.describe", "Show one resource in full, with what weft found in it.", _RESOURCES),
    Command("edit", "weft.cli.edit", "Edit one resource in your editor.", _RESOURCES),
    Command("delete", "weft.cli.delete", "Delete resources.", _RESOURCES),
    Command("policy", "weft.cli.policy", "Judge authorization policies against the calls that are made.", _SEE),
    Command("stat", "weft.cli.stat", "Show who calls what: requests a second, success, p99, mTLS.", _SEE),
    Command("mtls", "weft.cli.mtls", "Show what is encrypted, and refuse plaintext without breaking a call.", _SEE),
    Command("proxies", "weft.cli.proxies", "List proxies: sync state, version, certificate.", _SEE),
    Command("proxy", "weft.cli.proxy", "Look into a proxy: `weft proxy config SERVICE clusters`.", _SEE),
    Command("ca", "weft.cli.ca", "Look after the certificate authority: status, verify, rotate.", _SEE),
    Command("compile", "weft.cli.compile", "Print what a proxy would get, with no server running.", _SEE),
    Command("audit", "weft.cli.audit", "List who changed what, and what it was before.", _SEE),
    Command("support", "weft.cli.support", "Collect what somebody who helps needs to see, without secrets.", _PARTS),
    Command("user", "weft.cli.user", "Let others use the API, as viewer, operator or admin.", _PARTS),
    Command("backup", "weft.cli.backup", "Copy the store and the CA to one file.", _PARTS),
    Command("restore", "weft.cli.restore", "Put a backup in place of the store and the CA.", _PARTS),
    Command("serve", "weft.cli.serve", "Run the control plane.", _PARTS),
    Command("token", "weft.cli.token", "Make tokens with which machines and workloads join the mesh.", _PARTS),
    Command("attest", "weft.cli.attest", "Get the certificate of a workload that no agent runs.", _PARTS),
    Command("agent", "weft.cli.agent", "Run the agent of a node.", _PARTS),
    Command("limiter", "weft.cli.limiter", "Run the rate limiter, which counts for all proxies together.", _PARTS),
    Command("echo", "weft.cli.echo", "Serve HTTP and TCP and answer with what was asked.", _PARTS),
    Command("schema", "weft.cli.schema", "Print the JSON schema of weft.yaml, for editors.", _PARTS),
    Command("version", "weft.cli.version", "Print the versions of weft and of its Envoy.", _PARTS),
)


class _Stub(TyperCommand):
    """A command's line in the help, standing for the command that is not imported."""


_TABLE = {command.name: command for command in COMMANDS}


class Commands(TyperGroup):
    """The group that imports a command when it is asked for one."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of the table."""
        return list(_TABLE)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command `cmd_name`; for the help and for completion of names, only its line."""
        command = _TABLE.get(cmd_name)
        if command is None:
            return None
        if _asks_for(cmd_name, ctx):
            loaded: Any = typer.main.get_command(import_module(command.module).app)
            loaded.name = cmd_name
            return loaded
        return _Stub(cmd_name, help=command.summary, rich_help_panel=command.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer's, which knows names for its «did you mean» only from `commands`."""
        self.commands = {name: _Stub(name) for name in _TABLE}
        ctx.meta["weft.command"] = args[0] if args else ""
        return super().resolve_command(ctx, args)


def _asks_for(name: str, ctx: Any) -> bool:
    return bool(ctx.meta.get("weft.command") == name or (ctx.resilient_parsing and name in sys.argv[1:]))


def _version(wanted: bool) -> None:
    if wanted:
        print(f"weft {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def weft(
    ctx: typer.Context,
    mesh: Annotated[str, typer.Option(envvar="WEFT_MESH", help="A mesh's name, as `weft ls` lists it, or folder.")] = "",
    log_format: Annotated[LogFormat, typer.Option(help="How servers write their log.")] = LogFormat.TEXT,
    version: Annotated[bool, typer.Option("--version", help="Print weft's version.", callback=_version, is_eager=True)] = False,
) -> None:
    """A service mesh: stock Envoy beside your services, Istio's YAML, one command."""
    ctx.obj = Settings(mesh=mesh, log_format=log_format)


_GLOBAL = ("--mesh", "--log-format")


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The options that hold for all commands moved to the front, so that `weft ps --mesh NAME` works as well as
    `weft --mesh NAME ps`. What stands after `--` is another program's."""
    front: list[str] = []
    rest: list[str] = []
    left = list(arguments)
    while left and left[0] != "--":
        word = left.pop(0)
        if word in _GLOBAL and left:
            front += [word, left.pop(0)]
        elif word.startswith(tuple(f"{name}=" for name in _GLOBAL)):
            front.append(word)
        else:
            rest.append(word)
    return [*front, *rest, *left]


def main(arguments: Sequence[str] | None = None) -> None:
    """The `weft` command."""
    from weft.cli.mesh_folder import NoMesh

    try:
        app(args=hoisted(sys.argv[1:] if arguments is None else arguments), prog_name="weft")
    except NoMesh as error:
        print(f"weft: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:  # a folder that may not be written, a full disk, an address that is taken
        if not error.filename and error.errno != EADDRINUSE:
            raise
        print(f"weft: {error.filename}: {error.strerror}" if error.filename else f"weft: {error.strerror}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
