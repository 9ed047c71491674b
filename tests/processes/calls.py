"""Commands that run as a workload of a mesh, and servers outside of it."""

import datetime
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from processes.mesh import Done, RunningMesh

PROGRAMS = Path(__file__).parent / "programs"
PYTHON = sys.executable
CALLER = "spiffe://cluster.local/ns/default/sa/client"


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skips a test where a program is not installed."""
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


def run(mesh: RunningMesh, *command: str, code: int | None = 0) -> Done:
    """Runs a command as the workload `client`."""
    return mesh.weft("exec", "client", "--", *command, code=code)


def kubectl(mesh: RunningMesh, *arguments: str, code: int | None = 0, stdin: str = "", timeout: float = 60) -> Done:
    """A kubectl command with the mesh's kubeconfig, and a cache of its own: another mesh may have had this port before."""
    command = ["kubectl", "--kubeconfig", str(mesh.home.kubeconfig), "--cache-dir", str(mesh.folder / "kube-cache"), *arguments]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=mesh.environ, cwd=mesh.folder, timeout=timeout, check=False
    )
    told = f"{' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert code is None or done.returncode == code, told
    return Done(done.returncode, done.stdout, done.stderr)


def reached(done: Done, service: str = "reviews") -> None:
    """The output is the answer of a service that knows who called."""
    answer = json.loads(done.out)
    assert (answer["service"], answer["peer"]) == (service, CALLER)


def to_proxy(mesh: RunningMesh) -> socket.socket:
    """A connection to the client's sidecar."""
    host, _, port = mesh.proxy().rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=10)


@contextmanager
def outside(folder: Path, *files: Path) -> Iterator[int]:
    """A server outside the mesh that listens on every address, with TLS when given a certificate and a key; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [PYTHON, str(PROGRAMS / "serve_stream.py"), f"0.0.0.0:{port}", *map(str, files)]
    with (folder / "outside.log").open("w") as log, subprocess.Popen(words, stdout=log, stderr=log) as server:
        try:
            for _ in range(200):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.05)
            yield port
        finally:
            server.kill()


def self_signed(name: str, folder: Path) -> tuple[Path, Path]:
    """A certificate for a host name and 127.0.0.2, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(hours=1))
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*form))
    return folder / "cert.pem", folder / "key.pem"


@contextmanager
def folder_of_nobody() -> Iterator[tuple[Path, str]]:
    """A folder for a program that refuses to run as root, and the words before its command that make it run as another user."""
    folder = Path(tempfile.mkdtemp(prefix="weft-t-"))
    words = ""
    if os.getuid() == 0:
        os.chown(folder, 65534, 65534)
        words = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    try:
        yield folder, words
    finally:
        shutil.rmtree(folder, ignore_errors=True)
