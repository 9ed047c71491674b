"""A node's report off the wire, checked: what a peer sent becomes a `Report`, or a reason why a workload is not taken."""

import re
from collections.abc import Mapping
from ipaddress import ip_address

from weft.discovery.agents import Report
from weft.model.endpoint import Health, locality
from weft.model.labels import labels
from weft.model.workload import Address, InboundPort, Proxy, Upstream, Workload
from weft.proto import node_pb2

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_ACCOUNT = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9._]{0,251}[A-Za-z0-9])?\Z")
_PORT_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,62}\Z")
_LABEL_KEY = re.compile(r"([a-z0-9][-a-z0-9.]{0,252}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z")
_MOST_LABELS, _MOST_PORTS = 64, 256

_HEALTH = {node_pb2.HEALTHY: Health.HEALTHY, node_pb2.UNHEALTHY: Health.UNHEALTHY, node_pb2.DRAINING: Health.DRAINING}


class InvalidWorkload(Exception):
    """What is wrong with a workload of a report."""


def report(message: node_pb2.NodeReport, node: str = "") -> tuple[Report, Mapping[str, str]]:
    """The report of `node`, and for each workload that is not in it because it makes no sense, the reason."""
    proxies, refused = [], {}
    for one in message.upsert:
        try:
            proxies.append(proxy(one, node))
        except InvalidWorkload as error:
            refused[f"{one.namespace}/{one.name}"[:512]] = str(error)
    return Report(tuple(proxies), tuple(message.remove), message.complete), refused


def proxy(message: node_pb2.Workload, node: str = "") -> Proxy:
    """One workload of `node` with its proxy. Raises InvalidWorkload."""
    inbound = tuple(_inbound(port) for port in message.inbound)
    if len(inbound) > _MOST_PORTS or len({port.name for port in inbound}) != len(inbound):
        raise InvalidWorkload("the names of its ports must differ")
    return Proxy(
        _workload(message, node),
        message.gateway,
        _address(message.http_proxy) if message.HasField("http_proxy") else None,
        inbound,
        tuple(Upstream(each.host, _port(each.port), _address(each.listen)) for each in message.upstreams),
        _host(message.gateway_host or "127.0.0.1"),
        message.envoy_version,
    )


def _workload(message: node_pb2.Workload, node: str) -> Workload:
    _check(_NAMESPACE, message.namespace, "namespace")
    _check(_NAME, message.name, "name")
    _check(_ACCOUNT, message.service_account, "service account")
    if message.workload_group:
        _check(_NAME, message.workload_group, "workload group")
    if len(message.labels) > _MOST_LABELS:
        raise InvalidWorkload(f"it has more than {_MOST_LABELS} labels")
    for name, value in message.labels.items():
        _check(_LABEL_KEY, name, "label")
        _check(_LABEL_VALUE, value, f"value of the label {name}")
    return Workload(
        message.namespace,
        message.name,
        message.service_account,
        labels(message.labels),
        locality(message.locality),
        message.network,
        message.weight or 1,
        _HEALTH.get(message.health, Health.UNHEALTHY),
        node,
        message.workload_group,
    )


def _inbound(message: node_pb2.InboundPort) -> InboundPort:
    _check(_PORT_NAME, message.name, "port name")
    return InboundPort(
        message.name,
        _port(message.number),
        message.protocol,
        _address(message.listen),
        _address(message.application),
        message.asked,
    )


def _address(message: node_pb2.Address) -> Address:
    return Address(_host(message.host), _port(message.port))


def _host(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise InvalidWorkload(f"not an IP address: {text[:80]!r}") from None


def _port(number: int) -> int:
    if not 0 < number < 65536:
        raise InvalidWorkload(f"not a port: {number}")
    return number


def _check(pattern: re.Pattern[str], text: str, what: str) -> None:
    if not pattern.match(text):
        raise InvalidWorkload(f"not a {what}: {text[:80]!r}")
