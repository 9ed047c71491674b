"""Who listens where, read from the kernel."""

import os
import socket
import subprocess
import sys

import pytest

from weft.agent.exposure import exposed
from weft.agent.instance import Instance
from weft.agent.port_owner import owner

LISTEN = """
import socket, sys, time
s = socket.socket()
s.bind((sys.argv[1], 0))
s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(60)
"""

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="reads /proc")


def _listening(host: str) -> tuple[subprocess.Popen[bytes], int]:
    child = subprocess.Popen(["sh", "-c", 'exec "$@" & wait', "sh", sys.executable, "-c", LISTEN, host], stdout=subprocess.PIPE, start_new_session=True)  # fmt: skip  # noqa: E501
    assert child.stdout
    return child, int(child.stdout.readline())


def _end(child: subprocess.Popen[bytes]) -> None:
    os.killpg(child.pid, 9)
    child.wait()
    assert child.stdout
    child.stdout.close()


def test_the_owner_of_a_port_is_a_process_with_name_and_pid() -> None:
    """Our own socket is ours."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        found = owner(held.getsockname()[1])
    assert found is not None and found.pid == os.getpid()
    assert str(found) == f"{found.name} (pid {os.getpid()})"


def test_a_child_of_the_application_that_listens_everywhere_is_found() -> None:
    """The process that listens is named, not the shell that started it."""
    child, port = _listening("0.0.0.0")
    try:
        [found] = exposed(Instance(name="web-0", namespace="default", pid=child.pid))
    finally:
        _end(child)
    assert (found.host, found.port) == ("0.0.0.0", port)
    assert found.process.pid != child.pid
    assert f"listens on 0.0.0.0:{port}" in found.message


def test_an_application_on_loopback_is_not_exposed() -> None:
    """127.0.0.1 is reached through the Envoy only."""
    child, _ = _listening("127.0.0.1")
    try:
        assert exposed(Instance(name="web-0", namespace="default", pid=child.pid)) == ()
    finally:
        _end(child)
