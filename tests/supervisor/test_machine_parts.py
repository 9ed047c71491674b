"""What touches this machine: ports, folders, logs, children."""

import asyncio
import os
import signal
import socket
import stat
import sys
import time
from pathlib import Path
from signal import SIGTERM

import pytest

from weft.supervisor.home import NotOurs, home, read, written
from weft.supervisor.logs import Tail, last_lines, rotated
from weft.supervisor.ports import Ports, ephemeral, owner
from weft.supervisor.processes import Ended, Processes, left_behind


def test_ports_lie_outside_the_range_of_outgoing_connections() -> None:
    """Nobody's connection can take one between finding it and binding it."""
    ports, (first, last) = Ports("x"), ephemeral()
    taken = [ports.take() for _ in range(20)]
    assert len(set(taken)) == 20
    assert not [port for port in taken if first <= port <= last]


def test_a_port_that_somebody_has_is_left_out() -> None:
    """It is tried by binding it."""
    port = Ports("seed").take()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", port))
        busy.listen()
        assert Ports("seed").take() != port
        assert not Ports("seed").take_wanted(port)
        assert owner(port) == f"{Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})"


def test_a_port_given_back_is_free_again() -> None:
    """Two meshes of one seed get the same ports, one after the other."""
    ports = Ports("seed")
    port = ports.take()
    ports.give_back(iter([port]))
    assert ports.take() == port


def test_sockets_have_short_paths(tmp_path: Path) -> None:
    """Whatever the folder's own path is: a socket's has at most 107 bytes."""
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    place = home(deep, {"XDG_RUNTIME_DIR": str(deep)})
    assert len(str(place.control_socket)) <= 107


def test_folders_are_private(tmp_path: Path) -> None:
    """State and sockets are this user's alone."""
    place = home(tmp_path / ".weft", {"XDG_RUNTIME_DIR": str(tmp_path)})
    place.prepare()
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (place.path, place.logs, place.runtime)} == {0o700}
    place.runtime.chmod(0o755)
    with pytest.raises(NotOurs):
        place.prepare()


def test_only_one_supervisor_has_a_mesh(tmp_path: Path) -> None:
    """The lock is its descriptor's, and gone with it."""
    place = home(tmp_path / ".weft", {"XDG_RUNTIME_DIR": str(tmp_path)})
    place.prepare()
    descriptor = place.lock()
    assert descriptor is not None
    assert place.lock() is None
    assert place.running()
    os.close(descriptor)
    assert not place.running()


def test_json_is_written_whole(tmp_path: Path) -> None:
    """And a file that is none is read as empty."""
    written(tmp_path / "a" / "x.json", {"a": 1})
    assert read(tmp_path / "a" / "x.json") == {"a": 1}
    (tmp_path / "broken").write_text("{")
    assert read(tmp_path / "broken") == {}
    assert read(tmp_path / "none") == {}


def test_the_last_lines_of_a_log(tmp_path: Path) -> None:
    """From the end, however long it is, and not from before a position."""
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(50_000)))
    assert last_lines(log, 2) == ["line 49998", "line 49999"]
    assert last_lines(log, 5, since=log.stat().st_size) == []
    assert last_lines(tmp_path / "none", 2) == []


def test_a_log_is_followed(tmp_path: Path) -> None:
    """Only whole lines, and what was there before is not said."""
    log = tmp_path / "log"
    log.write_text("old\n")
    tail = Tail(log)
    with log.open("a") as file:
        file.write("one\ntw")
        file.flush()
        assert list(tail.lines()) == ["one"]
        file.write("o\n")
        file.flush()
    assert list(tail.lines()) == ["two"]
    log.write_text("new\n")
    assert list(tail.lines()) == ["new"]


def test_a_log_that_grew_too_large_begins_anew(tmp_path: Path) -> None:
    """Its writers append, and write on where it begins."""
    log = tmp_path / "log"
    with log.open("a") as writer:
        writer.write("x" * 100)
        writer.flush()
        assert rotated(log, largest=50)
        writer.write("y")
    assert log.read_text() == "y"
    assert (tmp_path / "log.1").read_text() == "x" * 100


