"""Durations as options: `24h`, `90s`, or a number of seconds."""

import typer

from weft.supervisor import duration


def seconds(text: str) -> float:
    """The seconds in an option's text; 0 for an empty one. Exits with the reason when it is no duration."""
    if not text:
        return 0.0
    try:
        return duration.seconds(f"{text}s" if text.replace(".", "", 1).isdigit() else text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}: 24h, 90s or 1m30s are") from None
