"""Where the control plane's servers listen: `serve.json` in the mesh's folder, written when all of them do.

A restarted control plane takes the ports of the last one, so that agents and kubeconfigs find it where it was.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from weft.model.workload import Address

NAME = "serve.json"


@dataclass(frozen=True, slots=True)
class Listening:
    """Addresses as `host:port`."""

    api: str
    xds: str
    enroll: str
    metrics: str
    bundle: str
    pid: int


def write(home: Path, listening: Listening) -> None:
    """Tells who waits for the file that everything listens."""
    part = home / f"{NAME}.part"
    part.write_text(json.dumps(asdict(listening)) + "\n")
    part.replace(home / NAME)


def wanted(home: Path, role: str, address: Address) -> Address:
    """`address`, its port 0 replaced by that of the last run where that is free."""
    if address.port:
        return address
    try:
        host, _, port = json.loads((home / NAME).read_text())[role].rpartition(":")
    except (OSError, ValueError, KeyError):
        return address
    again = replace(address, port=int(port))
    return again if host.strip("[]") == address.host and _is_free(again) else address


def shown(address: Address) -> str:
    """`host:port`, IPv6 in brackets."""
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"


def _is_free(address: Address) -> bool:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return False
    return True


def this_process(api: Address, xds: Address, enroll: Address, metrics: Address, bundle: Address) -> Listening:
    """The addresses of this process's servers."""
    return Listening(shown(api), shown(xds), shown(enroll), shown(metrics), shown(bundle), os.getpid())
