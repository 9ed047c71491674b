"""When a test fails that uses a running mesh, the ends of its logs are part of the report."""

from collections.abc import Generator

import pytest

from processes.mesh import RunningMesh


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, None, None]:
    """Adds the logs."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed and report.when == "call":
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, RunningMesh):
                report.sections.append(("logs of the mesh", value.tail()))
