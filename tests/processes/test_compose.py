"""A Compose file as people have it: what runs of it, what does not and is said, who waits for whom, who crashes."""

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes.mesh import RunningMesh, running_mesh

CONTAINERS = """\
name: shop
services:
  web: {image: "nginx:latest", networks: [front]}
  cache: {image: redis}
  api:
    command: weft echo
    expose: [8000]
    volumes: ["./data:/data"]
    environment: {STAGE: "${STAGE:-test}"}
networks: {front: {}}
"""
MESH = f"""
services:
  open:
    command: {sys.executable} -m http.server --bind 0.0.0.0 $PORT
    x-weft: {{ports: [{{name: http, port: 80}}]}}
  prepare: {{command: sh -c 'sleep 0.5; date +%s%N > prepared'}}
  slow:
    command: sh -c 'sleep 1; touch warm; date +%s%N > warmed; exec sleep 100000'
    healthcheck: {{test: [CMD, test, -e, warm], interval: 0.2s}}
  late:
    command: sh -c 'date +%s%N > started; exec sleep 100000'
    depends_on:
      prepare: {{condition: service_completed_successfully}}
      slow: {{condition: service_healthy}}
  told:
    command: sh -c 'env > told; exec sleep 100000'
    env_file: [defaults.env, {{path: absent.env, required: false}}]
    environment: {{FROM_UP: "$FROM_UP", DEFAULTED: "${{NOWHERE:-fallback}}", PAID: "$$5", MINE: "$WEFT_INSTANCE", OVER: file}}
  extra: {{command: sleep 100000, profiles: [debug]}}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for the tests that need it to run."""
    folder = tmp_path_factory.mktemp("mesh")
    (folder / "defaults.env").write_text("# defaults\nFROM_FILE=a b\nOVER=env_file\n")
    (folder / ".env").write_text("FROM_UP=dotenv\n")
    with running_mesh(folder, MESH) as running:
        yield running


@pytest.fixture
def still(tmp_path: Path) -> Iterator[RunningMesh]:
    """A folder in which nothing runs yet."""
    runtime = Path(tempfile.mkdtemp(prefix="weft-t-"))
    mesh = RunningMesh(tmp_path, runtime)
    yield mesh
    mesh.down()
    shutil.rmtree(runtime, ignore_errors=True)


def test_images_without_commands_are_one_finding(still: RunningMesh) -> None:
    """What names only images is refused at once, in one line for all of them; what else is not supported is told beside it."""
    (still.folder / "compose.yaml").write_text(CONTAINERS)
    told = still.weft("up", "--detach", "compose.yaml", code=1).err
    assert told.count("image-without-command") == 1
    assert "cache, web" in told or "web, cache" in told
    for line, field in ((8, "volumes"), (10, "networks")):
        assert re.search(rf"compose.yaml:{line}: warning unsupported-compose-field: .*\b{field}\b", told), told
    assert not still.home.running()


def test_init_converts_a_compose_file_and_lists_what_it_left_out(still: RunningMesh) -> None:
    """The new file has what processes can be made of, and starts."""
    (still.folder / "compose.yaml").write_text(CONTAINERS)
    told = still.weft("init", "compose.yaml")
    for left_out in ("web", "cache", "volumes", "networks"):
        assert left_out in told.out + told.err
    up = still.weft("up", "--detach")
    assert "warning" not in (up.out + up.err).replace("PERMISSIVE", "")
    assert set(still.instances()) == {"api-0"}


def test_an_application_that_crashes_shows_its_last_lines(still: RunningMesh) -> None:
    """`weft up --detach` ends with a code, the reason and the last 20 lines of what the application wrote."""
    (still.folder / "crash.sh").write_text("for i in $(seq 30); do echo line $i; done; exit 3")
    done = still.up(
        "services: {broken: {command: sh crash.sh, restart: 'no', x-weft: {ports: [{name: http, port: 80}]}}}", code=1
    )
    told = done.out + done.err
    assert "broken-0 is not ready" in told
    assert "code 3" in told
    assert re.findall(r"line (\d+)\b", told)[-20:] == [str(number) for number in range(11, 31)]
    assert "line 10\n" not in told


def test_an_exposed_application_is_found(mesh: RunningMesh) -> None:
    """An application that listens on every address can be reached past its Envoy: process, address and fix are named."""
    port = mesh.instances()["open-0"]["ports"][0]["application"]
    mesh.until(lambda: "exposed-application" in mesh.log("supervisor"), 10)
    [line] = [line for line in mesh.log("supervisor").splitlines() if "exposed-application" in line]
    assert "open-0" in line
    assert f"0.0.0.0:{port}" in line
    assert "python" in line
    hint = mesh.log("supervisor").partition("exposed-application")[2].splitlines()[1]
    assert "hint: " in hint
    assert "127.0.0.1" in hint


def test_dependencies_come_first(mesh: RunningMesh) -> None:
    """A service starts after those it depends on have completed, or are healthy."""
    times = {name: int((mesh.folder / name).read_text()) for name in ("prepared", "warmed", "started")}
    assert times["started"] > max(times["prepared"], times["warmed"])


def test_variables_come_from_the_file_the_folder_and_weft(mesh: RunningMesh) -> None:
    """Interpolation reads .env, env_file is read as it is, `$$` is a dollar, and weft's own variables are each instance's."""
    told = dict(line.split("=", 1) for line in (mesh.folder / "told").read_text().splitlines() if "=" in line)
    wanted = {"FROM_UP": "dotenv", "FROM_FILE": "a b", "DEFAULTED": "fallback", "PAID": "$5", "MINE": "told-0", "OVER": "file"}
    assert {name: told.get(name) for name in wanted} == wanted


def test_a_profile_starts_only_when_asked(mesh: RunningMesh) -> None:
    """A service with profiles does not start by itself."""
    assert "extra-0" not in mesh.instances()


def test_a_profile_that_is_asked_for_starts(still: RunningMesh) -> None:
    """`--profile` starts it."""
    text = "services: {a: {command: sleep 1000}, extra: {command: sleep 1000, profiles: [debug]}}"
    still.up(text, "--profile", "debug")
    assert set(still.instances()) == {"a-0", "extra-0"}
