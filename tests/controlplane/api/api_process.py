"""The API as a process of its own: `python api_process.py HOME [plain]` prints its address once it serves, and ends on SIGTERM.

It judges with nothing but the decoding of resources, and finds fault with a host called `unheard-of`, so that findings on the
way can be seen. `plain`: it says that it is Kubernetes, not weft.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from weft.ca.api_authority import api_identity
from weft.controlplane.api import kubeconfig, namespaces
from weft.controlplane.api.admission import Admission
from weft.controlplane.api.application import application, version
from weft.controlplane.api.serve import ApiServer, Limits, Tls
from weft.finding import Finding
from weft.messages import finding
from weft.ref import Ref
from weft.store.sqlite import SqliteStore

PLAIN = {"major": "1", "minor": "33", "gitVersion": "v1.33.0"}
LIMITS = Limits(handshake=1.0, head=1.0, body=1.0, drain=0.5)


async def admit(changes: Sequence[Admission]) -> tuple[Finding, ...]:
    """Warns of the host `unheard-of`, with a hint of several lines."""
    return tuple(
        finding("unknown-host", _ref(change), host="unheard-of", hint="make\n  one")
        for change in changes
        if change.new and change.new.get("spec", {}).get("host") == "unheard-of"
    )


def _ref(change: Admission) -> Ref:
    meta = (change.new or {})["metadata"]
    return Ref(change.kind.group, change.kind.kind, meta["namespace"], meta["name"]).at("spec.host")


async def serve(home: Path, plain: bool) -> None:
    """Serves until SIGTERM."""
    store, stopping, done = SqliteStore(home / "mesh.db"), asyncio.Event(), asyncio.Event()
    identity = api_identity(home / "ca", datetime.now(UTC))
    await namespaces.ensure(store, ("default", "istio-system", "weft-system"))
    app = application(store, admit=admit, version=PLAIN if plain else version("test"), stopping=stopping)
    tls = Tls(identity.server.path, identity.server.path, identity.authority_path)
    server = ApiServer(app, "127.0.0.1", 0, tls, limits=LIMITS, stopping=stopping)
    host, port = server.listen()
    document = kubeconfig.kubeconfig(
        name="weft",
        server=f"https://{host}:{port}",
        authority=identity.authority,
        certificate=identity.admin.chain,
        key=identity.admin.key,
    )
    kubeconfig.write(home / "kubeconfig", document)
    print(f"{host}:{port}", flush=True)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    running = asyncio.create_task(server.run())
    await done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), "plain" in sys.argv[2:]))
