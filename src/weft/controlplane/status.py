"""What weft knows of a resource, written to its status, as Istio's analysis does: a condition and validation messages.

https://istio.io/latest/docs/reference/config/istio.analysis.v1alpha1/
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from weft.controlplane import gateway_api_status
from weft.controlplane.reconcile import Reconciler
from weft.controlplane.virtual_addresses import VirtualAddresses
from weft.finding import Finding, Severity
from weft.store.store import Conflict, Key, Put, Store, Stored
from weft.translate.gateway_api.written import GROUP

OURS = ("networking.istio.io", "security.istio.io", "mesh.weft.dev")
SERVICE_ENTRIES = "serviceentries.networking.istio.io"


def status(findings: Iterable[Finding], body: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The status of the object `body`, about which `findings` are to be said. `now` is RFC 3339."""
    messages = [_message(finding) for finding in findings]
    broken = any(message["level"] == "ERROR" for message in messages)
    condition = {
        "type": "Reconciled",
        "status": "False" if broken else "True",
        "reason": "Refused" if broken else "Accepted",
        "lastTransitionTime": now,
    }
    others = [one for one in body.get("status", {}).get("conditions", ()) if one.get("type") != condition["type"]]
    kept = {name: value for name, value in body.get("status", {}).items() if name not in ("conditions", "validationMessages")}
    if messages:
        kept["validationMessages"] = messages
    return {**kept, "conditions": [condition, *others], "observedGeneration": str(body.get("metadata", {}).get("generation", 1))}


def _message(finding: Finding) -> dict[str, Any]:
    level = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.INFO: "INFO"}[finding.severity]
    text = f"{finding.ref.field}: {finding.message}" if finding.ref.field else finding.message
    message: dict[str, Any] = {"type": {"name": finding.code}, "level": level, "message": text}
    return message | ({"hint": finding.hint} if finding.hint else {})


class StatusWriter:
    """Writes the status of what was touched, when it differs from what stands there. Objects about which there is nothing
    to say and nothing was said are left alone, so that a healthy mesh writes nothing. ServiceEntries are told their virtual
    addresses."""

    def __init__(self, store: Store, reconciler: Reconciler, now: Callable[[], str]) -> None:
        self._store = store
        self._reconciler = reconciler
        self._now = now
        self._addresses = VirtualAddresses()

    async def run(self) -> None:
        """Without end."""
        self._addresses.adopt(self._reconciler.resources)
        while True:
            await self._reconciler.reported.wait()
            self._reconciler.reported.clear()
            touched, self._reconciler.touched = self._reconciler.touched, set()
            for key in sorted(touched):
                group = key.resource.partition(".")[2]
                if group == GROUP or (group in OURS and not key.resource.startswith(("workloadentries.", "nodes."))):
                    await self._write(key)
            await asyncio.sleep(0)

    async def _write(self, key: Key) -> None:
        stored = await self._store.get(key)
        if stored is None:
            self._addresses.of(key, None, {})
            return
        wanted = self._api_status(stored) if key.resource.endswith(f".{GROUP}") else self._istio_status(stored)
        if wanted is None:
            return
        try:
            await self._store.write([Put(key, {**stored.body, "status": wanted}, stored.revision)])
        except Conflict:
            self._reconciler.touched.add(key)
            self._reconciler.reported.set()

    def _istio_status(self, stored: Stored) -> dict[str, Any] | None:
        """The status to write; None when what stands there will do."""
        said = stored.body.get("status", {})
        wanted = status(self._reconciler.findings(stored.key), stored.body, self._now())
        if stored.key.resource == SERVICE_ENTRIES:
            wanted |= self._virtual_addresses(stored)
        idle = "conditions" not in said and "validationMessages" not in wanted
        if _says(said) == _says(wanted) or (idle and said.get("addresses") == wanted.get("addresses")):
            return None
        return {name: value for name, value in wanted.items() if value is not None}

    def _virtual_addresses(self, stored: Stored) -> dict[str, Any]:
        """`addresses`, None where there are none; one that was written since is left to the change that is on its way."""
        if stored.revision > self._reconciler.revision:
            return {}
        written = self._reconciler.translation.mesh.addresses
        return {"addresses": self._addresses.of(stored.key, self._reconciler.resource(stored.key), written) or None}

    def _api_status(self, stored: Stored) -> dict[str, Any] | None:
        """The same of a resource of the Gateway API. One that was written since is left to the change that is on its way, so that
        no generation is said to be observed that was not."""
        if stored.revision > self._reconciler.revision:
            return None
        wanted = gateway_api_status.encoded(self._reconciler.api_status(stored.key), stored.body, self._now())
        return wanted if wanted != (stored.body.get("status") or {}) else None


def _says(said: Mapping[str, Any]) -> tuple[object, ...]:
    conditions = [(each.get("type"), each.get("status")) for each in said.get("conditions", ())]
    return (conditions, said.get("validationMessages", []), said.get("observedGeneration"), said.get("addresses"))
