"""What the record of calls costs: a sidecar and its agent for each call, and the control plane for judging a policy.

One Envoy answers requests of `wrk` itself (so that nothing but the record can differ), first without a log, then telling a real
agent's `Calls` of all of them, then of the share that the agent asks for. The CPU of both is read from /proc.
`python -m benchmarks.call_record`
"""

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import grpc
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf.json_format import MessageToDict

from benchmarks.child import Child, Operation, serve
from benchmarks.processes import cpu_seconds, free_port, wait_for_port
from weft.agent.calls import Calls
from weft.compile import call_log
from weft.compile.filters.order import INBOUND
from weft.compile.http_connection_manager import http_connection_manager
from weft.envoy.binary import binary, command
from weft.envoy.bootstrap import bootstrap
from weft.envoy.names import CALLS_SHARE
from weft.evidence.decision import Decisions
from weft.evidence.difference import differences
from weft.evidence.suggestion import suggested
from weft.model.mesh import Mesh, Settings
from weft.resource.decode import decode
from weft.telemetry.calls import Call, Caller, Edge, Seen
from weft.telemetry.calls import Operation as Asked
from weft.telemetry.recorded import Destination, RecordedCall
from weft.translate.mesh import translation

PORT = 9080


class Sink(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """An agent of which nothing is left but the calls."""

    def __init__(self) -> None:
        self.calls = Calls()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The access log service alone: what else an Envoy asks stays open."""
        if not handler_call_details.method.endswith("/StreamAccessLogs"):
            return None
        return grpc.stream_unary_rpc_method_handler(self._take)

    async def _take(self, messages: Any, _: object) -> bytes:
        told = None
        async for message in messages:
            told = told or self.calls.stream(message)
            if told:
                self.calls.take(*told, message)
        return b""


async def sink(socket: str) -> None:
    """The process of the agent."""
    agent, server = Sink(), grpc.aio.server()
    server.add_generic_rpc_handlers((agent,))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()

    async def seen() -> Any:
        return sum(row.count for row in agent.calls.report())

    async def share() -> Any:
        wanted = agent.calls.wanted_share("default/web-0")
        if wanted is not None:
            agent.calls.shared("default/web-0", wanted)
        return wanted

    operations: dict[str, Operation] = {"seen": seen, "share": share}
    await serve(operations)


def configuration(folder: Path, port: int, admin: int, *, logs: bool) -> Path:
    """The bootstrap of an Envoy that answers at `port`."""
    words: dict[str, Any] = {"access_log": [call_log.of_requests(PORT)]} if logs else {}
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}}
    routes = RouteConfiguration(name="all", virtual_hosts=[{"name": "all", "domains": ["*"], "routes": [answer]}])
    manager = http_connection_manager(stat_prefix="in", routes=routes, chain=INBOUND, **words)
    started = bootstrap(node_id="default/web-0", cluster="web", admin_socket="", xds_socket=str(folder / "agent.sock"))
    del started["dynamic_resources"]
    started["admin"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}}
    filters = [MessageToDict(manager, preserving_proto_field_name=True)]
    listener = {"name": "in", "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
    started["static_resources"]["listeners"] = [{**listener, "filter_chains": [{"filters": filters}]}]
    path = folder / f"envoy-{logs}.json"
    path.write_text(json.dumps(started))
    return path


def measured(kind: str, seconds: int) -> dict[str, float]:
    """Requests, and microseconds of CPU for each, of Envoy and of the agent."""
    with tempfile.TemporaryDirectory(prefix="weft-b-") as name:
        folder, port, admin = Path(name), free_port(), free_port()
        path = configuration(folder, port, admin, logs=kind != "off")
        with Child("benchmarks.call_record", sink=folder / "agent.sock") as agent:
            agent.ask("seen")
            line = command(binary(None), str(path), log_level="error")
            envoy = subprocess.Popen(line, stderr=subprocess.DEVNULL)
            try:
                wait_for_port(port)
                urllib.request.urlopen(f"http://127.0.0.1:{port}/").read()
                time.sleep(1.5)
                began = cpu_seconds([envoy.pid]), cpu_seconds([agent.pid])
                url = f"http://127.0.0.1:{port}/books/17/reviews?user=4711"
                load = subprocess.Popen(["wrk", "-t1", "-c8", f"-d{seconds}", url], stdout=subprocess.PIPE, text=True)
                while load.poll() is None:
                    time.sleep(1.0)
                    if kind == "shared" and (share := agent.ask("share")) is not None:
                        question = urllib.request.Request(
                            f"http://127.0.0.1:{admin}/runtime_modify?{CALLS_SHARE}={share}", method="POST"
                        )
                        urllib.request.urlopen(question).read()
                time.sleep(1.5)
                ended = cpu_seconds([envoy.pid]), cpu_seconds([agent.pid])
                assert load.stdout
                requests = next(int(row.split()[0]) for row in load.stdout if "requests in" in row)
                seen = agent.ask("seen")
            finally:
                envoy.kill()
                envoy.wait()
    per = [1e6 * (after - before) / requests for before, after in zip(began, ended, strict=True)]
    return {"requests": requests, "envoy": per[0], "agent": per[1], "counted": seen / requests}


def hour(kinds: int) -> list[RecordedCall]:
    """So many kinds of calls among services, ten paths each."""
    services = max(2, kinds // 50)
    found = []
    for number in range(kinds):
        to, by = number // 50, (number // 50 + 1 + number % 5) % services
        there = Destination("default", f"s{to}", f"s{to}", (("app", f"s{to}"),))
        caller = Caller(f"spiffe://cluster.local/ns/default/sa/s{by}")
        asked = Asked("GET", f"s{to}:9080", f"/api/v1/kind-{chr(97 + number // 5 % 10)}/{{*}}")
        found.append(Call(Edge(there, PORT, caller), asked, Seen(100, 0.0, 3_600.0)))
    return found


def mesh(policies: Any) -> Mesh:
    """The mesh of some policies."""
    return translation(Settings(), [one.resource for each in policies if (one := decode(each)).resource]).mesh


def judged(kinds: int) -> tuple[float, float]:
    """Seconds to suggest policies for so many kinds of calls, and to judge them with a default deny."""
    calls = hour(kinds)
    began = time.perf_counter()
    policies, _ = suggested(calls, default_deny=True)
    between = time.perf_counter()
    assert differences(Decisions(mesh([])), Decisions(mesh(policies)), calls) == ()
    return between - began, time.perf_counter() - between


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sink", default="")
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.sink:
        asyncio.run(sink(given.sink))
        return
    print("| record | requests/s | Envoy us | agent us | counted |\n|---|---:|---:|---:|---:|")
    for kind in ("off", "all", "shared"):
        rows = [measured(kind, given.seconds) for _ in range(given.rounds)]
        best = min(rows, key=lambda row: row["envoy"])
        rate = best["requests"] / given.seconds
        print(f"| {kind} | {rate:,.0f} | {best['envoy']:.1f} | {best['agent']:.1f} | {best['counted']:.2f} |", flush=True)
    print("\n| kinds of calls | suggest s | test s |\n|---|---:|---:|")
    for kinds in (1_000, 10_000):
        suggesting, judging = judged(kinds)
        print(f"| {kinds:,} | {suggesting:.3f} | {judging:.3f} |", flush=True)


if __name__ == "__main__":
    main()
