"""A Unix socket that only this user may connect to."""

import contextlib
import socket
from pathlib import Path


def private_socket(path: Path) -> socket.socket:
    """A stream socket bound at `path` with mode 0600, in place of one that was left there; it does not listen yet.

    The umask is left alone: it belongs to the whole process, and every child inherits what it happens to be. Nobody can
    come in before the mode is set, since nobody listens.
    """
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(0o600)
    except OSError:
        bound.close()
        raise
    return bound
