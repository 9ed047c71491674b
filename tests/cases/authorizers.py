"""Those whom stories ask: one over HTTP, one over gRPC. They allow what shows `x-allow: yes`, and connections of `web`."""

import threading
from collections.abc import Mapping
from concurrent import futures
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse


@dataclass(frozen=True)
class Question:
    """What was asked, and how."""

    how: str
    path: str
    headers: Mapping[str, str]
    body: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        server.questions.append(Question("http", self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        allowed = self.headers.get("x-allow") == "yes"
        said = b"" if allowed else b"not today"
        self.send_response(200 if allowed else 403)
        for name, value in (("x-user", "jo"), ("x-reason", "whim"), ("content-length", str(len(said)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer

    def log_message(self, *args: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, questions: list[Question]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.questions = questions


@dataclass
class Authorizers:
    """Both servers; `questions` are all that they were asked."""

    questions: list[Question] = field(default_factory=list)
    _http: _Server | None = None
    _grpc: grpc.Server | None = None

    def start(self) -> dict[int, int]:
        """Where they listen, by the ports that stories know them by."""
        self._http = _Server(self.questions)
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        self._grpc = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
        check = grpc.unary_unary_rpc_method_handler(
            self._check, request_deserializer=CheckRequest.FromString, response_serializer=lambda of: of.SerializeToString()
        )
        handler = grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": check})
        self._grpc.add_generic_rpc_handlers((handler,))
        port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._grpc.start()
        return {8000: int(self._http.server_address[1]), 9000: port}

    def _check(self, request: CheckRequest, context: Any) -> CheckResponse:
        asked = request.attributes
        said = asked.request.http
        self.questions.append(Question("grpc", said.path, dict(said.headers), said.body))
        is_web = not asked.request.http.method and asked.source.principal.endswith("/sa/web")
        if asked.request.http.headers.get("x-allow") == "yes" or is_web:
            return CheckResponse(status={"code": 0})
        why = [{"header": {"key": "x-reason", "value": "whim"}}]
        return CheckResponse(
            status={"code": 7}, denied_response={"status": {"code": 403}, "body": "not today", "headers": why}
        )

    def stop(self) -> None:
        """Ends both."""
        if self._http:
            self._http.shutdown()
            self._http.server_close()
        if self._grpc:
            self._grpc.stop(None)
