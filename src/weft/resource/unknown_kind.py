"""What to say about a kind that is not in `kinds.KINDS`: a slip of the pen, a later release's, or another tool's."""

from difflib import get_close_matches

from weft.resource.kinds import KINDS

_LATER = (
    "Telemetry", "WasmPlugin",
    "ProxyConfig",
)  # fmt: skip
LATER = tuple(kind for kind in _LATER if kind not in {known.kind for known in KINDS})
"""Kinds of the APIs that weft reads, that it does not read yet."""

_WORKLOADS = ("Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob")


def hint(api_version: str, kind: str) -> str:
    """What the operator may have meant; empty when nothing comes to mind."""
    if kind == "List":
        return "apply its items, each as a resource of its own"
    if kind in _WORKLOADS:
        return "workloads are processes here: declare them as services in weft.yaml"
    if kind in _LATER:
        return "a later release of weft will read it"
    by_name = {known.kind: known for known in reversed(KINDS)}
    if same := [known for known in KINDS if known.kind == kind]:
        known = next((one for one in same if one.group == api_version.rpartition("/")[0]), same[0])
        return f"write apiVersion: {_closest_version(api_version, known.api_versions)}"
    fold = {name.lower(): name for name in by_name}
    close = get_close_matches(kind.lower(), list(fold), n=1, cutoff=0.75)
    if close:
        known = by_name[fold[close[0]]]
        return f"did you mean {known.kind} ({known.api_version})?"
    return "known kinds: " + ", ".join(sorted(by_name))


def _closest_version(said: str, versions: tuple[str, ...]) -> str:
    version = said.rpartition("/")[2]
    return next((known for known in versions if known.rpartition("/")[2] == version), versions[0])
