"""What there is: the documents with which a client finds groups, versions and resources, one by one and aggregated.

Plain: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#unaggregated-discovery; aggregated: the types
APIGroupDiscoveryList of apidiscovery.k8s.io v2 and v2beta1, which have the same shape.
"""

from collections.abc import Sequence
from typing import Any

from weft.controlplane.api.media import Media
from weft.controlplane.api.unserved import Unserved
from weft.resource.kind import Kind

Json = dict[str, Any]
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
STATUS_VERBS = ["get", "patch", "update"]


def core_versions(address: str) -> Json:
    """`/api`."""
    clients = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": clients}


def groups(kinds: Sequence[Kind], unserved: Sequence[Unserved]) -> Json:
    """`/apis`."""
    names = [name for name in _groups(kinds, unserved) if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name, kinds, unserved) for name in names]}


def group(name: str, kinds: Sequence[Kind], unserved: Sequence[Unserved]) -> Json | None:
    """`/apis/GROUP`, or None."""
    if not name or name not in _groups(kinds, unserved):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, kinds, unserved)


def _group(name: str, kinds: Sequence[Kind], unserved: Sequence[Unserved]) -> Json:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in _versions(name, kinds, unserved)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _groups(kinds: Sequence[Kind], unserved: Sequence[Unserved]) -> list[str]:
    return list(dict.fromkeys([each.group for each in kinds] + [each.group for each in unserved]))


def _versions(name: str, kinds: Sequence[Kind], unserved: Sequence[Unserved]) -> list[str]:
    """All versions of a group, in the order in which its kinds prefer them."""
    served = [version for kind in kinds if kind.group == name for version in kind.versions]
    return list(dict.fromkeys(served + [each.version for each in unserved if each.group == name]))


def resources(name: str, version: str, kinds: Sequence[Kind], unserved: Sequence[Unserved]) -> Json | None:
    """`/api/v1` and `/apis/GROUP/VERSION`, or None."""
    if version not in _versions(name, kinds, unserved):
        return None
    found = [entry for kind in kinds if kind.group == name and version in kind.versions for entry in _resources(kind)]
    found += [_absent(each) for each in unserved if (each.group, each.version) == (name, version)]
    group_version = f"{name}/{version}" if name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": found}


def _resources(kind: Kind) -> list[Json]:
    entry: Json = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": VERBS,
        "shortNames": list(kind.short_names),
        "categories": list(kind.categories),
    }
    status = {
        "name": f"{kind.plural}/status",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": STATUS_VERBS,
    }
    return [{name: value for name, value in entry.items() if value != []}, status]


def _absent(kind: Unserved) -> Json:
    return {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": ["get", "list"],
        "shortNames": list(kind.short_names),
    }


AGGREGATED = ("v2", "v2beta1")


def aggregated(media: Media, version: str) -> bool:
    """Whether `media` asks for an APIGroupDiscoveryList of apidiscovery.k8s.io/`version`."""
    return (
        media.type == "application/json"
        and media.parameter("as") == "APIGroupDiscoveryList"
        and media.parameter("g") == "apidiscovery.k8s.io"
        and media.parameter("v") == version
    )


def aggregate(core: bool, version: str, kinds: Sequence[Kind], unserved: Sequence[Unserved]) -> tuple[Json, str]:
    """All of `/api` (core) or `/apis` in one document of apidiscovery.k8s.io/`version`, and its content type."""
    names = [name for name in _groups(kinds, unserved) if (name == "") == core]
    document = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": name} if name else {},
                "versions": [_aggregate(name, each, kinds, unserved) for each in _versions(name, kinds, unserved)],
            }
            for name in names
        ],
    }
    return document, f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


def _aggregate(name: str, version: str, kinds: Sequence[Kind], unserved: Sequence[Unserved]) -> Json:
    listed = resources(name, version, kinds, unserved)
    assert listed
    plain = [entry for entry in listed["resources"] if "/" not in entry["name"]]
    subresources = {entry["name"].partition("/")[0] for entry in listed["resources"] if "/" in entry["name"]}
    return {
        "version": version,
        "resources": [_discovered(entry, name, version, entry["name"] in subresources) for entry in plain],
        "freshness": "Current",
    }


def _discovered(entry: Json, name: str, version: str, status: bool) -> Json:
    response = {"group": name, "version": version, "kind": entry["kind"]}
    found: Json = {
        "resource": entry["name"],
        "responseKind": response,
        "scope": "Namespaced" if entry["namespaced"] else "Cluster",
        "singularResource": entry["singularName"],
        "verbs": entry["verbs"],
    }
    found |= {new: entry[old] for old, new in (("shortNames", "shortNames"), ("categories", "categories")) if entry.get(old)}
    if status:
        found["subresources"] = [{"subresource": "status", "responseKind": response, "verbs": STATUS_VERBS}]
    return found