# children


class _Children:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[Ended] = []
        self.processes = Processes(self.told.append)
        self.processes.watch()

    def spawn(self, script: str, name: str = "a") -> int:
        argv = (sys.executable, "-c", script)
        return self.processes.spawn(name, argv, env=dict(os.environ), cwd=self.folder, log=self.folder / f"{name}.log").pid

    async def written(self, text: str, name: str = "a") -> None:
        async with asyncio.timeout(20):
            while text not in (self.folder / f"{name}.log").read_text():
                await asyncio.sleep(0.02)


async def test_a_child_s_end_is_told(tmp_path: Path) -> None:
    """With its code, and its output is in the file."""
    children = _Children(tmp_path)
    children.spawn("print('hello'); raise SystemExit(3)")
    ended = await children.processes.ended("a")
    assert (ended.code, children.told) == (3, [ended])
    assert (tmp_path / "a.log").read_text() == "hello\n"
    assert children.processes.all() == ()


async def test_a_child_that_ends_at_once_is_not_waited_for(tmp_path: Path) -> None:
    """When many end together, one may be reaped before whoever stops it has done anything else."""
    children = _Children(tmp_path)
    pid = children.spawn("import time; print('up', flush=True); time.sleep(60)")
    await children.written("up")

    def reap() -> None:
        while _runs(pid):
            time.sleep(0.01)
        children.processes._reap()

    stopped = asyncio.create_task(children.processes.stop("a", grace=0.1))
    asyncio.get_running_loop().call_soon(reap)
    async with asyncio.timeout(5):
        await stopped


async def test_a_name_is_started_once(tmp_path: Path) -> None:
    """While it runs, to start it again gives the same process."""
    children = _Children(tmp_path)
    pid = children.spawn("import time; time.sleep(30)")
    assert children.spawn("raise SystemExit") == pid
    await children.processes.stop("a", SIGTERM, 1.0)
    assert children.told[0].code == -SIGTERM


async def test_who_does_not_stop_is_killed(tmp_path: Path) -> None:
    """After its grace."""
    children = _Children(tmp_path)
    children.spawn("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(30)")
    await children.written("up")
    await children.processes.stop("a", SIGTERM, 0.2)
    assert children.told[0].code == -signal.SIGKILL


async def test_what_a_child_leaves_behind_is_killed(tmp_path: Path) -> None:
    """Its whole group ends with it."""
    children = _Children(tmp_path)
    children.spawn("import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)")
    await children.processes.ended("a")
    grandchild = int((tmp_path / "a.log").read_text())
    async with asyncio.timeout(5):
        while _runs(grandchild):
            await asyncio.sleep(0.02)


async def test_a_command_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """At once, as an OSError."""
    children = _Children(tmp_path)
    with pytest.raises(FileNotFoundError):
        children.processes.spawn("a", ["no-such-command"], env={"PATH": "/bin"}, cwd=tmp_path, log=tmp_path / "log")
    assert children.processes.all() == ()


def test_children_die_with_their_parent(tmp_path: Path) -> None:
    """Also when it is killed."""
    script = f"""
import asyncio, os, sys
from pathlib import Path
from weft.supervisor.processes import Processes
async def main():
    processes = Processes(print)
    processes.watch()
    child = processes.spawn("a", ["sleep", "60"], env=dict(os.environ), cwd=Path("/"), log=Path({str(tmp_path)!r}) / "log")
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    import subprocess

    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()
    until = time.monotonic() + 5
    while _runs(child):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_what_a_killed_supervisor_left_is_found_by_its_session() -> None:
    """Members of a session whose leader is gone, and of no other."""
    sessions = {2**30: (11, 12), os.getpid(): (13,)}
    assert left_behind((2**30, os.getpid(), 2**30 + 1), lambda: sessions) == (11, 12)


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
