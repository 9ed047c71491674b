"""docs/cli.md, written from the commands themselves: `python -m weft.cli.reference > docs/cli.md`."""

from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from typing import Any

import typer

from weft.cli.main import COMMANDS, app

_HEAD = """# Commands

Written from the commands themselves (`python -m weft.cli.reference > docs/cli.md`); `weft COMMAND --help` says the same.
"""


def reference() -> str:
    """The page."""
    root: Any = typer.main.get_command(app)
    parts = [_HEAD, "## Options of every command\n", *_options(root), ""]
    for panel in dict.fromkeys(command.panel for command in COMMANDS):
        parts.append(f"## {panel}\n")
        for command in COMMANDS:
            if command.panel == panel:
                loaded: Any = typer.main.get_command(import_module(command.module).app)
                parts += _section(f"weft {command.name}", loaded)
    return "\n".join(parts).rstrip() + "\n"


def _section(name: str, command: Any) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children:
        for child, inner in sorted(children.items()):
            yield from _section(f"{name} {child}", inner)
        return
    usage = " ".join([name, "[OPTIONS]", *(_metavar(each) for each in command.params if each.param_type_name == "argument")])
    yield f"### {name}\n"
    yield f"`{usage}`\n"
    yield f"{(command.help or '').strip()}\n"
    yield from _options(command)
    yield ""


def _metavar(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    name += "..." if argument.nargs == -1 else ""
    return name if argument.required else f"[{name}]"


def _options(command: Any) -> Iterator[str]:
    for each in command.params:
        if getattr(each, "hidden", False) or each.name == "help":
            continue
        shown = _metavar(each) if each.param_type_name == "argument" else ", ".join((*each.opts, *each.secondary_opts))
        kind = each.type_descriptor.annotation
        choices = list(kind) if isinstance(kind, type) and issubclass(kind, Enum) else []
        said = [str(getattr(each, "help", "") or "").strip()]
        if choices:
            said.append("One of " + ", ".join(str(choice.value) for choice in choices) + ".")
        if each.envvar:
            said.append(f"Also `{each.envvar}`.")
        default = getattr(each.default, "value", each.default)
        if default not in (None, "", False, (), []) and each.param_type_name == "option" and not callable(default):
            said.append(f"Default: `{default}`.")
        yield f"- `{shown}`: " + " ".join(word for word in said if word)


if __name__ == "__main__":
    print(reference(), end="")
