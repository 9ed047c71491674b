"""Names in Istio's resources that are completed with the namespace of the resource: exportTo and gateways."""

from collections.abc import Iterable

from weft.model.precedence import MESH


def exported(export_to: Iterable[str], namespace: str) -> tuple[str, ...]:
    """The namespaces that see a resource: nothing said is everyone, `.` its own, `~` none. `("*",)` stands for all."""
    said = set(export_to) or {"*"}
    if "*" in said:
        return ("*",)
    return tuple(sorted({namespace if one == "." else one for one in said} - {"~"}))


def gateway_name(written: str, namespace: str) -> str:
    """`namespace/name` of a gateway named in a VirtualService of `namespace`, or `mesh`. `name.ns.svc.cluster.local` is
    Istio's older form."""
    if written == MESH:
        return MESH
    own, slash, name = written.partition("/")
    if slash:
        return f"{namespace if own == '.' else own}/{name}"
    name, dot, rest = written.partition(".")
    return f"{rest.partition('.')[0] if dot else namespace}/{name}"


def gateway_names(written: Iterable[str], namespace: str) -> tuple[str, ...]:
    """All of them, sorted, each once."""
    return tuple(sorted({gateway_name(one, namespace) for one in written}))
