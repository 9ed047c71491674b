"""`weft up`: reads the file, tells what is wrong with it, and becomes the supervisor (or starts one, with `--detach`)."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from weft.cli.settings import LogFormat, settings
from weft.supervisor.application import Application
from weft.supervisor.compose import Decoded, decode
from weft.supervisor.config import STOPPING, SupervisorConfig
from weft.supervisor.control_client import ControlClient, NotRunning, RequestRefused, answer
from weft.supervisor.home import Home, home, home_path, read
from weft.supervisor.operations import told
from weft.supervisor.progress import Level, Line

app = typer.Typer(add_completion=False)
DEFAULT_FILE = "weft.yaml"
_COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_SOCKET_LIMIT = 10.0


@app.command()
def up(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="What to run, in the form of the Compose specification.")] = Path(DEFAULT_FILE),
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when every service is ready.")] = False,
    profile: Annotated[list[str] | None, typer.Option(envvar="COMPOSE_PROFILES", help="Run its services too; `*`: all.")] = None,
    timeout: Annotated[float, typer.Option(help="With --detach: seconds to wait for readiness.")] = 60.0,
    certificate_lifetime: Annotated[str, typer.Option(help="Of workload certificates, such as 24h or 90s.")] = "",
) -> None:
    """Run a mesh on this machine: the control plane, and every service of FILE behind an Envoy of its own.

    When it runs already, what changed in FILE and its resources is applied, and nothing else is touched.
    """
    from weft.cli.times import seconds

    profiles = tuple(name for text in profile or () for name in text.split(",") if name)
    path = _file(file)
    place = home(home_path(path, os.environ), os.environ)
    if place.running():
        raise typer.Exit(_changed(path, place, profiles, timeout, as_json=settings(ctx).log_format is LogFormat.JSON))
    decoded = _decoded(path, profiles)
    if decoded.application is None:
        raise typer.Exit(1)
    _check_authority(decoded.application)
    _check_envoy()
    config = SupervisorConfig(
        file=str(path),
        home=str(place.path),
        foreground=not detach,
        color=not detach and sys.stdout.isatty() and "NO_COLOR" not in os.environ,
        profiles=profiles,
        log_format=settings(ctx).log_format.value,
        certificate_lifetime=seconds(certificate_lifetime),
    )
    if detach:
        raise typer.Exit(_detached(config, place, timeout))
    command = _command(config)
    sys.stdout.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # kept over exec: the supervisor takes them when it can stop in order
    os.execv(command[0], command)


def _command(config: SupervisorConfig) -> list[str]:
    return [sys.executable, "-P", "-m", "weft.supervisor.main", config.json()]


def _file(file: Path) -> Path:
    path = Path(os.path.abspath(file))
    if path.is_dir():
        path = path / DEFAULT_FILE
    if not path.exists():
        beside = [name for name in _COMPOSE_FILES if (path.parent / name).exists()]
        hint = f"`weft init {beside[0]}` makes one of it" if beside else "`weft init` writes one to begin with"
        _fail(f"there is no {file}\n  hint: {hint}")
    return path


def _decoded(path: Path, profiles: tuple[str, ...]) -> Decoded:
    try:
        decoded = decode(path.read_text(), path, environ=os.environ, profiles=profiles)
    except (OSError, UnicodeDecodeError) as error:
        _fail(f"{path} cannot be read: {error}")
    for found in decoded.findings:
        print(found, file=sys.stderr)
    return decoded


def _check_authority(application: Application) -> None:
    """Ends here, with what is wrong, when the authority that the file names cannot be one."""
    if not application.authority:
        return
    import json
    from datetime import UTC, datetime

    from weft.controlplane.authority_settings import Unusable, findings, settings

    try:
        found = findings(settings(json.loads(application.authority)), application.trust_domain, datetime.now(UTC))
    except Unusable as problem:
        _fail(str(problem))
    for each in found:
        print(each, file=sys.stderr)
    if found:
        raise typer.Exit(1)


def _check_envoy() -> None:
    """Ends here, with what to do, when there is no Envoy to run: the agent could only fail again and again."""
    from weft.envoy.binary import EnvoyNotFound, binary, version

    named = os.environ.get("WEFT_ENVOY")
    try:
        found = binary(named)
        if named:
            version(found)
    except EnvoyNotFound as problem:
        _fail(str(problem))


def _fail(problem: str) -> NoReturn:
    print(f"weft: {problem}", file=sys.stderr)
    raise typer.Exit(1)


# --detach


def _detached(config: SupervisorConfig, place: Home, timeout: float) -> int:
    """Starts a supervisor of its own session and shows its progress until every service is ready; the exit code."""
    import time

    place.prepare()
    log = place.log("supervisor")
    with log.open("ab") as output:
        child = subprocess.Popen(
            _command(config), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=place.path
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    until = time.monotonic() + _SOCKET_LIMIT
    try:
        while time.monotonic() < until and child.poll() is None:
            try:
                with ControlClient(place.control_socket) as client:
                    found = _awaited(client, timeout, as_json=config.log_format == LogFormat.JSON.value)
                return _outcome(found, timeout, child)
            except NotRunning:
                time.sleep(0.02)
    except KeyboardInterrupt:
        return _interrupted(child)
    _show_end(place)
    return 1


def _interrupted(child: "subprocess.Popen[bytes]") -> int:
    """Nobody waits for this mesh any more: it is stopped, not left half up."""
    print("\nweft: interrupted before everything was ready: stops", file=sys.stderr, flush=True)
    child.terminate()
    child.wait()
    return 130


def _awaited(client: ControlClient, timeout: float, *, as_json: bool) -> dict[str, Any]:
    """Shows progress until everything is ready or something failed; what the supervisor says then, nothing when it ended."""
    client.send("events")
    waiting = client.send("wait", limit=timeout)
    for message in client.messages():
        if message.get("id") == waiting:
            return answer(message)
        lines = message.get("lines", [message] if message.get("event") == "progress" else [])
        for line in map(told, lines):
            _tell(line, as_json=as_json)
    return {"ready": False, "failed": [], "problem": "the supervisor ended"}


def _tell(line: Line, *, as_json: bool) -> None:
    """Progress in words goes where words go; as JSON it is what was asked for."""
    print(line.json() if as_json else _shown(line), file=sys.stdout if as_json else sys.stderr, flush=True)


def _shown(line: Line) -> str:
    """As text; the log of what failed for good is shown at the end, that of what goes on here."""
    mark = "" if line.level is Level.INFO else f"{line.level.value}: "
    said = f"weft {line.source}: {mark}{line.text}" if line.source else f"weft {mark}{line.text}"
    return "\n       ".join([said, *(line.detail if line.level is Level.WARNING else ())])


def _outcome(found: dict[str, Any], timeout: float, child: "subprocess.Popen[bytes]") -> int:
    if found["ready"]:
        return 0
    if found["problem"]:  # a progress line has said it
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout)
        return 1
    _say_failed(found)
    if not found["failed"]:
        print(f"weft: the mesh is not up after {timeout:g} s", file=sys.stderr)
    print("weft: the mesh goes on running: `weft ps` shows it, `weft down` stops it", file=sys.stderr)
    return 1


def _say_failed(found: dict[str, Any]) -> None:
    for each in found["failed"]:
        print(f"weft: {each['instance']} is not ready: {each['reason']}", file=sys.stderr)
        for line in each["log"]:
            print(f"       {line}", file=sys.stderr)


# A mesh that runs


def _changed(path: Path, place: Home, profiles: tuple[str, ...], timeout: float, *, as_json: bool) -> int:
    """Has the supervisor apply what changed in the file; the exit code."""
    mesh = read(place.mesh_file)
    running = f"this mesh runs already (pid {mesh.get('pid') or 'unknown'})"
    if mesh.get("file", str(path)) != str(path):
        _fail(f"{running}, from {mesh['file']}: `weft ps` shows it, `weft down` stops it")
    if _decoded(path, profiles).application is None:
        return 1
    try:
        with ControlClient(place.control_socket) as client:
            client.send("events", only_new=True)
            found = _answered(client, client.send("reload", profiles=profiles), as_json=as_json)
            waited = _answered(client, client.send("wait", limit=timeout), as_json=as_json) if found else None
    except NotRunning:
        _fail(f"{running}, and its supervisor does not answer: `weft down` stops it")
    except RequestRefused as refusal:
        _fail(f"{refusal}\n  hint: the mesh goes on as it was")
    if not found or not waited:
        _fail("the supervisor ended")
    for service, why in found["failed"].items():
        print(f"weft: {service} is not replaced, its old instances go on: {why}", file=sys.stderr)
    _say_failed(waited)
    return 0 if waited["ready"] and not found["failed"] else 1


def _answered(client: ControlClient, number: int, *, as_json: bool) -> dict[str, Any]:
    """The answer to the request `number`, progress shown until it comes; nothing when the supervisor ended."""
    for message in client.messages():
        if message.get("id") == number:
            return answer(message)
        if message.get("event") == "progress":
            _tell(told(message), as_json=as_json)
    return {}


def _show_end(place: Home) -> None:
    from weft.supervisor.logs import last_lines

    print("weft: the supervisor did not start:", file=sys.stderr)
    for line in last_lines(place.log("supervisor"), 20):
        print(f"       {line}", file=sys.stderr)
