"""`weft limiter`: the rate limiter of a machine."""

import os
from pathlib import Path
from typing import Annotated

import typer

from weft.cli.output import fail
from weft.cli.server_log import log_to_stderr
from weft.cli.settings import settings

app = typer.Typer(add_completion=False)


@app.command()
def limiter(
    ctx: typer.Context,
    socket: Annotated[Path, typer.Option(help="The Unix socket at which Envoys ask: limiter.sock beside xds.sock.")],
    redis: Annotated[
        str,
        typer.Option(envvar="WEFT_LIMITER_REDIS", help="The Redis to count in (redis://, rediss://, unix://); default: none."),
    ] = "",
) -> None:
    """Run the rate limiter, which counts for all proxies together. `weft up` starts it as soon as a RateLimit is GLOBAL."""
    from weft.cli.serving import prepare, until_stopped

    prepare()
    os.umask(0o077)  # the socket is its user's alone
    from weft.limiter.main import run

    log_to_stderr(settings(ctx).log_format.value)
    try:
        until_stopped(run(socket, redis))
    except ModuleNotFoundError as missing:
        raise fail(f"counting in a Redis needs its client: pip install 'weft[redis]' ({missing})") from None
    except ValueError as problem:
        raise fail(f"--redis: {problem}") from None
