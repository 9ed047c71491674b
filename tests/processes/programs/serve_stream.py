"""An HTTP server whose every answer comes in three pieces, a moment apart, and that says what headers it was sent.

With a certificate and a key as arguments it speaks TLS, on the address and port that come before them.
"""

import json
import os
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAUSE = 0.3


class Slow(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Three chunks."""
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in (b"one\n", b"two\n", json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(PAUSE)
        self.wfile.write(b"0\r\n\r\n")


def main() -> None:
    """Serves for ever."""
    address, *files = sys.argv[1:] or [f"{os.environ['HOST']}:{os.environ['PORT']}"]
    host, _, port = address.partition(":")
    server = ThreadingHTTPServer((host, int(port)), Slow)
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
