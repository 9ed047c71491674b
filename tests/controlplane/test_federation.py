"""Bundles of other trust domains: asked for over real TLS, kept over failures and restarts, and said in a status."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ca.authorities import authority

from weft import jwt
from weft.ca.authority import Authority
from weft.ca.csr import new_key
from weft.ca.transport.own_certificate import OwnCertificate
from weft.controlplane.federation import domains as federation
from weft.controlplane.federation.bundle_client import Unfetched, fetched
from weft.controlplane.federation.domains import RESOURCE, Domains
from weft.controlplane.federation.endpoint import BundleEndpoint as Endpoint
from weft.controlplane.reconcile import Reconciler
from weft.model.mesh import Settings
from weft.model.workload import Address
from weft.resource.weft.trust_domain import BundleEndpoint
from weft.spiffe_bundle import SpiffeBundle, document, spiffe_bundle
from weft.store.memory import MemoryStore
from weft.store.store import Delete, Key, Put

ME = "spiffe://other.example/ns/weft-system/sa/weft-control-plane"
SPIFFE = BundleEndpoint(url="", spiffe_id=ME)
WEB = BundleEndpoint(url="", profile="https_web")


def now() -> datetime:
    """The real time: TLS knows no other."""
    return datetime.now(UTC)


def other(domain: str = "other.example") -> Authority:
    """Another mesh's authority."""
    return authority(domain, now() - timedelta(days=1))


class Shown:
    """A mesh's own bundle endpoint that runs; what it shows may change, and it may go and come back."""

    def __init__(self, folder: Path, issuer: Authority) -> None:
        self.bundle = SpiffeBundle(issuer.trusted, (jwt.Key("k", new_key().public_key(), "ES256"),), hint=1)
        self._own = OwnCertificate(lambda: issuer, now)
        self._folder, self._port = folder, 0
        self._task: asyncio.Task[None] | None = None

    async def come(self) -> str:
        """Serves; the address."""
        made = Endpoint(self._folder, Address("127.0.0.1", self._port), self._own, lambda: self.bundle, now)
        self._port = made.listen().port
        self._task = asyncio.create_task(made.run())
        return f"https://127.0.0.1:{self._port}/"

    async def go(self) -> None:
        """Is not there any more."""
        assert self._task
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def shown(folder: Path, issuer: Authority) -> AsyncIterator[tuple[Shown, str]]:
    """An endpoint, and its address."""
    found = Shown(folder, issuer)
    try:
        yield found, await found.come()
    finally:
        await found.go()


async def test_an_endpoint_is_known_by_the_roots_that_are_held_and_its_spiffe_id(tmp_path: Path) -> None:
    """Another ID, roots of another mesh and no roots are refused; over https_web it is a host like any other."""
    issuer = other()
    held = {"other.example": issuer.trusted}
    async with shown(tmp_path, issuer) as (mesh, at):
        found = await fetched("other.example", _at(SPIFFE, at), held)
        assert (found.roots, found.keys, found.hint) == (mesh.bundle.roots, mesh.bundle.keys, 1)
        again = await fetched("other.example", _at(SPIFFE, at), held)
        mesh.bundle = SpiffeBundle(mesh.bundle.roots)
        assert again.sequence == found.sequence < (await fetched("other.example", _at(SPIFFE, at), held)).sequence
        roots = tmp_path / "roots.pem"
        roots.write_bytes(issuer.bundle)
        web = _at(BundleEndpoint(url="", profile="https_web", ca_certificates=str(roots)), at)
        assert (await fetched("other.example", web, {})).roots == issuer.trusted
        refused = (
            (_at(BundleEndpoint(url="", spiffe_id=f"{ME}-2"), at), held, "the endpoint is"),
            (_at(SPIFFE, at), {"other.example": other().trusted}, "certificate verify failed"),
            (_at(SPIFFE, at), {}, "no roots of other.example are held"),
            (_at(WEB, at), held, "certificate verify failed"),
            (_at(SPIFFE, f"{at}elsewhere"), held, "404"),
            (_at(SPIFFE, "https://127.0.0.1:1/"), held, "connect"),
        )
        for place, known, why in refused:
            with pytest.raises(Unfetched, match=why):
                await fetched("other.example", place, known)


def _at(of: BundleEndpoint, url: str) -> BundleEndpoint:
    return BundleEndpoint(url=url, profile=of.profile, spiffe_id=of.spiffe_id, ca_certificates=of.ca_certificates)


