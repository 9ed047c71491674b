"""The supervisor as a process, with scripted companions: up, crashes, changes, down."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes.supervised import SERVER, Supervised, runs
from weft.supervisor.control_client import RequestRefused

WEB = f"""
services:
  web: {{command: "{SERVER}", x-weft: {{ports: [{{name: http, port: 80}}]}}}}
"""


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Supervised]:
    """A mesh that leaves nothing behind."""
    supervised = Supervised(tmp_path)
    yield supervised
    supervised.close()


def test_a_mesh_comes_up_and_goes_down(mesh: Supervised) -> None:
    """Everything declared is written first, the application follows its sidecar, and at the end nothing is left."""
    assert mesh.start(WEB).wait()["ready"]
    asked = mesh.notes("asked.jsonl")
    assert [(each["path"], len(each["body"].get("objects", ()))) for each in asked] == [
        ("/weft/v1/apply", 3),
        ("/weft/v1/jointokens", 0),
    ]
    processes = mesh.processes()
    assert set(processes) == {"control-plane", "agent", "app/default/web-0", "envoy/default/web-0"}
    web = mesh.ps()["web-0"]
    assert (web["state"], web["ready"], web["pid"]) == ("ready", True, processes["app/default/web-0"])
    assert "the mode is PERMISSIVE" in mesh.output
    assert mesh.end() == 0
    assert not [pid for pid in processes.values() if runs(pid)]
    order = [next(iter(note)) for note in mesh.notes()]
    assert order[:2] == ["started", "begun"]
    assert [each for each in order if each in ("healthy", "draining", "gone")] == ["healthy", "draining", "gone"]


def test_applications_start_after_what_they_depend_on(mesh: Supervised) -> None:
    """A job that must complete, then a server that must be healthy, then who needs it."""
    mesh.start(
        f"""
        services:
          web: {{command: "sh -c 'echo web >> order; exec sleep 60'", depends_on: {{api: {{condition: service_healthy}}}}}}
          api:
            command: "sh -c 'echo api >> order; exec {SERVER}'"
            depends_on: {{job: {{condition: service_completed_successfully}}}}
            x-weft: {{ports: [{{name: http, port: 80}}]}}
          job: {{command: "sh -c 'sleep 0.2; echo job >> order'"}}
        """
    )
    assert mesh.wait()["ready"]
    mesh.until(lambda: (mesh.folder / "order").read_text().split() == ["job", "api", "web"])
    assert mesh.ps()["job-0"]["state"] == "completed"


def test_a_crash_is_said_with_its_last_lines_and_repaired(mesh: Supervised) -> None:
    """The message has what the application wrote before it ended."""
    mesh.start(
        """
        services:
          web: {command: "sh -c 'echo on fire; test -e again || { touch again; exit 3; }; exec sleep 60'"}
        """
    )
    mesh.until(lambda: mesh.ps()["web-0"]["restarts"] == 1 and mesh.ps()["web-0"]["ready"])
    assert "web-0: error: ended with code 3, is started again in 0.25 s\n       on fire" in mesh.output


def test_who_does_not_run_yet_says_what_it_waits_for(mesh: Supervised) -> None:
    """Also when the agent has said that it does not run; one that crashed says how it ended."""
    mesh.start(
        """
        services:
          late: {command: sleep 60, depends_on: {web: {condition: service_healthy}}}
          web: {command: "sh -c 'sleep 0.1; exit 4'", x-weft: {ports: [{name: http, port: 80}]}}
        """
    )
    mesh.until(lambda: mesh.ps().get("late-0", {}).get("reason") == "what it depends on is not ready")
    mesh.until(lambda: mesh.ps()["web-0"]["state"] == "restarting" and mesh.ps()["web-0"]["reason"] == "ended with code 4")


@pytest.mark.parametrize(
    ("service", "reason", "line"),
    [
        ("{command: \"sh -c 'echo broken; exit 4'\"}", "ended with code 4", "broken"),
        ("{command: no-such-program}", "cannot be started", "weft: cannot start 'no-such-program': No such file or directory"),
        ('{command: "sh -c \'exit 1\'", restart: "no"}', "ended with code 1", None),
        ("{command: ls, working_dir: nowhere}", "cannot be started", "nowhere: No such file or directory"),
    ],
)
def test_who_waits_is_told_who_failed(mesh: Supervised, service: str, reason: str, line: str | None) -> None:
    """Well before the limit, with the reason and the log."""
    mesh.start(f"services: {{web: {service}}}")
    answer = mesh.wait()
    assert not answer["ready"]
    assert (answer["failed"][0]["instance"], answer["failed"][0]["reason"]) == ("web-0", reason)
    assert line is None or answer["failed"][0]["log"][-1].endswith(line)


@pytest.mark.parametrize("name", ["agent", "control-plane"])
def test_our_own_processes_are_started_again_at_once(mesh: Supervised, name: str) -> None:
    """The application does not notice."""
    mesh.start(WEB).wait()
    before = mesh.processes()
    os.kill(before[name], signal.SIGKILL)
    mesh.until(lambda: mesh.processes().get(name, before[name]) != before[name])
    after = mesh.processes()
    assert {key: pid for key, pid in after.items() if key != name} == {key: pid for key, pid in before.items() if key != name}
    assert mesh.ps()["web-0"]["ready"]
    assert f"weft {name}: warning: was killed by SIGKILL and is started again" in mesh.output


def test_the_agent_hears_that_an_envoy_ended(mesh: Supervised) -> None:
    """To start it again is its own affair."""
    mesh.start(WEB).wait()
    os.kill(mesh.processes()["envoy/default/web-0"], signal.SIGKILL)
    mesh.until(lambda: {"exited": "envoy/default/web-0", "code": -9} in mesh.notes())


def test_a_service_is_scaled_up_and_down(mesh: Supervised) -> None:
    """Each instance has ports of its own; surplus ones are drained before they end."""
    mesh.start(WEB).wait()
    mesh.call("scale", service="web", replicas=3)
    assert mesh.wait()["ready"]
    ports = [each["ports"][0]["application"] for each in mesh.ps().values()]
    assert len(set(ports)) == 3
    mesh.call("scale", service="web", replicas=1)
    assert list(mesh.ps()) == ["web-0"]
    assert [note["draining"] for note in mesh.notes() if "draining" in note] == ["default/web-1", "default/web-2"]


def test_a_rolling_restart_has_the_new_one_ready_first(mesh: Supervised) -> None:
    """And no name is used for two instances that follow each other at once."""
    mesh.start(WEB).wait()
    mesh.call("restart", service="web")
    mesh.until(lambda: {"gone": "default/web-0"} in mesh.notes())
    assert [note for note in mesh.notes() if set(note) & {"healthy", "draining", "gone"}] == [
        {"healthy": "default/web-0"},
        {"healthy": "default/web-1"},
        {"draining": "default/web-0"},
        {"gone": "default/web-0"},
    ]


def test_a_restart_that_fails_keeps_the_old_instance(mesh: Supervised) -> None:
    """The new one is taken away again."""
    mesh.start("services: {web: {command: \"sh -c 'test ! -e broken || exit 9; exec sleep 60'\"}}").wait()
    (mesh.folder / "broken").touch()
    before = mesh.ps()["web-0"]["pid"]
    with pytest.raises(RequestRefused, match="the old instances go on"):
        mesh.call("restart", service="web", limit=10)
    assert {name: each["pid"] for name, each in mesh.ps().items()} == {"web-0": before}


def test_nothing_outlives_a_killed_supervisor(mesh: Supervised) -> None:
    """And the next one begins as if it had not been."""
    mesh.start(WEB).wait()
    left = mesh.processes().values()
    assert mesh.process
    mesh.process.kill()
    mesh.process.wait()
    mesh.until(lambda: not [pid for pid in left if runs(pid)])
    assert mesh.start(WEB).wait()["ready"]


def test_a_mesh_runs_once(mesh: Supervised) -> None:
    """The second supervisor says who has it, and ends."""
    mesh.start(WEB).wait()
    assert mesh.process
    mesh.until(lambda: mesh.home.mesh_file.exists())
    command = [sys.executable, "-P", "-m", "weft.supervisor.main", mesh.config().json()]
    second = subprocess.run(command, env=mesh.environ, capture_output=True, text=True, timeout=20)
    assert second.returncode == 1
    assert f"runs already (pid {mesh.process.pid})" in second.stderr


def test_a_wanted_port_that_is_busy_names_its_owner(mesh: Supervised) -> None:
    """And says which one is used instead."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        mesh.start(f"services: {{web: {{command: sleep 60, x-weft: {{upstreams: [{{host: db, port: 1, localPort: {port}}}]}}}}}}")
        assert mesh.wait()["ready"]
        assert f"port {port} is held by" in mesh.output
        assert f"(pid {os.getpid()})" in mesh.output
        environment = mesh.call("env", service="web")["env"]
        assert environment["DB_ADDR"] not in ("", f"127.0.0.1:{port}")


