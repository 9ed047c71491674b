"""What is the same in every mesh, read off the smallest one: a service in the mesh, a caller, a gateway with one rule."""

from typing import Any

import yaml
from golden import message_kind, told

from weft.compile.snapshot import Cache, snapshot
from weft.model.labels import labels
from weft.model.mesh import Settings
from weft.model.workload import Address, Proxy, Workload
from weft.resource.decode import decode
from weft.translate.mesh import translation

_SMALLEST = """
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-0, namespace: default}
spec: {address: 10.0.0.1, serviceAccount: reviews, labels: {app: reviews}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec: {selector: {app: edge}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: default}
spec: {hosts: ["*"], gateways: [edge], http: [{route: [{destination: {host: reviews}}]}]}
"""


def usual() -> dict[str, Any]:
    """What `ordinary.yaml` must say."""
    resources = [one for raw in yaml.safe_load_all(_SMALLEST) if (one := decode(raw).resource)]
    mesh = translation(Settings(), resources).mesh
    web = Proxy(Workload("default", "web", "web"), http_proxy=Address("127.0.0.1", 15001))
    edge = Proxy(Workload("default", "edge", "edge", labels({"app": "edge"})), gateway=True)
    outbound = {message_kind(one): one for one in told(snapshot(mesh, web, Cache()), ["reviews:9080"])}
    inbound = {message_kind(one): one for one in told(snapshot(mesh, edge, Cache()), [])}
    host = outbound["VirtualHost"]
    chain = inbound["Listener"]["filter_chains"][0]["filters"][0]["typed_config"]
    return {
        "cluster": _but(outbound["Cluster"], "@type", "name"),
        "virtual host": _but(host, "@type", "name", "domains", "routes", "metadata"),
        "connect": host["routes"][0],
        "unrepeatable": {
            "match": _but(host["routes"][1]["match"], "prefix"),
            "retry_policy": host["routes"][1]["route"]["retry_policy"],
        },
        "route": _but(host["routes"][2]["route"], "cluster"),
        "route configuration": _but(
            inbound["RouteConfiguration"], "@type", "name", "virtual_hosts", "ignore_port_in_host_matching"
        ),
        "listener": _but(inbound["Listener"], "@type", "name", "address", "filter_chains"),
        "connection manager": _but(chain, "@type", "stat_prefix", "rds"),
    }


def _but(of: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in of.items() if name not in names}
