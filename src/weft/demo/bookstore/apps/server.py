"""A small HTTP server on $HOST:$PORT, and calls to other services by their plain names."""

import json
import os
import socket
import urllib.request
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASSED_ON = ("x-request-id", "traceparent", "tracestate", "end-user", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled")

Answer = Callable[[str, Mapping[str, str]], tuple[str, str]]


def call(url: str, headers: Mapping[str, str]) -> Any:
    """The JSON that `url` answers, or {"error": why}. Headers that mark a trace or a user are passed on."""
    passed = {name: headers[name] for name in PASSED_ON if name in headers}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=passed), timeout=10) as answer:
            return json.load(answer)
    except OSError as problem:
        return {"error": str(problem)}


def serve(answer: Answer) -> None:
    """Serves for ever: `answer` gets path and headers and gives content type and body."""

    class Exchange(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            """Answers any path."""
            content_type, body = answer(self.path, {name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *values: object) -> None:
            """Says nothing: the mesh counts."""

    host = os.environ.get("HOST", "127.0.0.1")
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ThreadingHTTPServer((host, int(os.environ["PORT"])), Exchange).serve_forever()
