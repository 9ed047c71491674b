"""A process of a benchmark that answers one JSON line to each JSON line, so that every part runs on a CPU account of its own."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

Json = dict[str, Any]
Operation = Callable[..., Awaitable[Any]]


class Child:
    """`python -m <module>` with `arguments`, asked over its standard input. Use it in a `with`."""

    def __init__(self, module: str, **arguments: object) -> None:
        words = [f"--{name}={value}" for name, value in arguments.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, operation: str, **arguments: object) -> Any:
        """The answer of `operation`. Raises RuntimeError when it fails or the process is gone."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"operation": operation, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"the process ended ({self._process.poll()})"}
        if "error" in answer:
            raise RuntimeError(f"{operation}: {answer['error']}")
        return answer["answer"]


async def serve(operations: Mapping[str, Operation]) -> None:
    """The child's side: one operation after another until standard input ends."""
    reader = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        operation = operations[request.pop("operation")]
        try:
            answer: Json = {"answer": await operation(**request)}
        except Exception as problem:
            answer = {"error": repr(problem)}
        with suppress(BrokenPipeError):
            print(json.dumps(answer), flush=True)
