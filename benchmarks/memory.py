"""What a mesh costs in memory: 20 sidecars that run one binary, with 10 and with 1,000 services known, and their keepers.

    python -m benchmarks.memory [--sidecars 20] [--services 10,1000]

Each sidecar's application calls one service. Memory is PSS (proportional set size), so that what the Envoys share counts
once. The peer in the same run is one bare Envoy with a static configuration of as many services: what a proxy holds that
is told everything.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from benchmarks.processes import free_port, pss_mib, wait_for_port
from weft.envoy.binary import binary

WEFT = (sys.executable, "-m", "weft.cli.main")


def _objects(count: int) -> Iterator[dict[str, Any]]:
    """Services with one endpoint each, outside the mesh's processes."""
    for number in range(count):
        name = f"known-{number}"
        meta = {"name": name, "namespace": "default"}
        ports = [{"name": "http", "port": 8080}]
        yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": name}, "ports": ports}}
        labels = {"app": name, "security.istio.io/tlsMode": "istio"}
        spec = {"address": "127.0.0.1", "ports": {"http": 9}, "serviceAccount": name, "labels": labels}
        yield {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": meta, "spec": spec}


def _run(folder: Path, *arguments: str) -> str:
    done = subprocess.run([*WEFT, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"weft {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def _roles(folder: Path) -> dict[str, list[int]]:
    """The mesh's processes by what they are."""
    found: dict[str, list[int]] = {"Envoy": [], "agent": [], "control plane": [], "supervisor": []}
    marks = {"Envoy": "/envoy", "agent": "agent", "control plane": "serve", "supervisor": "weft.supervisor.main"}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if not any(str(folder) in word for word in words):
            continue
        for role, mark in marks.items():
            if words[0].endswith(mark) if role == "Envoy" else mark in words:
                found[role].append(int(path.parent.name))
    return found


def mesh(services: int, sidecars: int) -> dict[str, float]:
    """MiB of PSS by role, one number per process, in a mesh that knows `services`."""
    with tempfile.TemporaryDirectory(prefix="weft-memory-") as name, ExitStack() as stack:
        folder = Path(name)
        compose = {
            "called": {"command": "weft echo", "x-weft": {"ports": [{"name": "http", "port": 8080}]}},
            "caller": {"command": "sleep 100000", "deploy": {"replicas": sidecars - 1}},
        }
        (folder / "weft.yaml").write_text(yaml.safe_dump({"services": compose}))
        stack.callback(subprocess.run, [*WEFT, "down"], cwd=folder, capture_output=True, check=False)
        _run(folder, "up", "--detach", "--timeout", "180")
        if services:
            (folder / "known.yaml").write_text("---\n".join(json.dumps(each) + "\n" for each in _objects(services)))
            _run(folder, "apply", "-f", "known.yaml")
        instances = json.loads(_run(folder, "ps", "-o", "json"))
        for each in instances:
            proxy = re.search(r"\d+$", str(each["httpProxy"]))
            if proxy:
                url = f"http://127.0.0.1:{proxy.group()}/"
                subprocess.run(["curl", "-s", "-o", "/dev/null", "-H", "Host: called:8080", url], check=True)
        time.sleep(3)
        roles = _roles(folder)
        return {role: sum(map(pss_mib, pids)) / len(pids) for role, pids in roles.items() if pids}


def bare(services: int) -> float:
    """MiB of PSS of one Envoy that is told all services at its start, as a mesh without on-demand discovery does."""
    clusters, hosts = [], []
    for number in range(services):
        name = f"known-{number}"
        address = {"socket_address": {"address": "127.0.0.1", "port_value": 9}}
        endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
        clusters.append({"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}})
        hosts.append({"name": name, "domains": [name], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": name}}]})
    port = free_port()
    router = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "all",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}, "filter_chains": [chain]}
    config = {"node": {"id": "bare", "cluster": "bare"}, "static_resources": {"listeners": [listener], "clusters": clusters}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bare.json"
        path.write_text(json.dumps(config))
        command = [str(binary().path), "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_for_port(port, 60)
            time.sleep(2)
            return pss_mib(process.pid)
        finally:
            process.kill()
            process.wait()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sidecars", type=int, default=20)
    parser.add_argument("--services", default="10,1000")
    options = parser.parse_args()
    counts = [int(count) for count in options.services.split(",")]
    found = {count: mesh(count, options.sidecars) for count in counts}
    peers = {count: bare(count) for count in counts}
    print(f"PSS in MiB of one process, {options.sidecars} sidecars in the mesh")
    print(f"{'services known':16}" + "".join(f"{count:>10}" for count in counts) + f"{'last/first':>12}")
    for role in found[counts[0]]:
        row = [found[count].get(role, 0.0) for count in counts]
        print(f"{role:16}" + "".join(f"{value:10.1f}" for value in row) + f"{row[-1] / row[0]:12.2f}")
    row = [peers[count] for count in counts]
    print(
        f"{'bare Envoy':16}" + "".join(f"{value:10.1f}" for value in row) + f"{row[-1] / row[0]:12.2f}   alone, told everything"
    )


if __name__ == "__main__":
    main()
