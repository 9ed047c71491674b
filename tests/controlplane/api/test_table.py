"""What `kubectl get` prints."""

from datetime import UTC, datetime, timedelta

import pytest

from weft.controlplane.api.table import age, table
from weft.resource.kinds import GATEWAY, VIRTUAL_SERVICE

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (303, "5m3s"), (1200, "20m"), (10800, "3h"), (11400, "3h10m"),
        (40000, "11h"), (172800, "2d"), (180000, "2d2h"), (864000, "10d"), (86400 * 800, "2y70d"), (86400 * 365 * 9, "9y"),
    ],
)  # fmt: skip
def test_an_age_has_two_units_at_most(seconds: int, text: str) -> None:
    """Ages are rounded as kubectl rounds them."""
    assert age((NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ"), NOW) == text


def test_an_age_that_is_no_time_is_unknown() -> None:
    """What cannot be read is not made up."""
    assert age("yesterday", NOW) == "<unknown>"


def test_cells_of_a_row() -> None:
    """Lists are JSON, absent fields are empty, wide columns have a priority, and a row carries its metadata."""
    meta = {"name": "a", "creationTimestamp": "2025-12-31T23:59:00Z"}
    body = {"metadata": meta, "spec": {"hosts": ["a", "b"]}}
    found = table(VIRTUAL_SERVICE, [body], {"resourceVersion": "1"}, NOW, include="Metadata")
    assert found["rows"][0]["cells"] == ["a", "", '["a","b"]', "60s"]
    assert found["rows"][0]["object"]["metadata"] == meta
    assert [column["name"] for column in found["columnDefinitions"]] == ["Name", "Gateways", "Hosts", "Age"]
    assert "object" not in table(VIRTUAL_SERVICE, [body], {}, NOW, include="None")["rows"][0]
    assert table(VIRTUAL_SERVICE, [body], {}, NOW, include="Object", headed=False)["columnDefinitions"] == []
    servers = {"metadata": meta, "spec": {"selector": {"istio": "x"}, "servers": [{"hosts": ["a"]}, {"hosts": ["b"]}]}}
    cells = table(GATEWAY, [servers], {}, NOW, include="None")["rows"][0]["cells"]
    assert cells == ["a", "60s", '{"istio":"x"}', '["a"],["b"]']
