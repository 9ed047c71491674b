"""What issuers may answer, asked of a real web server."""

import json
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from weft.controlplane.key_set_client import Unfetched, key_set
from weft.model.authentication import NO_KEYS

KEY = json.loads(NO_KEYS)["keys"][0]
OCTETS = {"kty": "oct", "k": "c2VjcmV0"}
OFF_THE_CURVE = {**KEY, "x": KEY["y"]}
ANSWERS: dict[str, tuple[int, bytes]] = {
    "/good": (200, json.dumps({"keys": [{**KEY, "d": "c2VjcmV0"}, OCTETS, OFF_THE_CURVE, 7, {"kty": "RSA"}]}).encode()),
    "/none": (200, json.dumps({"keys": [OCTETS, OFF_THE_CURVE]}).encode()),
    "/list": (200, b"[]"),
    "/text": (200, b"<html>"),
    "/absent": (503, b"{}"),
    "/large": (200, b" " * (2 << 20)),
    "/again": (302, b""),
    "/.well-known/openid-configuration": (200, b""),
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A web server with ANSWERS."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = ANSWERS[self.path]
            if "openid" in self.path:
                text = json.dumps({"issuer": "me", "jwks_uri": f"{at}/good"}).encode()
            self.send_response(status)
            self.send_header("location", self.path)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    at = f"http://127.0.0.1:{listening.server_address[1]}"
    Thread(target=listening.serve_forever, daemon=True).start()
    yield at
    listening.shutdown()
    listening.server_close()


async def fetched(at: str, *issuers: str) -> Any:
    """The keys there."""
    found = await key_set(at, 5, ssl.create_default_context(), frozenset(issuers))
    return json.loads(found.jwks)["keys"]


async def test_public_keys_are_taken_and_nothing_else(server: str) -> None:
    """A private part stays behind, and so do shared secrets and what is no key at all."""
    assert await fetched(f"{server}/good") == [KEY]


async def test_an_openid_configuration_says_where_they_are(server: str) -> None:
    """It must be that of the issuer whose keys are wanted."""
    assert await fetched(f"{server}/.well-known/openid-configuration", "me") == [KEY]
    with pytest.raises(Unfetched, match="OpenID configuration of 'me', another issuer"):
        await fetched(f"{server}/.well-known/openid-configuration", "you")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/none", "no key in the answer"),
        ("/list", "no JSON object"),
        ("/text", "not JSON"),
        ("/absent", "the answer is 503 Service Unavailable"),
        ("/large", "larger than 1 MiB"),
        ("/again", "TooManyRedirects"),
    ],
)
async def test_what_is_no_key_set_is_said(server: str, path: str, why: str) -> None:
    """The reason is told in words."""
    with pytest.raises(Unfetched, match=why):
        await fetched(f"{server}{path}")


async def test_who_does_not_answer_is_said() -> None:
    """A closed port, and a name that is none."""
    for at in ("http://127.0.0.1:1/", "http://nowhere.invalid/"):
        with pytest.raises(Unfetched, match="ConnectError"):
            await fetched(at)
