"""`weft demo`: a bookstore in a mesh, with traffic in it, and what to try next."""

import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.cli.access import access
from weft.cli.api_client import ApiClient, ApiError, Unreachable
from weft.cli.output import fail
from weft.cli.stat import edge_table
from weft.supervisor.home import Home, home, home_path, read

app = typer.Typer(add_completion=False)
_PATIENCE = 60.0  # seconds to wait for traffic on every edge
_SOON = 4.3  # seconds after the start: an edge that was not chosen yet is not waited for any longer
_MOST_EDGES = 6  # load to web, web to details and to three versions of reviews, reviews to ratings


@app.command()
def demo(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Option(help="Where to write it. What is there already is kept and used.")] = Path("weft-demo"),
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when traffic flows; `weft down` stops it.")] = False,
) -> None:
    """Run a bookstore in a mesh: a page, three versions of reviews, ratings, details, a gateway and a small load."""
    began = time.monotonic()
    folder = Path(os.path.abspath(folder))
    _write(folder)
    place = home(home_path(folder / "weft.yaml", os.environ), os.environ)
    if place.running():
        raise fail(f"the demo runs already, from {folder}", f"`{_weft()} --mesh {shlex.quote(str(folder))} down` stops it")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _start(folder)
        edges = _traffic(place, began + _SOON)
    except KeyboardInterrupt:
        _stop(folder, place)
        raise typer.Exit(130) from None
    _tell(folder, place, edges)
    if not detach:
        _wait(folder, place)


def _write(folder: Path) -> None:
    """Copies the bookstore; an edited one is left as it is."""
    if (folder / "weft.yaml").exists():
        print(f"using the bookstore in {folder} as it is", flush=True)
        return
    with as_file(files("weft.demo") / "bookstore") as source:
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def _start(folder: Path) -> None:
    import subprocess

    command = [sys.executable, "-P", "-m", "weft.cli.main", "up", str(folder / "weft.yaml"), "--detach"]
    up = subprocess.Popen(command, start_new_session=True)  # Ctrl-C comes to this process alone, which passes it on
    try:
        code = up.wait()
    except KeyboardInterrupt:
        up.terminate()
        up.wait()
        raise
    if code:
        raise fail("the bookstore did not come up", f"`{_weft()} --mesh {shlex.quote(str(folder))} down` stops what runs")


def _traffic(place: Home, soon: float) -> Sequence[Mapping[str, Any]]:
    """The edges, once there is traffic on all of them, or on some when it is `soon`; what there is after a minute."""
    edges: Sequence[Mapping[str, Any]] = ()
    print("waiting for traffic on every edge", end="", file=sys.stderr, flush=True)
    until = time.monotonic() + _PATIENCE
    with ApiClient(access(place.kubeconfig)) as api:
        while time.monotonic() < until and not _is_whole(edges) and not (edges and time.monotonic() > soon):
            time.sleep(0.2)
            print(".", end="", file=sys.stderr, flush=True)
            try:
                edges = api.get("/weft/v1/edges")["items"]
            except (ApiError, Unreachable):
                continue
    print(file=sys.stderr)
    return edges


def _is_whole(edges: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every edge has traffic, and its response times are known."""
    return len(edges) >= _MOST_EDGES and all(edge["p99"] is not None for edge in edges)


def _tell(folder: Path, place: Home, edges: Sequence[Mapping[str, Any]]) -> None:
    weft = f"{_weft()} --mesh {shlex.quote(str(folder))}"
    following = shlex.quote(str(folder / "next" / "reviews-to-v3.yaml"))
    fetch = (
        "curl -s"
        if shutil.which("curl")
        else "python3 -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())'"
    )
    wrong = "curl -s" if shutil.which("curl") else _FETCH_ANY
    print()
    print(edge_table(edges))
    print(
        f"""
The page:   {_page(place)}
The files:  {folder}  (weft.yaml says what runs, mesh/ what is applied, next/ what to try)

Try, in another terminal, from any folder:

  {weft} apply -f {following}      # all reviews to v3: watch the stars turn red

  {weft} exec web -- {fetch} http://reviews:9080/      # a call as the workload web

  {weft} exec web -- {wrong} http://revews:9080/      # a misspelt host says what is close

Then `{weft} stat` for the table above, and `kubectl --kubeconfig {shlex.quote(str(place.kubeconfig))} get virtualservices`.
Stop it with `{weft} down`; remove it with `rm -r {shlex.quote(str(folder))}`.""",
        flush=True,
    )


_FETCH_ANY = (
    "python3 -c 'import sys, urllib.request as u, urllib.error as e\n"
    "try: print(u.urlopen(sys.argv[1]).read().decode())\n"
    "except e.HTTPError as a: print(a.read().decode())'"
)


def _page(place: Home) -> str:
    for instance in read(place.mesh_file).get("instances", ()):
        for address in instance.get("gateway", {}).values():
            host, _, port = address.rpartition(":")
            return f"http://{host}/" if port == "80" else f"http://{address}/"
    return "not served: " + json.dumps(read(place.mesh_file).get("addresses", {}))


def _weft() -> str:
    """How to call this same weft from any folder, in any terminal: a virtual environment (or uvx) is on the PATH of this one."""
    found = shutil.which("weft")
    own = Path(sys.argv[0]).absolute()
    activated = sys.prefix != sys.base_prefix and own.parent == Path(sys.prefix) / "bin"
    if found and not activated and Path(found).resolve() == own.resolve():
        return "weft"
    return shlex.quote(str(own)) if own.name == "weft" else f"{shlex.quote(sys.executable)} -m weft.cli.main"


def _wait(folder: Path, place: Home) -> None:
    """Until Ctrl-C or the mesh's end; then the mesh is stopped in order."""
    print("\nRunning. Ctrl-C stops it.", flush=True)
    try:
        while place.running():
            time.sleep(0.5)
    except KeyboardInterrupt:
        _stop(folder, place)


def _stop(folder: Path, place: Home) -> None:
    import subprocess

    print("\nstopping", file=sys.stderr, flush=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if place.running():
        subprocess.run([sys.executable, "-P", "-m", "weft.cli.main", "--mesh", str(folder), "down"], check=False)
