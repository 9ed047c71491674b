"""The authority in the API, below /weft/v1/ca: what it is, what every proxy serves, and its rotations."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypedDict

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from weft.ca.brought import Brought, judged
from weft.ca.folder import CurrentAuthority
from weft.ca.proof import fingerprint, shown
from weft.ca.succession import CannotChange, Kind, Rotation
from weft.ca.succession_files import BrokenFolder
from weft.controlplane.authority_rotation import AuthorityRotation, Row

Json = Mapping[str, Any]


def routes(authority: CurrentAuthority, rotation: AuthorityRotation) -> tuple[Route, ...]:
    """The routes. What cannot be done now is answered 409, with the reason."""

    async def status(_: Request) -> Response:
        return JSONResponse(_status(authority, rotation))

    async def verify(_: Request) -> Response:
        rows = await rotation.verify()
        items = [_row(row, authority) for row in rows]
        return JSONResponse({"verified": all(each["verified"] for each in items), "items": items})

    async def rotate(request: Request) -> Response:
        body = await request.json() if await request.body() else {}
        if isinstance(files := body.get("brought"), Mapping):
            return await begun(_brought(files, str(files.get("key", "")).encode()), body)
        kind = Kind.ROOT if body.get("root") else Kind.INTERMEDIATE
        return await _changed(lambda: rotation.begin(kind, **_how(body)))

    async def csr(_: Request) -> Response:
        made = await asyncio.to_thread(authority.folder.request)
        return JSONResponse({"request": made.decode()}, 201)

    async def bring_back(request: Request) -> Response:
        body = await request.json()
        try:
            key = authority.folder.pending()
        except CannotChange as refused:
            return JSONResponse({"message": str(refused)}, 409)
        return await begun(_brought(body, key), body, authority.folder.imported)

    async def begun(files: Brought, body: Json, then: Callable[[], None] = lambda: None) -> Response:
        found = await asyncio.to_thread(judged, files, authority().trust_domain, datetime.now(UTC))
        successor = found.successor
        if successor is None:
            return JSONResponse({"message": "\n".join(map(str, found.findings))}, 422)
        kind = Kind.INTERMEDIATE if successor.root == authority().roots[0] else Kind.ROOT
        answer = await _changed(lambda: rotation.begin(kind, successor, **_how(body)))
        if answer.status_code == 201:
            then()
        return answer

    async def pause(_: Request) -> Response:
        return await _changed(lambda: rotation.pause(True))

    async def resume(_: Request) -> Response:
        return await _changed(lambda: rotation.pause(False))

    async def abort(_: Request) -> Response:
        return await _changed(rotation.abort)

    return (
        Route("/weft/v1/ca", status),
        Route("/weft/v1/ca/verify", verify),
        Route("/weft/v1/ca/rotate", rotate, methods=["POST"]),
        Route("/weft/v1/ca/csr", csr, methods=["POST"]),
        Route("/weft/v1/ca/import", bring_back, methods=["POST"]),
        Route("/weft/v1/ca/pause", pause, methods=["POST"]),
        Route("/weft/v1/ca/resume", resume, methods=["POST"]),
        Route("/weft/v1/ca/abort", abort, methods=["POST"]),
    )


class _How(TypedDict):
    compromised: bool
    stepwise: bool


def _how(body: Json) -> _How:
    return {"compromised": bool(body.get("compromised")), "stepwise": bool(body.get("stepwise"))}


def _brought(body: Json, key: bytes) -> Brought:
    certificate, chain, root = (str(body.get(name, "")).encode() for name in ("certificate", "chain", "root"))
    return Brought(certificate, key, chain, root)


async def _changed(change: Any) -> Response:
    try:
        made: Rotation = change()
    except (CannotChange, BrokenFolder) as refused:
        return JSONResponse({"message": str(refused)}, 409)
    await asyncio.sleep(0)
    return JSONResponse(asdict(made), 201)


def _status(authority: CurrentAuthority, rotation: AuthorityRotation) -> Json:
    current, going, rows = authority(), rotation.rotation, rotation.rows()
    lacking = [{"name": row.name, "problem": row.problem} for row in rows if row.problem]
    return {
        "trustDomain": current.trust_domain,
        "bundle": current.bundle.decode(),
        "signer": "external" if current.external else "own",
        "roots": [_certificate(root) for root in current.roots],
        "intermediate": _certificate(current.signer.certificate),
        "rotation": {**asdict(going), "waitingFor": lacking} if going else None,
        "last": dict(rotation.last) or None,
        "proxies": {"all": len(rows), "verified": len(rows) - len(lacking)},
        "looked": rotation.looked,
        "alarms": [asdict(alarm) for alarm in rotation.alarms()],
    }


def _certificate(of: x509.Certificate) -> Json:
    return {
        "subject": of.subject.rfc4514_string(),
        "fingerprint": fingerprint(of),
        "notBefore": of.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "notAfter": of.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "keyType": _key_type(of.public_key()),
    }


def _key_type(key: object) -> str:
    match key:
        case ec.EllipticCurvePublicKey():
            return f"ECDSA {key.curve.name}"
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
    return type(key).__name__


def _row(row: Row, authority: CurrentAuthority) -> Json:
    said = {"name": row.name, "node": row.node, "verified": not row.problem, "problem": row.problem}
    return {**said, **(_served(row.sighting.chain, authority().roots) if row.sighting and row.sighting.chain else {})}


def _served(chain: Sequence[bytes], roots: Sequence[x509.Certificate]) -> Json:
    try:
        found = shown(chain, roots)
    except ValueError:
        return {}
    return {
        "serial": f"{found.leaf.serial_number:x}",
        "notAfter": found.leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "issuer": fingerprint(found.issuer) if found.issuer else "",
        "root": fingerprint(found.root) if found.root else "",
    }
