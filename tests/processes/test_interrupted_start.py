"""Ctrl-C while a mesh comes up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from weft.supervisor.home import Home, home

NEVER_READY = "services: {deaf: {command: sleep 1000, x-weft: {ports: [{name: http, port: 8080}]}}}\n"


def _started(*words: str, folder: Path) -> "subprocess.Popen[str]":
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "XDG_STATE_HOME": str(folder / "state"), "NO_COLOR": "1"}
    command = [sys.executable, "-P", "-m", "weft.cli.main", *words]
    return subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True, preexec_fn=_heeds_interrupts)


def _heeds_interrupts() -> None:
    """As a program in the foreground does, however these tests were started (a shell's `&` and nohup ignore them)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def _place(folder: Path, state: Path) -> Home:
    return home(state, {"XDG_RUNTIME_DIR": str(folder)})


@pytest.mark.parametrize(("words", "state"), [(("up", "--detach"), ".weft"), (("demo",), "weft-demo/.weft")], ids=["up", "demo"])
def test_an_interrupted_start_leaves_nothing_running(tmp_path: Path, words: tuple[str, ...], state: str) -> None:
    """Who gave up waiting would not look for a mesh that runs on behind his back."""
    (tmp_path / "weft.yaml").write_text(NEVER_READY)
    place = _place(tmp_path, tmp_path / state)
    begun = _started(*words, folder=tmp_path)
    _until(place.serve_file.exists)
    assert place.running()
    begun.send_signal(signal.SIGINT)
    said = begun.communicate(timeout=60)[1]
    assert begun.returncode == 130, said
    assert "Traceback" not in said
    assert not place.running()
