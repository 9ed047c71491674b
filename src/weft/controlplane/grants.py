"""What the operator granted to nodes, as the `Node` resources say it (mesh.weft.dev)."""

from collections.abc import Iterable

from weft.ca.attestation import NodeGrants
from weft.resource.resource import Resource
from weft.resource.weft.node import Node


def grants(resources: Iterable[Resource]) -> NodeGrants:
    """The table of all `Node`s among `resources`."""
    return NodeGrants({each.meta.name: _pairs(each.spec) for each in resources if isinstance(each.spec, Node)})


def _pairs(node: Node) -> frozenset[tuple[str, str]]:
    return frozenset((identity.namespace, identity.service_account) for identity in node.identities)


class CurrentGrants:
    """The table of the moment, for those who ask while it changes."""

    def __init__(self) -> None:
        self.table = NodeGrants()

    def knows(self, node: str) -> bool:
        """Whether the node is part of the mesh."""
        return self.table.knows(node)

    def may(self, node: str, namespace: str, service_account: str) -> bool:
        """Whether workloads with this identity may run on the node."""
        return self.table.may(node, namespace, service_account)
