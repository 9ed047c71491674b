"""Writes to a store until it is killed: for each line of its input (a path) it forks a writer, and prints the writer's pid.

The writer prints a number once its transaction is acknowledged: object `left-N` and object `right-N`, in one write.
It goes on from the number after the greatest it finds. A fork each time instead of an interpreter each time, for speed.
"""

import asyncio
import os
import sys

from weft.store.sqlite import SqliteStore
from weft.store.store import Key, Put


async def write(path: str, out: int) -> None:
    """Writes until killed, several transactions at once."""
    store = SqliteStore(path, history=50)
    start = len((await store.list())[0]) // 2

    async def one(number: int) -> None:
        pair = [Key("services", "default", f"{side}-{number}") for side in ("left", "right")]
        await store.write([Put(key, {"metadata": {"name": key.name}, "spec": {"n": number}}, expected=0) for key in pair])
        os.write(out, f"{number}\n".encode())

    for number in range(start, start + 100_000, 3):
        await asyncio.gather(*(one(number + offset) for offset in range(3)))


def main() -> None:
    """Forks a writer for each path on the input."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(write(line.strip(), 1))
        os.write(2, f"{pid}\n".encode())
        os.waitpid(pid, 0)
        os.write(1, b"end\n")


if __name__ == "__main__":
    main()