def test_resources_that_are_not_there_end_the_start(mesh: Supervised) -> None:
    """With a code, the reason, and nothing left."""
    mesh.start("services: {web: {command: sleep 60}}\nx-weft: {resources: [./nowhere]}\n")
    assert mesh.process
    assert mesh.process.wait(20) == 1
    assert f"x-weft.resources: there is no {mesh.folder}/nowhere" in mesh.output


def test_the_environment_of_a_workload_is_told(mesh: Supervised) -> None:
    """For `weft exec`: by service, by instance, by the mesh's name of it."""
    mesh.start("services: {web-v1: {command: sleep 60, x-weft: {service: web}}}").wait()
    for name in ("web-v1", "web-v1-0", "default/web-v1-0", "web", "default/web"):
        answer = mesh.call("env", service=name)
        assert (answer["instance"], answer["cwd"]) == ("default/web-v1-0", str(mesh.folder))
        assert answer["env"]["http_proxy"] == f"http://127.0.0.1:{mesh.ps()['web-v1-0']['httpProxy']}"


def test_a_gateway_says_where_it_listens(mesh: Supervised) -> None:
    """A port that had to be another one names who has it."""
    mesh.start("services: {gate: {x-weft: {gateway: true}}}").wait()
    mesh.call("bound", instance="default/gate-0", ports={"80": 8080, "8443": 8443}, owner={"80": "nginx (pid 12)"})
    assert "gate-0: warning: listens on 127.0.0.1:8080: port 80 is held by nginx (pid 12)" in mesh.output
    assert mesh.ps()["gate-0"]["gatewayPorts"] == {"80": 8080, "8443": 8443}


def test_applications_write_their_own_logs(mesh: Supervised) -> None:
    """They are shown with the instance's name, and stay when the supervisor is gone."""
    mesh.start("services: {web: {command: \"sh -c 'echo hello; exec sleep 60'\"}}").wait()
    mesh.until(lambda: "web-0        | hello" in mesh.output)
    mesh.end()
    assert mesh.home.log("app/default/web-0").read_text() == "hello\n"
