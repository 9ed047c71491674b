"""`weft echo`: a server that says what it was asked."""

import os
from typing import Annotated

import typer

from weft.cli.output import fail

app = typer.Typer(add_completion=False)


@app.command()
def echo(
    port: Annotated[list[int] | None, typer.Option(help="Port to listen on, repeatable; else $PORT, $PORT_*, 8080.")] = None,
    host: Annotated[str, typer.Option(envvar="HOST", help="Address to listen on.")] = "127.0.0.1",
    status: Annotated[int, typer.Option(help="HTTP status of every answer.")] = 200,
    delay: Annotated[float, typer.Option(help="Seconds before every answer.")] = 0.0,
) -> None:
    """Serve HTTP/1.1, HTTP/2, WebSocket and TCP on one port and answer with JSON: who answers, and what was asked."""
    import asyncio

    from weft.testing.echo import run
    from weft.testing.speaker import Speaker

    speaker = Speaker(
        service=os.environ.get("WEFT_SERVICE", "echo"),
        version=os.environ.get("WEFT_VERSION", ""),
        instance=os.environ.get("WEFT_INSTANCE", ""),
        namespace=os.environ.get("WEFT_NAMESPACE", ""),
        status=status,
        delay=delay,
    )
    try:
        asyncio.run(run(speaker, host, tuple(port or ()) or _ports()))
    except (OSError, OverflowError) as problem:
        raise fail(f"cannot listen: {getattr(problem, 'strerror', None) or problem}") from None


def _ports() -> tuple[int, ...]:
    named = {int(value) for name, value in os.environ.items() if name.startswith("PORT_") and value.isdigit()}
    if os.environ.get("PORT", "").isdigit():
        named.add(int(os.environ["PORT"]))
    return tuple(sorted(named)) or (8080,)
