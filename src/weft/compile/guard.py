"""What stands before requests and connections, of all filters that guard: rules, authorizers, and how paths are read."""

from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import Filter
from google.protobuf.any_pb2 import Any as AnyMessage

from weft.compile.filters import ext_authz, rbac
from weft.compile.scope.screening_inputs import Guard, Screening
from weft.model.mesh_config import Normalization

_MERGES = (Normalization.MERGE_SLASHES, Normalization.DECODE_AND_MERGE_SLASHES)


def per_route(of: Guard) -> dict[str, AnyMessage]:
    """What a route configuration says to the filters that have something to decide."""
    return {**rbac.per_route(of), **ext_authz.per_route(of)}


def network_guard(of: Guard, stat_prefix: str) -> list[Filter]:
    """The filters of a port whose bytes are not read."""
    return [*ext_authz.network_ext_authz(of, stat_prefix), *rbac.network_rbac(of, stat_prefix)]


def denials(of: Screening) -> list[dict[str, Any]]:
    """How the answers to refused requests are worded."""
    return [*rbac.denials(of.explain), *ext_authz.denials(of.asked, of.explain)]


def normalization(of: Screening) -> dict[str, Any]:
    """How paths are rewritten before anybody reads them, where the mesh says it otherwise than is usual."""
    said: dict[str, Any] = {}
    if of.normalization is Normalization.NONE:
        said["normalize_path"] = {"value": False}
    if of.normalization in _MERGES:
        said["merge_slashes"] = True
    if of.normalization is Normalization.DECODE_AND_MERGE_SLASHES:
        said["path_with_escaped_slashes_action"] = "UNESCAPE_AND_FORWARD"
    return said
