"""Certificates on a real Envoy: shown from the start, rotated without a gap, recovered after their life."""

import asyncio
import signal
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from agent.control_plane import now
from agent.node import WEB, Node, eventually, node
from cryptography import x509

SPIFFE_ID = "spiffe://cluster.local/ns/default/sa/web"


async def _ready(n: Node) -> None:
    n.serve_mtls()
    n.start_agent()
    n.sidecar()
    await n.supervisor.hears("ready", instance=WEB)


async def test_a_sidecar_shows_its_workloads_identity_and_the_key_is_private(tmp_path: Path) -> None:
    """The Envoy shows a certificate of the workload's SPIFFE ID, and its key is readable by the owner alone."""
    async with node(tmp_path) as n:
        await _ready(n)
        names = (await n.shown()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [SPIFFE_ID]
        keys = list((n.home / "agent" / "keys").glob("*.pem"))
        assert len(keys) == 2
        assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


@pytest.mark.slow
async def test_ten_rotations_reach_the_envoy_before_the_certificate_ends(tmp_path: Path) -> None:
    """With certificates of four seconds the Envoy shows eleven different ones, each of them valid when shown."""
    async with node(tmp_path, life=timedelta(seconds=4)) as n:
        await _ready(n)
        serials: set[int] = set()
        async with asyncio.timeout(60):
            while len(serials) < 11:
                shown = await n.shown()
                assert shown.not_valid_after_utc > now()
                serials.add(shown.serial_number)
                await asyncio.sleep(0.1)


async def test_an_outage_longer_than_the_certificates_is_recovered_from(tmp_path: Path) -> None:
    """When the control plane was away for longer than every certificate's life, valid ones are shown within two seconds."""
    async with node(tmp_path, life=timedelta(seconds=3)) as n:
        await _ready(n)
        await n.control_plane.stop()
        await asyncio.sleep(4)
        assert (await n.shown()).not_valid_after_utc < now()
        await n.control_plane.start()

        async def valid() -> bool:
            return (await n.shown()).not_valid_after_utc > now()

        assert await eventually(valid) < 2.0


@pytest.mark.slow
async def test_a_suspend_longer_than_the_certificates_is_recovered_from(tmp_path: Path) -> None:
    """Agent and Envoy stopped for longer than every certificate's life show valid ones within three seconds of going on."""
    async with node(tmp_path, life=timedelta(seconds=3)) as n:
        n.serve_mtls()
        await n.spawn_agent()
        n.sidecar()
        await n.supervisor.hears("ready", instance=WEB)
        n.signal_all(signal.SIGSTOP)
        await asyncio.sleep(5)
        n.signal_all(signal.SIGCONT)

        async def valid() -> bool:
            return (await n.shown()).not_valid_after_utc > now()

        assert await eventually(valid) < 3.0


async def test_no_stream_outlives_the_certificate_it_began_with(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After the node has a new certificate its streams open again with it, and calls go on meanwhile."""
    caplog.set_level("INFO")
    async with node(tmp_path, life=timedelta(seconds=6)) as n:
        await _ready(n)
        await n.service("reviews")
        await eventually(lambda: n.answers("reviews", "reviews"))
        before = caplog.text.count("registered workloads")
        async with asyncio.timeout(20):
            while caplog.text.count("registered workloads") < before + 1:
                assert (await n.call("reviews"))[0] == 200
                await asyncio.sleep(0.1)
        assert "node certificate renewed" in caplog.text
        assert (await n.call("reviews"))[0] == 200
