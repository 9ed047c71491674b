"""The API's certificates while months pass, by a clock of the test's own."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from weft.cli.access import access, tls
from weft.controlplane.api.serve import ApiServer
from weft.controlplane.api_access import ApiAccess


class Clock:
    """The present, but for what has been taken off."""

    def __init__(self, behind: timedelta) -> None:
        self.behind = behind

    def __call__(self) -> datetime:
        """The time."""
        return datetime.now(UTC) - self.behind


async def _shown(home: Path, port: int) -> tuple[int, int]:
    """The serial numbers of the server's certificate and of the kubeconfig's, when a request with it is answered."""
    granted = access(home / "kubeconfig")
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls(granted))
    shown = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    return shown.serial_number, x509.load_pem_x509_certificate(granted.certificate).serial_number


@pytest.mark.parametrize(
    ("age", "server_is_new", "admin_is_new"),
    [(timedelta(days=40), False, False), (timedelta(days=50), True, False), (timedelta(days=200), True, True)],
)
async def test_certificates_are_renewed_while_it_serves(
    tmp_path: Path, age: timedelta, server_is_new: bool, admin_is_new: bool
) -> None:
    """From their half-life on the server shows another certificate and the kubeconfig holds another, with no restart."""
    clock = Clock(age)
    granted = ApiAccess(tmp_path, "", clock)
    server = ApiServer(Starlette(routes=[Route("/", lambda _: PlainTextResponse("hello"))]), "127.0.0.1", 0, granted.tls)
    address = "127.0.0.1:{1}".format(*server.listen())
    granted.write(address)
    old_server = x509.load_pem_x509_certificate(granted.tls.certificate.read_bytes()).serial_number
    old_admin = x509.load_pem_x509_certificate(access(tmp_path / "kubeconfig").certificate).serial_number
    tasks = [asyncio.create_task(server.run()), asyncio.create_task(granted.keep(server, address, period=0.02))]
    clock.behind = timedelta()
    await asyncio.sleep(0.3)
    port = int(address.rpartition(":")[2])
    shown, held = await _shown(tmp_path, port)
    assert (shown != old_server, held != old_admin) == (server_is_new, admin_is_new)
    assert not granted.renew(server, address)
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_a_start_renews_what_is_due(tmp_path: Path) -> None:
    """A control plane that was down over the half-life begins with a new certificate."""
    first = ApiAccess(tmp_path, "", Clock(timedelta(days=60))).tls.certificate.read_bytes()
    assert ApiAccess(tmp_path, "", Clock(timedelta())).tls.certificate.read_bytes() != first
