"""The echo server, over real sockets."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, TrailersReceived

from weft.testing.echo import Echo
from weft.testing.speaker import Speaker, peer

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SPEAKER = Speaker(service="reviews", version="v1", instance="reviews-0", namespace="shop")


@pytest.fixture
async def connection() -> AsyncIterator[Streams]:
    """A connection to a server."""
    server = await asyncio.get_running_loop().create_server(lambda: Echo(SPEAKER), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield reader, writer
    writer.close()
    server.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()
    length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
    return int(head.split(" ")[1]), json.loads(await reader.readexactly(length) or b"{}")


async def test_it_says_who_answers_and_what_was_asked(connection: Streams) -> None:
    """Service, version and instance; method, path and headers; the caller's identity."""
    reader, writer = connection
    identity = b"x-forwarded-client-cert: By=spiffe://a/ns/b/sa/c;Hash=1;URI=spiffe://a/ns/d/sa/e\r\n"
    writer.write(b"GET /a?b=1 HTTP/1.1\r\nHost: reviews\r\n" + identity + b"\r\n")
    status, said = await _answer(reader)
    assert status == 200
    assert (said["service"], said["version"], said["instance"], said["namespace"]) == ("reviews", "v1", "reviews-0", "shop")
    assert (said["method"], said["path"], said["protocol"]) == ("GET", "/a?b=1", "HTTP/1.1")
    assert (said["headers"]["host"], said["peer"]) == ("reviews", "spiffe://a/ns/d/sa/e")


async def test_a_connection_is_kept_and_pipelined(connection: Streams) -> None:
    """Bodies are counted, chunked or not, and answers come in the order of the requests."""
    reader, writer = connection
    writer.write(b"POST /1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello")
    writer.write(b"POST /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: 1\r\n\r\n")
    writer.write(b"GET /delay/0.05 HTTP/1.1\r\n\r\nGET /status/503 HTTP/1.1\r\n\r\n")
    answers = [await _answer(reader) for _ in range(4)]
    assert [(status, said["path"], said["body_length"]) for status, said in answers] == [
        (200, "/1", 5),
        (200, "/2", 7),
        (200, "/delay/0.05", 0),
        (503, "/status/503", 0),
    ]


async def test_a_body_may_be_announced(connection: Streams) -> None:
    """`Expect: 100-continue` is answered before the body."""
    reader, writer = connection
    writer.write(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    writer.write(b"ok")
    assert (await _answer(reader))[1]["body_length"] == 2


@pytest.mark.parametrize("request_bytes", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"])
async def test_a_connection_is_closed_when_asked(connection: Streams, request_bytes: bytes) -> None:
    """By HTTP/1.0, or by the header."""
    reader, writer = connection
    writer.write(request_bytes)
    await _answer(reader)
    assert await asyncio.wait_for(reader.read(), 5) == b""


@pytest.mark.parametrize("head", [b"GET /", b"GET / HTTP/1.1\r\nno colon", b"GET / HTTP/1.1\r\nContent-Length: x"])
async def test_nonsense_is_a_bad_request(connection: Streams, head: bytes) -> None:
    """And the connection is closed."""
    reader, writer = connection
    writer.write(head + b"\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 400")


def _http2() -> H2Connection:
    client = H2Connection(H2Configuration(header_encoding="utf-8"))
    client.initiate_connection()
    return client


async def _events(client: H2Connection, connection: Streams, until: type) -> list[Any]:
    reader, writer = connection
    found: list[Any] = []
    while not any(isinstance(event, until) for event in found):
        writer.write(client.data_to_send())
        events = client.receive_data(await asyncio.wait_for(reader.read(65536), 5))
        for event in events:
            if isinstance(event, DataReceived) and event.flow_controlled_length and event.stream_id:
                client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        found += events
    return found


async def test_http2_is_spoken_with_prior_knowledge(connection: Streams) -> None:
    """The preface tells it."""
    client = _http2()
    client.send_headers(1, [(":method", "GET"), (":path", "/x"), (":scheme", "http"), (":authority", "reviews")], end_stream=True)
    events = await _events(client, connection, StreamEnded)
    body = b"".join(event.data for event in events if isinstance(event, DataReceived))
    assert json.loads(body)["path"] == "/x"
    assert any(isinstance(event, ResponseReceived) for event in events)


async def test_a_grpc_call_gets_its_message_back(connection: Streams) -> None:
    """With the trailer that says OK; larger messages wait for the window."""
    message = b"\x00" + (100_000).to_bytes(4, "big") + b"m" * 100_000
    client = _http2()
    headers = [(":method", "POST"), (":path", "/s/M"), (":scheme", "http"), (":authority", "x")]
    headers.append(("content-type", "application/grpc"))
    client.send_headers(1, headers)
    received: list[Any] = []
    left = message
    while left:
        room = min(client.local_flow_control_window(1), client.max_outbound_frame_size, len(left))
        if room:
            client.send_data(1, left[:room], end_stream=room == len(left))
            left = left[room:]
        else:
            connection[1].write(client.data_to_send())
            received += client.receive_data(await asyncio.wait_for(connection[0].read(65536), 5))
    received += await _events(client, connection, StreamEnded)
    assert b"".join(event.data for event in received if isinstance(event, DataReceived)) == message
    assert [event.headers for event in received if isinstance(event, TrailersReceived)] == [[("grpc-status", "0")]]


async def test_anything_else_is_tcp(connection: Streams) -> None:
    """Each line is answered with one."""
    reader, writer = connection
    writer.write(b"PING one\nand two\n")
    lines = [json.loads(await asyncio.wait_for(reader.readline(), 5)) for _ in range(2)]
    assert [(line["received"], line["service"]) for line in lines] == [("PING one", "reviews"), ("and two", "reviews")]


async def test_a_websocket_echoes(connection: Streams) -> None:
    """First what the handshake said, then every message."""
    reader, writer = connection
    key = base64.b64encode(b"0123456789abcdef")
    writer.write(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    first = await reader.readexactly(2)
    length = first[1] if first[1] < 126 else int.from_bytes(await reader.readexactly(2), "big")
    assert json.loads(await reader.readexactly(length))["path"] == "/ws"
    mask = b"abcd"
    writer.write(b"\x81\x82" + mask + bytes(byte ^ mask[index] for index, byte in enumerate(b"hi")))
    assert await asyncio.wait_for(reader.readexactly(4), 5) == b"\x81\x02hi"


@pytest.mark.parametrize(
    ("header", "identity"),
    [
        ("", ""),
        ("By=spiffe://a/ns/b/sa/c;Hash=1", ""),
        ('By=x;Subject="CN=a,O=b";URI=spiffe://t/ns/n/sa/s', "spiffe://t/ns/n/sa/s"),
        ("URI=spiffe://far,By=x;URI=spiffe://near", "spiffe://near"),
    ],
)
def test_the_nearest_peer_is_the_caller(header: str, identity: str) -> None:
    """The last element is the last hop's."""
    assert peer(header) == identity
