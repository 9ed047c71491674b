"""The commands as a caller sees them: each a process of its own."""

import json
import os
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
import yaml

from weft import __version__
from weft.cli.conversion import converted
from weft.cli.main import COMMANDS, Command
from weft.supervisor.compose import decode
from weft.supervisor.home import home, registry, written


def _weft(*words: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    state = {"XDG_STATE_HOME": str(folder / "state"), "XDG_RUNTIME_DIR": str(folder), "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-P", "-m", "weft.cli.main", *words]
    return subprocess.run(command, cwd=folder, env={**os.environ, **state, **environ}, capture_output=True, text=True, timeout=60)


def test_the_help_imports_no_command(tmp_path: Path) -> None:
    """It is quick because it is a table."""
    script = "import sys; from weft.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    script += "print([name for name in ('grpc', 'httpx', 'weft.cli.up', 'weft.supervisor.compose') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert ended.stdout.splitlines()[-1] == "[]"
    for command in COMMANDS:
        assert command.name in ended.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help(command: Command) -> None:
    """Its module has what the table says."""
    assert isinstance(import_module(command.module).app, typer.Typer)


def test_a_misspelt_command_names_the_right_one(tmp_path: Path) -> None:
    """And the code says that it was misused."""
    ended = _weft("upp", folder=tmp_path)
    assert ended.returncode == 2
    assert "'up'" in ended.stderr


def test_words_are_completed(tmp_path: Path) -> None:
    """Commands and kinds are offered to the shell; where no mesh can be asked for names, nothing is, and nothing is said."""
    offered = {"weft desc": "describe", "weft get virt": "virtualservice", "weft get dr re": "", "weft logs re": ""}
    for words, expected in offered.items():
        number = str(len(words.split()) - 1)
        ended = _weft(folder=tmp_path, _WEFT_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=number)
        assert (ended.stdout.strip(), ended.stderr) == (expected, ""), words


def test_without_a_mesh_a_command_says_what_to_do(tmp_path: Path) -> None:
    """One line, no traceback."""
    ended = _weft("ps", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "weft up" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_mesh_that_does_not_run_is_told_from_none(tmp_path: Path) -> None:
    """Its folder is there, nobody holds its lock."""
    (tmp_path / ".weft").mkdir()
    assert "does not run" in _weft("ps", folder=tmp_path).stderr
    assert "does not run" in _weft("down", folder=tmp_path).stdout


def test_an_unknown_mesh_is_said(tmp_path: Path) -> None:
    """With those that there are."""
    assert "no mesh 'other'" in _weft("--mesh", "other", "ps", folder=tmp_path).stderr


def test_a_mesh_is_found_by_its_name(tmp_path: Path) -> None:
    """While a supervisor holds its lock; `weft ls` lists it."""
    place = home(tmp_path / "there" / ".weft", {"XDG_RUNTIME_DIR": str(tmp_path)})
    place.prepare()
    written(place.mesh_file, {"pid": 7, "file": "x.yaml", "instances": [{}, {}]})
    written(registry({"XDG_STATE_HOME": str(tmp_path / "state")}) / "a.json", {"name": "shop", "home": str(place.path)})
    assert "no mesh runs" in _weft("ls", folder=tmp_path).stderr
    descriptor = place.lock()
    assert descriptor is not None
    try:
        assert _weft("ls", folder=tmp_path).stdout.splitlines()[1].split() == ["shop", "7", "2", "x.yaml"]
        assert "does not run" in _weft("--mesh", "shop", "ps", folder=tmp_path).stderr  # its socket is not there
        assert "runs already (pid 7)" in _weft("up", folder=_with_file(tmp_path / "there")).stderr
    finally:
        os.close(descriptor)


def _with_file(folder: Path) -> Path:
    (folder / "weft.yaml").write_text("services: {a: {command: x}}\n")
    return folder


def test_up_without_a_file_offers_to_make_one(tmp_path: Path) -> None:
    """Of the compose.yaml that is there."""
    assert "weft init" in _weft("up", folder=tmp_path).stderr
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    assert "weft init compose.yaml" in _weft("up", folder=tmp_path).stderr


def test_up_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    """With file and line; nothing is started."""
    (tmp_path / "weft.yaml").write_text("services:\n  web:\n    comand: x\n")
    ended = _weft("up", folder=tmp_path)
    assert ended.returncode == 1
    assert f"{tmp_path}/weft.yaml:3: error unknown-field" in ended.stderr
    assert not (tmp_path / ".weft").exists()


def test_init_writes_a_file_that_up_reads(tmp_path: Path) -> None:
    """And never over one that is there."""
    assert _weft("init", folder=tmp_path).returncode == 0
    file = tmp_path / "weft.yaml"
    assert decode(file.read_text(), file, environ={}).findings == ()
    assert _weft("init", folder=tmp_path).returncode == 1


COMPOSE = """
name: shop
services:
  web:
    image: web:1
    command: node server.js
    ports: ["8080:3000", {target: 9000}]
    environment: {DB: "db:5432", KEY: "${KEY:-x}"}
    depends_on: {db: {condition: service_healthy}, api: {condition: service_started}}
    networks: [front]
    deploy: {replicas: 2, resources: {limits: {cpus: "1"}}}
  api: {command: [python, api.py], expose: [5432], build: .}
  db: {image: "postgres:16", volumes: ["data:/var"]}
volumes: {data: {}}
"""


def test_a_compose_file_is_converted() -> None:
    """What means something is kept, variables as they are written, and ports become the mesh's."""
    found, _ = converted(COMPOSE)
    assert found == {
        "name": "shop",
        "services": {
            "web": {
                "command": "node server.js",
                "environment": {"DB": "db:5432", "KEY": "${KEY:-x}"},
                "depends_on": {"api": {"condition": "service_started"}},
                "deploy": {"replicas": 2},
                "x-weft": {"ports": [{"name": "http-3000", "port": 3000}, {"name": "http-9000", "port": 9000}]},
            },
            "api": {"command": ["python", "api.py"], "x-weft": {"ports": [{"name": "tcp", "port": 5432}]}},
        },
    }
    decoded = decode(yaml.safe_dump(found), Path("/m/weft.yaml"), environ={}, read=lambda path: None)
    assert [finding.code for finding in decoded.findings] == []


def test_a_conversion_lists_what_it_left_out() -> None:
    """Every service and every field of which nothing is left."""
    _, dropped = converted(COMPOSE)
    text = "\n".join(dropped)
    assert "db (line 13): image postgres:16" in text
    for word in ("web.depends_on: db", "web.networks", "web.image", "web.deploy.resources", "api.build", "volumes"):
        assert word in text


def test_the_schema_is_one_for_editors(tmp_path: Path) -> None:
    """It names the dialect and describes what weft adds."""
    schema = json.loads(_weft("schema", folder=tmp_path).stdout)
    service = schema["properties"]["services"]["additionalProperties"]["properties"]
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert service["x-weft"]["properties"]["gateway"]["type"] == "boolean"
    assert service["networks"]["deprecated"]


def test_the_version_names_envoy(tmp_path: Path) -> None:
    """Its version, where it is from, and its SHA-256; or why there is none."""
    found = json.loads(_weft("version", "-o", "json", folder=tmp_path).stdout)
    assert set(found["envoy"]) == {"version", "source", "path", "sha256"}
    missing = json.loads(_weft("version", "-o", "json", folder=tmp_path, WEFT_ENVOY="/no/such").stdout)
    assert "no such file" in missing["envoy"]["problem"]


def test_the_usual_short_ways_to_help_and_version_work(tmp_path: Path) -> None:
    """`-h` of every command, and `weft --version`."""
    assert _weft("--version", folder=tmp_path).stdout == f"weft {__version__}\n"
    assert "Usage: weft up" in _weft("up", "-h", folder=tmp_path).stdout


def test_an_empty_listing_prints_no_data(tmp_path: Path) -> None:
    """What it says for people goes to standard error, so that no script takes it for a name."""
    for form in ("table", "name"):
        assert _weft("ls", "-o", form, folder=tmp_path).stdout == ""


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """In one line: it is the operator's matter, no bug of ours."""
    ended = _weft("init", "-o", "no/such/folder.yaml", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (1, "weft: no/such/folder.yaml: No such file or directory\n")


def test_without_an_envoy_nothing_is_started(tmp_path: Path) -> None:
    """The reason is told at once, instead of by an agent that fails again and again."""
    ended = _weft("up", "--detach", folder=_with_file(tmp_path), WEFT_ENVOY="/no/such")
    assert ended.returncode == 1
    assert "WEFT_ENVOY is /no/such" in ended.stderr
    assert not (tmp_path / ".weft").exists()


def test_a_port_that_is_taken_ends_echo_with_a_line(tmp_path: Path) -> None:
    """It is the example that newcomers run."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = _weft("echo", "--port", str(taken.getsockname()[1]), folder=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("weft: cannot listen: ")
