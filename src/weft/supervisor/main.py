"""The program behind `weft up`: `python -m weft.supervisor.main CONFIG`. `weft up` becomes it and leaves its imports behind."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from weft.supervisor import config as settings
from weft.supervisor.compose import decode
from weft.supervisor.config import SupervisorConfig
from weft.supervisor.home import Home, NotOurs, home, read
from weft.supervisor.processes import left_behind
from weft.supervisor.progress import Progress
from weft.supervisor.supervisor import Supervisor


def run(config: SupervisorConfig, environ: Mapping[str, str]) -> int:
    """Runs the mesh until it is told to stop; the exit code."""
    place = home(Path(config.home), environ)
    try:
        place.prepare()
    except (NotOurs, OSError) as error:
        return _refused(str(error))
    if place.lock() is None:
        pid = read(place.mesh_file).get("pid") or "unknown"
        return _refused(f"this mesh runs already (pid {pid}): `weft ps` shows it, `weft down` stops it")
    end_left_behind(place)
    decoded = decode(config.path.read_text(), config.path, environ=environ, profiles=config.profiles)
    if decoded.application is None:
        return _refused("\n".join(str(found) for found in decoded.findings))
    supervisor = Supervisor(config, decoded.application, place, Progress(), environ)
    try:
        asyncio.run(supervisor.run())
    finally:
        place.leave()
    return 1 if supervisor.failure else 0


def end_left_behind(place: Home) -> None:
    """Ends what a supervisor that was killed left in the sessions of its children."""
    pids = read(place.processes_file).get("pids")
    for pid in left_behind(tuple(pids)) if isinstance(pids, list) else ():
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _refused(problem: str) -> int:
    print(f"weft: {problem}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(run(settings.config(sys.argv[1]), os.environ))
