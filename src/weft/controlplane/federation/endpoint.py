"""The bundle endpoint: shows this mesh's roots and token keys to whoever asks, with the certificate of the control plane
(https_spiffe).

https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Federation.md
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from weft.ca import keys
from weft.ca.transport.own_certificate import OwnCertificate
from weft.controlplane.api.serve import ApiServer, Limits, Tls
from weft.model.workload import Address
from weft.spiffe_bundle import SpiffeBundle, document

_LIMITS = Limits(head=5.0, body=5.0, idle=10.0, head_size=8 * 1024, connections=128)
_LOOK = 5.0  # seconds between two looks at the certificate


class Sequence:
    """The number of the bundle's version, kept in a file: it grows with each change, over restarts too."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self._path = path
        self._now = now
        self._last = ("", 0)

    def of(self, bundle: SpiffeBundle) -> int:
        """The number of `bundle`, whose own number does not count."""
        digest = hashlib.sha256(document(replace(bundle, sequence=0))).hexdigest()
        known, number = self._last if self._last[1] else self._read()
        if digest != known:
            number = max(number + 1, int(self._now().timestamp()))
            keys.write(self._path, json.dumps([digest, number]).encode())
        self._last = (digest, number)
        return number

    def _read(self) -> tuple[str, int]:
        try:
            digest, number = json.loads(self._path.read_bytes())
            return str(digest), int(number)
        except (OSError, ValueError, TypeError):
            return "", 0


class BundleEndpoint:
    """Serves `bundle` at `address`. `listen`, then `run` until cancelled."""

    def __init__(
        self, folder: Path, address: Address, own: OwnCertificate, bundle: Callable[[], SpiffeBundle], now: Callable[[], datetime]
    ) -> None:
        self._own = own
        self._bundle = bundle
        self._file = folder / "bundle-endpoint.pem"
        self._sequence = Sequence(folder / "bundle-sequence.json", now)
        self._shown = b""
        app = Starlette(routes=[Route("/", self._answer)])
        self._server = ApiServer(app, address.host, address.port, Tls(self._file, self._file, None), limits=_LIMITS)

    def listen(self) -> Address:
        """Binds, and says where. Raises OSError."""
        self._write()
        return Address(*self._server.listen())

    async def run(self) -> None:
        """Serves until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._server.run())
            while True:
                await asyncio.sleep(_LOOK)
                if self._write():
                    self._server.reload()

    def _write(self) -> bool:
        """Puts the certificate of the moment where the server reads it; whether it is another one."""
        material = self._own.current()
        if material.chain == self._shown:
            return False
        keys.write(self._file, material.key + material.chain)
        self._shown = material.chain
        return True

    async def _answer(self, _: Request) -> Response:
        bundle = self._bundle()
        return Response(document(replace(bundle, sequence=self._sequence.of(bundle))), media_type="application/json")
