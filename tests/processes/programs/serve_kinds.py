"""An HTTP/1.1 server of the less usual: events, trailers, «100 Continue» given and refused, large bodies, no body at all.

    /events?n=3&pause=0.5   server-sent events, each with the time at which it left
    /trailers               a chunked answer with trailers; says which it was sent
    /refuse                 417 to «Expect: 100-continue», without reading the body
    /upload                 reads as it comes, and says how much came and its hash
    /download?bytes=1000    as much as is asked for, as fast as it is taken
    /status/304             this status, whose body is empty
    /slow?seconds=3         an answer that takes its time
"""

import asyncio
import hashlib
import json
import os
import time
from urllib.parse import parse_qsl, urlsplit

import h11

_PIECE = bytes(65536)


class Connection:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        """Requests, one after the other."""
        try:
            while isinstance(request := await self._event(), h11.Request):
                await self._serve(request)
                if self._http.our_state is h11.MUST_CLOSE or self._http.their_state not in (h11.DONE, h11.IDLE):
                    break
                self._http.start_next_cycle()
        except (OSError, h11.ProtocolError):
            pass
        finally:
            self._writer.close()

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(65536))
        return event  # type: ignore[return-value]

    async def _send(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()

    async def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        fields = [("content-length", str(len(body))), *headers.items()] if status != 304 else [("etag", '"a"')]
        await self._send(h11.Response(status_code=status, headers=fields))
        if body:
            await self._send(h11.Data(data=body))
        await self._send(h11.EndOfMessage())

    async def _serve(self, request: h11.Request) -> None:
        target = urlsplit(request.target.decode())
        words = dict(parse_qsl(target.query))
        if target.path == "/refuse":
            await self._answer(417)
            return
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        length, digest, trailers = 0, hashlib.sha256(), []
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                length += len(event.data)
                digest.update(event.data)
        trailers = {name.decode(): value.decode() for name, value in event.headers}
        if request.method == b"HEAD":
            await self._send(h11.Response(status_code=200, headers=[("content-length", "12")]))
            await self._send(h11.EndOfMessage())
            return
        match target.path.strip("/").split("/"):
            case ["events"]:
                await self._events(int(words.get("n", 3)), float(words.get("pause", 0.5)))
            case ["trailers"]:
                await self._send(h11.Response(status_code=200, headers=[("transfer-encoding", "chunked"), ("trailer", "x-sum")]))
                await self._send(h11.Data(data=json.dumps(trailers).encode()))
                await self._send(h11.EndOfMessage(headers=[("x-sum", "42")]))
            case ["download"]:
                await self._download(int(words["bytes"]))
            case ["slow"]:
                await asyncio.sleep(float(words["seconds"]))
                await self._answer(200, os.environ.get("WEFT_INSTANCE", "").encode())
            case ["status", status]:
                await self._answer(int(status))
            case _:
                said = {"bytes": length, "sha256": digest.hexdigest(), "version": request.http_version.decode()}
                said |= {name.decode(): value.decode() for name, value in request.headers}
                await self._answer(200, json.dumps(said).encode())

    async def _events(self, count: int, pause: float) -> None:
        headers = [("content-type", "text/event-stream"), ("transfer-encoding", "chunked"), ("cache-control", "no-cache")]
        await self._send(h11.Response(status_code=200, headers=headers))
        for number in range(count):
            await self._send(h11.Data(data=f"id: {number}\ndata: {time.time()}\n\n".encode()))
            await asyncio.sleep(pause)
        await self._send(h11.EndOfMessage())

    async def _download(self, length: int) -> None:
        await self._send(h11.Response(status_code=200, headers=[("content-length", str(length))]))
        while length:
            piece = _PIECE[: min(length, len(_PIECE))]
            await self._send(h11.Data(data=piece))
            length -= len(piece)
        await self._send(h11.EndOfMessage())


async def main() -> None:
    """For ever."""
    server = await asyncio.start_server(lambda r, w: Connection(r, w).run(), os.environ["HOST"], int(os.environ["PORT"]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
