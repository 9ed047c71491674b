"""What the record of calls and the counters of sidecars say of encryption.

The record begins when it is first opened; agents keep what they could not tell, so a control plane that was away misses nothing.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from weft.controlplane.call_record import CallRecord
from weft.controlplane.mtls.traffic import Encrypted
from weft.controlplane.observation import Observation
from weft.model.workload import Proxy
from weft.rollout.tighten import Failures, Sighting
from weft.telemetry.calls import MTLS, MTLS_ONLY

_LATELY = 4.0  # seconds of requests whose failures count


class CallEvidence:
    """The evidence. `path` keeps when the record began."""

    def __init__(self, path: Path, record: CallRecord, observation: Observation, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._record = record
        self._observation = observation
        self._now = now
        self._since = now()

    def load(self) -> None:
        """Reads when the record began; for the first time it begins now."""
        with suppress(FileNotFoundError, ValueError):
            self._since = float(self._path.read_text())
            return
        self._path.write_text(f"{self._since}\n")

    @property
    def since(self) -> float:
        """From when on everything is recorded (Unix seconds)."""
        return self._since

    def plaintext(self, since: float) -> Iterator[Sighting]:
        """Who called without an identity of the mesh and was last seen after `since`; times are whole seconds."""
        found: dict[tuple[str, int, str, bool], tuple[int, float]] = {}
        for call in self._record.calls(max(0.0, self._now() - int(since))):
            edge, there = call.edge, call.edge.destination
            if edge.caller.transport == MTLS:
                continue
            key = (f"{there.namespace}/{there.workload}", edge.port, edge.caller.address, edge.denied_by == MTLS_ONLY)
            count, last = found.get(key, (0, 0.0))
            found[key] = (count + call.seen.count, max(last, call.seen.last))
        for (workload, port, address, refused), (count, last) in found.items():
            yield Sighting(workload, port, address, count, last, refused)

    def encrypted(self, since: float) -> Iterator[Encrypted]:
        """Calls with mTLS, of kinds that were last seen after `since`."""
        for call in self._record.calls(max(0.0, self._now() - since)):
            if call.edge.caller.transport == MTLS:
                there = call.edge.destination
                yield Encrypted(f"{there.namespace}/{there.workload}", call.edge.port, call.seen.count)

    def failures(self, proxies: Iterable[Proxy]) -> Failures:
        """Of the requests that the mesh sent to these in the last seconds."""
        return Failures(*self._observation.failures(proxies, _LATELY))
