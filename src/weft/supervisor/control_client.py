"""The CLI's side of the control socket: one request at a time, without asyncio."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class NotRunning(Exception):
    """Nobody answers at the socket."""


class RequestRefused(Exception):
    """The supervisor said no; the text says why."""


class ControlClient:
    """A connection to a supervisor. Raises NotRunning when there is none."""

    def __init__(self, path: Path, timeout: float | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise NotRunning(f"nobody answers at {path}") from error
        self._socket.settimeout(timeout)
        self._file = self._socket.makefile("rwb")
        self._last = 0

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        """The answer to a request. Raises RequestRefused, and NotRunning when the supervisor ends meanwhile."""
        number = self.send(op, **arguments)
        for message in self.messages():
            if message.get("id") == number:
                return answer(message)
        raise NotRunning("the supervisor ended")

    def send(self, op: str, **arguments: Any) -> int:
        """Sends a request; its number."""
        self._last += 1
        try:
            self._file.write(json.dumps({"id": self._last, "op": op, **arguments}).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise NotRunning("the supervisor ended") from error
        return self._last

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the supervisor says, until it ends."""
        while True:
            try:
                line = self._file.readline()
            except ConnectionError:
                return
            if not line:
                return
            yield json.loads(line)


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """The message when it says yes. Raises RequestRefused."""
    if not message.get("ok"):
        raise RequestRefused(str(message.get("error", "refused")))
    return message
