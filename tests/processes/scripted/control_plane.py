"""A control plane that takes everything: plain HTTP, `serve.json` and a kubeconfig. What it was asked stands in `asked.jsonl`."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

arguments = dict(zip(sys.argv[1:], sys.argv[2:], strict=False))
home = Path(arguments["--home"])
host, _, port = arguments["--api"].rpartition(":")


class Api(BaseHTTPRequestHandler):
    """Answers what `weft up` asks."""

    def do_POST(self) -> None:
        """Takes it."""
        body = self.rfile.read(int(self.headers["content-length"]))
        with (home / "asked.jsonl").open("a") as file:
            file.write(json.dumps({"path": self.path, "body": json.loads(body)}) + "\n")
        self._answer({"token": "once"} if self.path.endswith("jointokens") else {"applied": True, "findings": []})

    def do_GET(self) -> None:
        """Has nothing."""
        self._answer({"items": []})

    def _answer(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = ThreadingHTTPServer((host, int(port)), Api)
cluster = {"server": f"http://{host}:{port}"}
kubeconfig = {
    "clusters": [{"name": "x", "cluster": cluster}],
    "users": [{"name": "x", "user": {}}],
    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    "current-context": "x",
}
(home / "kubeconfig").write_text(json.dumps(kubeconfig))
addresses = {name: arguments[f"--{name}"] for name in ("api", "xds", "enroll", "metrics")}
(home / "serve.json").write_text(json.dumps({**addresses, "pid": os.getpid()}))
server.serve_forever()
