"""What stands before the command on the command line, for every command: `weft --mesh NAME --log-format json COMMAND`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class LogFormat(StrEnum):
    """How servers write their log."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that all commands share. `mesh` empty: the mesh of this folder."""

    mesh: str = ""
    log_format: LogFormat = LogFormat.TEXT


def settings(context: Any) -> Settings:
    """The settings of a command's typer context."""
    found = context.find_object(Settings)
    return found if found is not None else Settings()
