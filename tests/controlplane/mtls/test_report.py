"""The ledger of encrypted and other calls, and the report that is made from it."""

import asyncio
import json
from pathlib import Path

from weft.controlplane.mtls import report
from weft.controlplane.mtls.ledger import Ledger, Line
from weft.model.workload import Proxy, Workload
from weft.proto.node_pb2 import CallCounters

NOW = 1_800_000_000.0
HOUR = int(NOW) // 3600 * 3600
WEB = "spiffe://cluster.local/ns/shop/sa/web"
PROXIES = {"shop/reviews-0": Proxy(Workload("shop", "reviews-0", "reviews", (("app", "reviews"),)))}


def _rows() -> list[CallCounters]:
    common = {"proxy": "shop/reviews-0", "port": 9080}
    return [
        CallCounters(**common, identity=WEB, transport="mtls", count=5, last_seen=int(NOW)),
        CallCounters(**common, address="10.0.0.9", transport="plaintext", count=2, last_seen=int(NOW)),
        CallCounters(**common, address="10.0.0.9", transport="plaintext", denied_by="mtls-only", count=1, last_seen=int(NOW)),
        CallCounters(proxy="gone/one", port=1, transport="mtls", count=9, last_seen=int(NOW)),
    ]


def test_what_is_reported_adds_up_and_survives(tmp_path: Path) -> None:
    """Two reports of one hour are one line; a ledger that is opened again goes on."""

    async def told() -> dict[Line, int]:
        for _ in range(2):
            ledger = Ledger(tmp_path / "l.db", lambda: PROXIES, lambda: NOW)
            await ledger.open()
            ledger.observe(_rows())
            found = await ledger.lines(NOW - 10, NOW)
        assert await ledger.lines(NOW - 10_000, NOW - 7_200) == {}
        return dict(found)

    assert asyncio.run(told()) == {
        Line(HOUR, "shop/reviews", 9080, "mtls", WEB): 10,
        Line(HOUR, "shop/reviews", 9080, "plaintext", "10.0.0.9"): 4,
        Line(HOUR, "shop/reviews", 9080, "plaintext", "10.0.0.9", True): 2,
    }


def test_a_report_says_what_was_not_encrypted_and_from_where(tmp_path: Path) -> None:
    """Sums by port, the identities, and every address; a period from before the record is not complete."""
    lines = {
        Line(HOUR, "shop/reviews", 9080, "mtls", WEB): 10,
        Line(HOUR, "shop/reviews", 9080, "plaintext", "10.0.0.9"): 4,
    }
    said = json.loads(report.text(lines, "cluster.local", NOW - 60, NOW, NOW - 86_400, NOW))
    assert (said["complete"], said["totals"]) == (True, {"mtls": 10, "tls": 0, "plaintext": 4, "refused": 0})
    (row,) = said["workloads"]
    assert (row["workload"], row["identities"]) == ("shop/reviews", [WEB])
    assert row["notEncrypted"] == [
        {"address": "10.0.0.9", "transport": "plaintext", "refused": False, "count": 4, "lastHour": report.time(HOUR)}
    ]
    assert not json.loads(report.text({}, "cluster.local", NOW - 90_000, NOW, NOW - 60, NOW))["complete"]
