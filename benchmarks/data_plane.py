"""The data plane's tax: what two sidecars with mTLS cost, beside a direct call, a bare pair of Envoys and a pair of HAProxies.

    python -m benchmarks.data_plane [--seconds 5] [--connections 32] [--rounds 3]

One backend (1 KiB from memory), one load generator (wrk), all on this machine in one run; the ways are taken in turn,
round by round, and the median round is shown. CPU is that of the proxies alone, per request. Needs `wrk`; HAProxy is left
out, and that is said, where it is not installed.
"""

import argparse
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.peers import Way, backend_config, certificates, envoy_pair, haproxy_pair
from benchmarks.processes import cpu_seconds, free_port, wait_for_port
from weft.envoy.binary import binary


@dataclass(frozen=True)
class Round:
    """One run of the load generator. `cpu_us` are the proxies' microseconds per request; latencies in milliseconds."""

    rps: float
    p50: float
    p99: float
    cpu_us: float
    errors: int


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def measured(way: Way, seconds: int, connections: int) -> Round:
    """One round of load over `way`."""
    headers = [argument for header in way.headers for argument in ("-H", header)]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *headers, f"http://127.0.0.1:{way.port}/"]
    before = cpu_seconds(way.pids)
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu = cpu_seconds(way.pids) - before
    requests = int(re.search(r"(\d+) requests in", text).group(1))  # type: ignore[union-attr]
    quantiles = dict(re.findall(r"\s+(50|99)%\s+(\S+)", text))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    socket_errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = int(bad.group(1)) if bad else 0
    errors += sum(map(int, socket_errors.groups())) if socket_errors else 0
    return Round(requests / seconds, _milliseconds(quantiles["50"]), _milliseconds(quantiles["99"]), cpu / requests * 1e6, errors)


def weft_pair(folder: Path, envoy: str, stack: ExitStack) -> Way:
    """A mesh of two workloads: the client's sidecar is called as an application calls it."""
    (folder / "backend.py").write_text(
        "import json, os, sys\nfrom benchmarks.peers import backend_config\n"
        "path = os.path.join(os.getcwd(), 'backend.json')\n"
        "json.dump(backend_config(int(os.environ['PORT'])), open(path, 'w'))\n"
        f"os.execv({envoy!r}, ['envoy', '-c', path, '--concurrency', '1', '--disable-hot-restart', '-l', 'error'])\n"
    )
    root = str(Path(__file__).parents[1])
    services = {
        "backend": {
            "command": [sys.executable, "backend.py"],
            "environment": {"PYTHONPATH": root},
            "x-weft": {"ports": [{"name": "http", "port": 8080}]},
        },
        "client": {"command": ["sleep", "100000"]},
    }
    strict = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: istio-system}\n"
    (folder / "strict.yaml").write_text(strict + "spec: {mtls: {mode: STRICT}}\n")
    (folder / "weft.yaml").write_text(yaml.safe_dump({"services": services, "x-weft": {"resources": ["strict.yaml"]}}))
    weft = str(Path(sys.executable).with_name("weft"))
    subprocess.run([weft, "up", "--detach"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    stack.callback(subprocess.run, [weft, "down"], cwd=folder, stdout=subprocess.DEVNULL)
    env = subprocess.run([weft, "exec", "client", "--", "env"], cwd=folder, check=True, capture_output=True, text=True).stdout
    port = int(re.search(r"^http_proxy=http://[^:]+:(\d+)", env, re.M).group(1))  # type: ignore[union-attr]
    return Way("weft", port, _sidecars(folder), ("Host: backend:8080",))


def _sidecars(folder: Path) -> tuple[int, ...]:
    """The processes of the two Envoys that weft runs for this folder. The backend is an Envoy too, but none of weft's."""
    found = []
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = status.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.startswith(f"{folder}/.weft/agent/envoy/".encode()) for word in words) and words[0].endswith(b"envoy"):
            found.append(int(status.parent.name))
    if len(found) != 2:
        raise RuntimeError(f"{len(found)} sidecars found where two run: {found}")
    return tuple(sorted(found))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    envoy = str(binary().path)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="weft-bench-")))
        files, port = certificates(folder), free_port()
        (folder / "direct.json").write_text(json.dumps(backend_config(port)))
        command = [envoy, "-c", str(folder / "direct.json"), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
        stack.callback(subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True).send_signal, signal.SIGTERM)
        wait_for_port(port)
        ways = [Way("direct", port, ()), envoy_pair(envoy, folder, files, port)]
        haproxy = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        if haproxy:
            ways.append(haproxy_pair(haproxy, folder, files, port))
        else:
            print("HAProxy is not installed: left out", file=sys.stderr)
        for way in ways:
            for pid in way.pids:
                stack.callback(_end, pid)
        mesh = folder / "mesh"
        mesh.mkdir()
        ways.append(weft_pair(mesh, envoy, stack))
        for way in ways:
            measured(way, 1, options.connections)  # warm up
        rounds = {way.name: [] for way in ways}  # type: dict[str, list[Round]]
        for number in range(options.rounds):
            for way in ways if number % 2 == 0 else ways[::-1]:  # what else the machine does falls on all alike
                rounds[way.name].append(measured(way, options.seconds, options.connections))
        report(rounds)


def _end(pid: int) -> None:
    subprocess.run(["kill", str(pid)], check=False)


def report(rounds: dict[str, list[Round]]) -> None:
    """Medians, and ratios to the bare pair of Envoys."""
    medians = {
        name: Round(*(statistics.median(getattr(each, field) for each in runs) for field in Round.__dataclass_fields__))
        for name, runs in rounds.items()
    }
    peer = medians["bare Envoy pair"]
    head = f"{'':16} {'req/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU us/req':>11} {'errors':>7}"
    print(f"{head}   ratios to the bare Envoy pair: req/s p50 p99 CPU")
    for name, row in medians.items():
        ratios = f"{row.rps / peer.rps:.2f} {row.p50 / peer.p50:.2f} {row.p99 / peer.p99:.2f} {row.cpu_us / peer.cpu_us:.2f}"
        print(f"{name:16} {row.rps:9.0f} {row.p50:8.2f} {row.p99:8.2f} {row.cpu_us:11.1f} {row.errors:7.0f}   {ratios}")


if __name__ == "__main__":
    main()
