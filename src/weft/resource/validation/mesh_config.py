"""The rules of MeshConfig."""

from weft.resource.field_path import child, item
from weft.resource.problems import Problems
from weft.resource.weft.mesh_config import EnvoyExtAuthzGrpc, EnvoyExtAuthzHttp, MeshConfig


def mesh_config(spec: MeshConfig, problems: Problems, at: str = "spec") -> None:
    """Every provider has a name of its own and says once how it is asked. `at` is where it stands in its resource."""
    seen: set[str] = set()
    for index, one in enumerate(spec.extension_providers):
        path = item(child(at, "extensionProviders"), index)
        if not one.name:
            problems.invalid(child(path, "name"), "it is empty")
        if one.name in seen:
            problems.add("duplicate", child(path, "name"), what="provider", name=one.name, hint="")
        seen.add(one.name)
        kinds = {"envoyExtAuthzHttp": one.envoy_ext_authz_http, "envoyExtAuthzGrpc": one.envoy_ext_authz_grpc}
        problems.conflict(path, {name: said is not None for name, said in kinds.items()})
        if not any(kinds.values()):
            problems.invalid(path, "it does not say how it is asked", "write envoyExtAuthzGrpc or envoyExtAuthzHttp")
        for name, said in kinds.items():
            if said:
                _authorizer(said, child(path, name), problems)


def _authorizer(of: EnvoyExtAuthzHttp | EnvoyExtAuthzGrpc, path: str, problems: Problems) -> None:
    if not of.service.rpartition("/")[2]:
        problems.invalid(child(path, "service"), "it is empty")
    status = of.status_on_error
    if status and not (status.isascii() and status.isdigit() and 400 <= int(status) <= 599):
        problems.invalid(child(path, "statusOnError"), f"{status[:20]!r} is not the status of an error: 400 to 599")
    if isinstance(of, EnvoyExtAuthzHttp):
        if of.path_prefix and not of.path_prefix.startswith("/"):
            problems.invalid(child(path, "pathPrefix"), "a path begins with /")
        for name in of.include_additional_headers_in_check:
            if name.startswith(":") or name.lower() == "host":
                problems.invalid(child(child(path, "includeAdditionalHeadersInCheck"), name), "Envoy sets it itself")
