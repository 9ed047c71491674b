"""The control plane's own certificate, renewed at half-life and whenever it is found expired (after a suspend)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from threading import Lock

from weft.ca.attestation import control_plane_identity
from weft.ca.authority import Authority, NotSigned
from weft.ca.certificate import der
from weft.ca.csr import key_pem, new_key, request
from weft.ca.rotation import is_due

log = logging.getLogger("weft.ca")

SERVER_NAME = "weft.local"  # what clients verify: grpc.ssl_target_name_override
HOSTS = (SERVER_NAME, "localhost", ip_address("127.0.0.1"), ip_address("::1"))


@dataclass(frozen=True, slots=True)
class Material:
    """What a TLS server shows and trusts, PEM."""

    key: bytes
    chain: bytes
    bundle: bytes
    begin: datetime
    end: datetime
    issuer: bytes = b""  # the certificate of who issued it, DER


class OwnCertificate:
    """The current material of the control plane's servers. Threads may ask at the same time."""

    def __init__(
        self, authority: Callable[[], Authority], now: Callable[[], datetime], life: timedelta = timedelta(days=1)
    ) -> None:
        self._authority = authority
        self._now = now
        self._life = life
        self._lock = Lock()
        self._current: Material | None = None

    @property
    def is_external(self) -> bool:
        """Whether another program signs, which may take its time."""
        return self._authority().external is not None

    def current(self) -> Material:
        """The material to use. Made anew only when there is none that is valid: renewing is `renewed`'s."""
        with self._lock:
            now = self._now()
            if self._current is None or not self._current.begin <= now < self._current.end:
                self._current = self._made(now)
            return self._current

    def is_over(self, material: Material) -> bool:
        """Whether `material` expired."""
        return self._now() >= material.end

    def renewed(self) -> bool:
        """Renews what is due, or was made by another issuer or for another trust bundle; whether anything changed. A signer
        that does not sign leaves what there is."""
        with self._lock:
            now, old = self._now(), self._current
            try:
                if old and not is_due(old.begin, old.end, now) and self._is_of(old, self._authority()):
                    return False
                self._current = self._made(now)
            except NotSigned as error:
                log.error("event=certificate_not_renewed of=control-plane reason=%r", str(error))
                return False
            return True

    def _is_of(self, material: Material, authority: Authority) -> bool:
        return material.bundle == authority.bundle and material.issuer == der(authority.signer.certificate)

    def _made(self, now: datetime) -> Material:
        authority = self._authority()
        identity = control_plane_identity(authority.trust_domain)
        key = new_key()
        issued = authority.issue(request(key, str(identity)), identity, self._life, now, HOSTS)
        issuer = der(authority.signer.certificate)
        return Material(key_pem(key), issued.chain, issued.bundle, now, issued.not_after, issuer)
