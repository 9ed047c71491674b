"""A server that speaks first, as those of mail and MySQL do; whoever writes before it has greeted is noted and refused."""

import asyncio
import os

GREETING = b"220 mail.example.com ESMTP\r\n"
_PAUSE = 0.05  # seconds in which a client must keep silent


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        early = await asyncio.wait_for(reader.read(100), _PAUSE)
        if early:
            print("spoke too early:", early, flush=True)
            writer.write(b"554 speak when you are spoken to\r\n")
            return
    except TimeoutError:
        writer.write(GREETING)
        while line := await reader.readline():
            writer.write(b"250 " + line)
    finally:
        writer.close()


async def main() -> None:
    """For ever."""
    server = await asyncio.start_server(serve, os.environ["HOST"], int(os.environ["PORT"]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
