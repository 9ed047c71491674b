"""How the API is reached and by whom: its certificates, and the kubeconfig that lets the administrator in.

The certificates live for months and are renewed from their half-life on. Connections that are open stay; a kubeconfig that was
copied elsewhere works until its own certificate ends, since the authority remains.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from weft.ca.api_authority import ApiIdentity, api_identity, client_certificate
from weft.controlplane.api import kubeconfig
from weft.controlplane.api.serve import ApiServer, Tls

log = logging.getLogger("weft.api")
PERIOD = 3600.0  # seconds between two looks at the certificates


class ApiAccess:
    """The identities of the API in the mesh's folder `home`, made or renewed now. `name` is the mesh's in the kubeconfig."""

    def __init__(self, home: Path, name: str, clock: Callable[[], datetime]) -> None:
        self._home, self._name, self._clock = home, name, clock
        self._identity = self._current()

    @property
    def tls(self) -> Tls:
        """The files that the server reads."""
        identity = self._identity
        return Tls(identity.server.path, identity.server.path, identity.authority_path)

    def write(self, address: str) -> None:
        """Writes the kubeconfig for the API at `address` (`host:port`)."""
        identity = self._identity
        document = kubeconfig.kubeconfig(
            name=self._name or "weft",
            server=f"https://{address}",
            authority=identity.authority,
            certificate=identity.admin.chain,
            key=identity.admin.key,
        )
        kubeconfig.write(self._home / "kubeconfig", document)

    def sign(self, csr: bytes, user: str, group: str, life: timedelta) -> bytes:
        """A client certificate (PEM) for the key of a CSR (DER). Raises csr.InvalidRequest."""
        return client_certificate(self._folder, csr, user, (group,), life, self._clock())

    def renew(self, server: ApiServer, address: str) -> bool:
        """Renews what is due and takes it into use; whether anything was."""
        held, self._identity = self._identity, self._current()
        if self._identity == held:
            return False
        server.reload()
        self.write(address)
        end = self._identity.server.not_after.isoformat()
        log.info(
            "event=certificate_renewed of=api not_after=%s admin_not_after=%s", end, self._identity.admin.not_after.isoformat()
        )
        return True

    async def keep(self, server: ApiServer, address: str, period: float = PERIOD) -> None:
        """Looks every `period` seconds, until cancelled."""
        while True:
            await asyncio.sleep(period)
            try:
                self.renew(server, address)
            except OSError as error:  # a full disk, say: what is held goes on, and the next look tries again
                log.error('event=renewal-failed of=api reason="%s"', error)

    def _current(self) -> ApiIdentity:
        return api_identity(self._folder, self._clock())

    @property
    def _folder(self) -> Path:
        return self._home / "ca" / "api"
