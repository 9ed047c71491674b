"""The README's tour works as pasted."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"<!-- (tour(?:-fails)?) -->\n```bash\n(.*?)```", README, re.DOTALL)
NEEDED = ("curl", "kubectl")

# What each step of the tour must have said, in their order.
SAID = (
    r"reviews-v1-0 .* ready",
    r'"peer":"spiffe://cluster.local/ns/default/sa/web"',
    r"close: reviews.default",
    r'"version":"v2"',
    r"wrong.yaml:\d+: error weight-total",
    r'"peer":"spiffe://cluster.local/ns/default/sa/web"',
    r"denied: no rule of AuthorizationPolicy default/",
    r"outbound\|9080\|v1\|reviews.default.svc.cluster.local",
    r"virtualservice.networking.istio.io/reviews",
    r"",
)


@pytest.mark.skipif(any(not shutil.which(tool) for tool in NEEDED), reason="the tour uses curl and kubectl")
def test_the_tour_works_as_pasted(tmp_path: Path) -> None:
    """Every block of the tour, run in order in an empty folder, succeeds and says what the README promises."""
    binaries = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**os.environ, "PATH": binaries, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    assert len(BLOCKS) == len(SAID)
    try:
        for (kind, block), said in zip(BLOCKS, SAID, strict=True):
            command = ["bash", "-euo", "pipefail", "-c", block]
            done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
            shown = f"{block}\n{done.stdout}\n{done.stderr}"
            assert (done.returncode != 0) is (kind == "tour-fails"), shown
            assert re.search(said, done.stdout + done.stderr), shown
    finally:
        subprocess.run(["weft", "down"], cwd=tmp_path, env=environ, capture_output=True, timeout=60)
