"""A small HTTP server outside the mesh, in this process: it answers with its name and with what it was told of the caller."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def named_server(name: str, host: str, *files: Path) -> Iterator[int]:
    """Serves on `host` while the block runs, with TLS when given a certificate and a key; its port."""

    class Exchange(BaseHTTPRequestHandler):
        """One request."""

        def do_GET(self) -> None:
            """Answers any path."""
            body = json.dumps({"name": name, "host": self.headers["host"]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        """Of the host's family."""

        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    with Server((host, 0), Exchange) as server:
        if files:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate, key = files
            context.load_cert_chain(certificate, key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
