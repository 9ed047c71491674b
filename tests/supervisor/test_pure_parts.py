"""Objects, restarts and durations."""

from pathlib import Path

import pytest

from weft.supervisor import duration
from weft.supervisor.application import Restart
from weft.supervisor.compose import decode
from weft.supervisor.objects import objects
from weft.supervisor.restart import again, cause, delay

FILE = """
services:
  v1: {command: x, x-weft: {service: reviews, ports: [{name: http, port: 80}]}}
  v2: {command: x, x-weft: {service: reviews, serviceAccount: other, ports: [{name: http, port: 80}, {port: 81, protocol: tcp}]}}
  db: {command: x, x-weft: {namespace: data, ports: [{name: tcp, port: 5432}]}}
  job: {command: x}
"""


def test_what_is_declared_is_written_in_order() -> None:
    """Namespaces, one Service for all its versions, and the identities of the node; nothing for what serves nothing."""
    decoded = decode(FILE, Path("/m/weft.yaml"), environ={}, read=lambda path: None)
    assert decoded.application
    written = objects(decoded.application.services, "local")
    assert [(each["kind"], each["metadata"]["name"]) for each in written] == [
        ("Namespace", "data"),
        ("Namespace", "default"),
        ("Service", "db"),
        ("Service", "reviews"),
        ("Node", "local"),
    ]
    assert written[3]["spec"] == {
        "selector": {"app": "reviews"},
        "ports": [{"name": "http", "port": 80}, {"name": "tcp-81", "port": 81, "appProtocol": "tcp"}],
    }
    assert {(each["namespace"], each["serviceAccount"]) for each in written[4]["spec"]["identities"]} == {
        ("data", "db"),
        ("default", "job"),
        ("default", "reviews"),
        ("default", "other"),
    }


@pytest.mark.parametrize(
    ("policy", "limit", "code", "failures", "restarted"),
    [
        (Restart.ON_CRASH, 0, 1, 9, True),
        (Restart.ON_CRASH, 0, -9, 1, True),
        (Restart.ON_CRASH, 0, 0, 0, False),
        (Restart.NO, 0, 1, 1, False),
        (Restart.ALWAYS, 0, 0, 0, True),
        (Restart.UNLESS_STOPPED, 0, 0, 0, True),
        (Restart.ON_FAILURE, 2, 1, 2, True),
        (Restart.ON_FAILURE, 2, 1, 3, False),
        (Restart.ON_FAILURE, 0, 0, 0, False),
    ],
)
def test_a_policy_says_who_is_restarted(policy: Restart, limit: int, code: int, failures: int, restarted: bool) -> None:
    """Compose's policies, and weft's own default: whoever crashed."""
    assert again(policy, limit, code, failures) is restarted


def test_pauses_grow_to_half_a_minute() -> None:
    """The first restart comes at once, nearly."""
    assert [delay(failures) for failures in (0, 1, 2, 3, 50)] == [0.25, 0.25, 0.5, 1.0, 30.0]


def test_an_end_is_said_in_words() -> None:
    """A signal by its name."""
    assert (cause(3), cause(-9), cause(-99)) == ("ended with code 3", "was killed by SIGKILL", "was killed by signal 99")


@pytest.mark.parametrize(("text", "seconds"), [("1m30s", 90.0), ("500ms", 0.5), ("1.5h", 5400.0), ("0", 0.0)])
def test_a_duration_is_compose_s(text: str, seconds: float) -> None:
    """Units may follow each other."""
    assert duration.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "1 s", "-1s", "1y"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number needs a unit."""
    with pytest.raises(ValueError, match="duration"):
        duration.seconds(text)
