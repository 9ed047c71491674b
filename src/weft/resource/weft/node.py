"""Node: a machine that runs workloads, and the identities its agent may ask certificates for."""

from weft.resource.field import Message


class Identity(Message, frozen=True, kw_only=True):
    """A service account. `*` as `service_account` is every account of the namespace; as `namespace`, every namespace."""

    namespace: str
    service_account: str


class Node(Message, frozen=True, kw_only=True):
    """What a node is granted. Without an identity of a workload it may neither run nor speak for that workload."""

    identities: tuple[Identity, ...] = ()
