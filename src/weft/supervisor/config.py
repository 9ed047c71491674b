"""What the supervisor is told at its start: one JSON argument, written by `weft up`."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM

WEFT = (sys.executable, "-P", "-m", "weft.cli.main")
"""How this program is called, whatever folder we are in and whatever is on the PATH."""


STOPPING = (SIGINT, SIGTERM, SIGHUP)
"""What asks a mesh to stop."""


@dataclass(frozen=True, slots=True)
class SupervisorConfig:
    """`foreground`: show progress and logs, in colour or not. `certificate_lifetime` in seconds, 0: what the file says.

    `serve`, `agent`, `limiter` and `apply` are the commands that are run, without their arguments: tests put others there.
    """

    file: str
    home: str
    foreground: bool = True
    color: bool = False
    profiles: tuple[str, ...] = ()
    log_format: str = "text"
    certificate_lifetime: float = 0.0
    node: str = "local"
    serve: tuple[str, ...] = (*WEFT, "serve")
    agent: tuple[str, ...] = (*WEFT, "agent")
    limiter: tuple[str, ...] = (*WEFT, "limiter")
    apply: tuple[str, ...] = (*WEFT, "apply")
    weft: tuple[str, ...] = WEFT

    @property
    def path(self) -> Path:
        """The file that is run."""
        return Path(self.file)

    def json(self) -> str:
        """As the argument."""
        return json.dumps(asdict(self))


def config(text: str) -> SupervisorConfig:
    """The configuration in the argument."""
    said = json.loads(text)
    for name in ("profiles", "serve", "agent", "limiter", "apply", "weft"):
        if name in said:
            said[name] = tuple(said[name])
    return SupervisorConfig(**said)