class Mesh:
    """A store, a reconciler and the domains, that run; `trust` is what agents are told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, MemoryStore()
        self.reconciler = Reconciler(self.store, Settings(), lambda _: None, lambda _: self._touched())
        self._tasks: list[asyncio.Task[None]] = []
        self.begin()

    def begin(self) -> None:
        """Another run of the control plane."""
        self.domains = Domains(self.folder, self.store, self.reconciler, now)

    def _touched(self) -> None:
        if self.reconciler.took(RESOURCE):
            self.domains.touched()

    async def start(self) -> None:
        """Runs."""
        self._tasks = [asyncio.create_task(part) for part in (self.reconciler.run(), self.domains.run())]

    async def stop(self) -> None:
        """Does not."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def write(self, spec: dict[str, Any], name: str = "other.example") -> None:
        """The TrustDomain says this."""
        key = Key(RESOURCE, "", name)
        stored = await self.store.get(key)
        body = {"apiVersion": "mesh.weft.dev/v1alpha1", "kind": "TrustDomain", "metadata": {"name": name}, "spec": spec}
        await self.store.write([Put(key, body, stored.revision if stored else 0)])

    async def said(self) -> str:
        """The reason in its status."""
        stored = await self.store.get(Key(RESOURCE, "", "other.example"))
        conditions = (stored.body.get("status") or {}).get("conditions", []) if stored else []
        return str(conditions[-1]["reason"]) if conditions else ""

    def roots(self) -> dict[str, bytes]:
        """What agents are told, by domain."""
        return {one.trust_domain: one.bundle for one in self.domains.trust}


async def until(condition: Callable[[], Any], limit: float = 10.0) -> None:
    """Waits for it."""
    async with asyncio.timeout(limit):
        while not (await found if asyncio.iscoroutine(found := condition()) else found):
            await asyncio.sleep(0.02)


async def test_a_bundle_is_followed_and_the_last_good_one_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new root comes with the next look; while the endpoint is away the bundle stays, over a restart too, and its age is an
    alarm; then it is read again. What is no bundle changes nothing. A domain that is not named any more is nobody's."""
    monkeypatch.setattr(federation, "_RETRY", 0.3)
    issuer, mesh = other(), Mesh(tmp_path / "mesh")
    await mesh.reconciler.load()
    async with shown(tmp_path / "other", issuer) as (remote, at):
        await mesh.start()
        bundle = document(SpiffeBundle(issuer.trusted)).decode()
        await mesh.write({"bundleEndpoint": {"url": at, "spiffeId": ME}, "bundle": bundle})
        await until(lambda: mesh.domains.trust and b'"k"' in mesh.domains.trust[0].jwks)
        both = replace(issuer.trusted, roots=(*issuer.trusted.roots, *other().trusted.roots))
        remote.bundle = replace(remote.bundle, roots=both)
        await until(lambda: mesh.roots() == {"other.example": both.pem})
        assert await mesh.said() == "Held"
        await remote.go()
        await until(lambda: _is(mesh, "Old"))
        assert mesh.roots() == {"other.example": both.pem} and max(age for _, age in mesh.domains.ages()) > 3
        await mesh.stop()
        mesh.begin()
        await mesh.start()
        await until(lambda: mesh.roots() == {"other.example": both.pem})
        await remote.come()
        await until(lambda: _is(mesh, "Held"))
        await mesh.store.write([Delete(Key(RESOURCE, "", "other.example"))])
        await until(lambda: mesh.roots() == {} and not list((tmp_path / "mesh").iterdir()))
        await mesh.stop()


async def _is(mesh: Mesh, reason: str) -> bool:
    return await mesh.said() == reason


async def test_a_bundle_may_stand_in_a_file_or_in_the_resource(tmp_path: Path) -> None:
    """A file is PEM or a document; without one nobody of the domain is known, and that is said."""
    mesh, file, issuer = Mesh(tmp_path / "mesh"), tmp_path / "other.pem", other()
    await mesh.reconciler.load()
    await mesh.start()
    await mesh.write({"bundleFile": str(file)})
    await until(lambda: _is(mesh, "NoBundle"))
    assert mesh.roots() == {}
    file.write_bytes(issuer.bundle)
    await mesh.write({"bundleFile": str(file), "bundle": ""})
    await mesh.write({"bundle": document(SpiffeBundle(issuer.trusted)).decode()})
    await until(lambda: mesh.roots() == {"other.example": issuer.bundle})
    file.write_bytes(document(SpiffeBundle(issuer.trusted)))
    await mesh.write({"bundleFile": str(file)})
    await until(lambda: _is(mesh, "Held"))
    assert mesh.roots() == {"other.example": issuer.bundle}
    await mesh.stop()


async def test_a_stranger_may_ask_the_endpoint_and_nobody_waits_for_a_silent_one(tmp_path: Path) -> None:
    """No certificate is asked for; TLS 1.2 is the least; plain HTTP is not answered."""
    issuer = other()
    async with shown(tmp_path, issuer) as (_, at):
        port = int(at.rpartition(":")[2].strip("/"))
        context = ssl.create_default_context(cadata=issuer.bundle.decode())
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert b" 200 " in head and b"application/json" in head
        assert spiffe_bundle("other.example", body).roots == issuer.trusted and json.loads(body)["spiffe_refresh_hint"] == 1
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"200" not in await reader.read()
        writer.close()
