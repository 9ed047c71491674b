"""The log of changes as a file."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from weft.controlplane.audit_log import AuditLog

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def numbers(of: AuditLog, since: str = "", limit: int = 1000) -> list[int]:
    """The entries by their number."""
    return [one["number"] for one in of.entries(since, limit)]


def test_the_newest_are_kept_and_only_its_owner_reads(tmp_path: Path) -> None:
    """Files are turned when they are full; the oldest goes; what was cut is passed over."""
    clock = iter(BEGIN + timedelta(seconds=number) for number in range(100))
    log = AuditLog(tmp_path / "audit.log", lambda: next(clock), largest=200, kept=2)
    for number in range(20):
        log.write({"number": number})
    kept = numbers(log)
    assert kept == list(range(kept[0], 20)) and 6 <= len(kept) < 15
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.log", "audit.log.1", "audit.log.2"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert numbers(log, limit=2) == [18, 19]
    assert numbers(log, since="2026-01-01T00:00:18") == [18, 19]
    with open(tmp_path / "audit.log", "a") as file:
        file.write('{"number": 20, "ti')
    assert numbers(log, limit=2) == [18, 19]


def test_a_full_disk_stops_no_change(tmp_path: Path) -> None:
    """What cannot be written is said elsewhere."""
    AuditLog(tmp_path / "nowhere" / "audit.log", lambda: BEGIN).write({"user": "jo"})
