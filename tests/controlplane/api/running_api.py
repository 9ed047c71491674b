"""A process that serves the API, for tests of clients."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "api_process.py"
MANIFESTS = Path(__file__).parents[2] / "manifests"


@dataclass(frozen=True)
class Done:
    """A command that has run."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class RunningApi:
    """The served API: its folder with `kubeconfig`, and how to run a client there."""

    home: Path

    @property
    def kubeconfig(self) -> Path:
        """The way in."""
        return self.home / "kubeconfig"

    def run(self, *command: str, stdin: str = "", code: int | None = 0, **environment: str) -> Done:
        """Runs a command with the kubeconfig; it must end with `code` (None: any)."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
        told = {**kept, "HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig), "COLUMNS": "200", **environment}
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=told, timeout=60, check=False)
        assert code is None or done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Done(done.returncode, done.stdout, done.stderr)

    def editor(self, old: str, new: str) -> str:
        """An editor that replaces a text."""
        path = self.home / "editor"
        change = f"file.write_text(file.read_text().replace({old!r}, {new!r}))"
        path.write_text(f"#!{sys.executable}\nimport pathlib, sys\nfile = pathlib.Path(sys.argv[1])\n{change}\n")
        path.chmod(0o755)
        return str(path)


@contextmanager
def running_api(home: Path, arguments: Sequence[str] = ()) -> Iterator[RunningApi]:
    """Serves while the block runs."""
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(home), *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        assert process.stdout.readline(), "the API did not start"
        yield RunningApi(home)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
