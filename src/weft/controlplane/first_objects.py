"""What a store holds before anybody wrote to it: namespaces, and the class of Gateways that this mesh serves."""

from typing import Any
from uuid import uuid4

from weft.translate.gateway_api.written import CONTROLLER, DEFAULT_CLASS, GROUP


def namespace(name: str, now: str) -> dict[str, Any]:
    """A namespace. `now` is RFC 3339."""
    meta = {"name": name, "uid": str(uuid4()), "creationTimestamp": now, "labels": {"kubernetes.io/metadata.name": name}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta, "spec": {}, "status": {"phase": "Active"}}


def gateway_class(now: str) -> dict[str, Any]:
    """The class of Gateways that this mesh serves. `now` is RFC 3339."""
    meta = {"name": DEFAULT_CLASS, "uid": str(uuid4()), "creationTimestamp": now, "generation": 1}
    spec = {"controllerName": CONTROLLER, "description": "Gateways that this mesh serves"}
    return {"apiVersion": f"{GROUP}/v1", "kind": "GatewayClass", "metadata": meta, "spec": spec}
