"""A program: rotates a server's certificate while others begin handshakes as fast as they can. Its argument is a folder."""

import asyncio
import socket
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from .mesh_authority import mesh_authority

ROTATIONS, PEERS, AT_ONCE = 8, 2, 20


def _flood(port: int, stop: threading.Event) -> None:
    while not stop.is_set():
        peers = [socket.create_connection(("127.0.0.1", port), 1) for _ in range(AT_ONCE)]
        time.sleep(0.01)
        for peer in peers:
            peer.close()


async def _rotate(folder: Path) -> None:
    async with mesh_authority(folder, own_life=timedelta(seconds=2), period=0.1) as mesh:
        stop = threading.Event()
        threads = [threading.Thread(target=_flood, args=(mesh.nodes.port, stop)) for _ in range(PEERS)]
        for thread in threads:
            thread.start()
        chains = set()
        while len(chains) < ROTATIONS:
            await mesh.sign(mesh.node())
            chains.add(mesh.own.current().chain)
        stop.set()


def main() -> None:
    """Says `alive` at the end."""
    asyncio.run(_rotate(Path(sys.argv[1])))
    print("alive")
