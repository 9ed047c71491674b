"""What each Envoy counted towards its destinations, read from its admin interface and put into the node's next report.

`/clusters` has the totals of every host whatever the statistics filter keeps; response times are a histogram of each
cluster. Whether a hop is mTLS is read from the clusters the Envoy holds.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from envoy.config.cluster.v3 import cluster_pb2
from envoy.extensions.transport_sockets.proxy_protocol.v3 import upstream_proxy_protocol_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from envoy.service.discovery.v3 import discovery_pb2

from weft.agent import http1
from weft.agent.held import HeldResource
from weft.agent.instance import Address
from weft.envoy.names import IDENTITY_SECRET
from weft.proto import node_pb2

LATENCY_PATH = "/stats?filter=^cluster\\.outbound.*upstream_rq_time$&histogram_buckets=cumulative&format=json&usedonly"
CLUSTERS_PATH = "/clusters?format=json"
_OUTBOUND = ("outbound|", "outbound-plain|")


def edges(proxy: str, clusters: bytes, tls: Mapping[str, bool]) -> list[node_pb2.EdgeCounters]:
    """The counters in an answer to `CLUSTERS_PATH`, of hosts that were ever connected to. `tls` names the clusters that TLS is
    spoken to, and says of each whether it is the mesh's mTLS."""
    found: list[node_pb2.EdgeCounters] = []
    for cluster in msgspec.json.decode(clusters).get("cluster_statuses", []):
        name = cluster["name"]
        if not name.startswith(_OUTBOUND):
            continue
        for host in cluster.get("host_statuses", []):
            counts = {stat["name"]: int(stat.get("value", 0)) for stat in host.get("stats", [])}
            if not counts.get("rq_total") and not counts.get("cx_total"):
                continue
            address = _address(host.get("address", {}))
            found.append(
                node_pb2.EdgeCounters(
                    proxy=proxy,
                    cluster=name,
                    endpoint=address,
                    requests=counts.get("rq_total", 0),
                    successes=counts.get("rq_success", 0),
                    errors=counts.get("rq_error", 0),
                    connections=counts.get("cx_total", 0),
                    mtls=tls.get(name, False),
                    tls=name in tls and not tls[name],
                )
            )
    return found


def latencies(proxy: str, stats: bytes) -> list[node_pb2.EdgeLatency]:
    """The histograms in an answer to `LATENCY_PATH`."""
    found: list[node_pb2.EdgeLatency] = []
    for stat in msgspec.json.decode(stats).get("stats", []):
        for histogram in _histograms(stat.get("histograms")):
            cluster = histogram["name"].removeprefix("cluster.").removesuffix(".upstream_rq_time")
            buckets = histogram.get("buckets") or []
            if cluster.endswith((".internal", ".external")):  # the same times once more, by where they came from
                continue
            if not buckets or not int(buckets[-1]["cumulative"]):
                continue
            found.append(
                node_pb2.EdgeLatency(
                    proxy=proxy,
                    cluster=cluster,
                    bounds=[float(bucket["upper_bound"]) for bucket in buckets],
                    counts=[int(bucket["cumulative"]) for bucket in buckets],
                )
            )
    return found


def _histograms(said: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(said, list):
        return said
    if isinstance(said, dict):
        return list(said.get("details", []))
    return ()


def tls_clusters(held: Mapping[str, HeldResource]) -> dict[str, bool]:
    """The clusters that TLS is spoken to. It is the mesh's mTLS where the transport socket shows the workload's own identity."""
    said = {name: _is_mtls(resource.body) for name, resource in held.items() if name.startswith(_OUTBOUND)}
    return {name: mtls for name, mtls in said.items() if mtls is not None}


@lru_cache(maxsize=4096)
def _is_mtls(body: bytes) -> bool | None:
    """None: there is no TLS."""
    cluster = cluster_pb2.Cluster.FromString(discovery_pb2.Resource.FromString(body).resource.value)
    socket = cluster.transport_socket
    outer = upstream_proxy_protocol_pb2.ProxyProtocolUpstreamTransport()
    if socket.typed_config.Unpack(outer):
        socket = outer.transport_socket
    context = tls_pb2.UpstreamTlsContext()
    if not socket.typed_config.Unpack(context):
        return None
    secrets = context.common_tls_context.tls_certificate_sds_secret_configs
    return any(secret.name == IDENTITY_SECRET for secret in secrets)


def _address(address: Mapping[str, Any]) -> str:
    socket = address.get("socket_address", {})
    return str(Address(socket.get("address", ""), socket.get("port_value", 0)))


async def counted(
    proxy: str, admin: Path, tls: Mapping[str, bool]
) -> tuple[list[node_pb2.EdgeCounters], list[node_pb2.EdgeLatency]]:
    """What the Envoy with that admin socket counted; nothing while it does not answer."""
    try:
        clusters = await http1.get(admin, CLUSTERS_PATH, timeout=1.5)
        times = await http1.get(admin, LATENCY_PATH, timeout=1.5)
        return edges(proxy, clusters.body, tls), latencies(proxy, times.body)
    except (OSError, msgspec.DecodeError):
        return [], []
