"""Kinds of Kubernetes that people ask a mesh for and that it does not have, with the command that answers the question.

They stand in discovery with the verbs `get` and `list`, so that `kubectl get pods` reaches the server and prints its advice
instead of «the server doesn't have a resource type».
"""

from dataclasses import dataclass
from typing import Any

from weft.controlplane.api.status import Refused


@dataclass(frozen=True, slots=True)
class Unserved:
    """A kind that is not here. `advice` says what to use."""

    group: str
    version: str
    kind: str
    plural: str
    short_names: tuple[str, ...]
    advice: str
    namespaced: bool = True

    def refusal(self) -> Refused:
        """What every request for it is answered."""
        message = f"weft has no {self.plural}: {self.advice}"
        return Refused(405, "MethodNotAllowed", message, group=self.group, about=self.plural)

    def none(self) -> dict[str, Any]:
        """The list of all there are."""
        version = f"{self.group}/{self.version}" if self.group else self.version
        return {"kind": f"{self.kind}List", "apiVersion": version, "metadata": {"resourceVersion": ""}, "items": []}


_ENDPOINTS = "use weft proxy config SERVICE endpoints, or kubectl get workloadentries"
_PROCESSES = "it runs processes; use weft ps"

UNSERVED: tuple[Unserved, ...] = (
    Unserved("", "v1", "Pod", "pods", ("po",), _PROCESSES),
    Unserved("", "v1", "Node", "nodes", ("no",), "use weft proxies, or kubectl get nodes.mesh.weft.dev", namespaced=False),
    Unserved("", "v1", "Endpoints", "endpoints", ("ep",), _ENDPOINTS),
    Unserved("apps", "v1", "Deployment", "deployments", ("deploy",), _PROCESSES),
    Unserved("apps", "v1", "ReplicaSet", "replicasets", ("rs",), _PROCESSES),
    Unserved("apps", "v1", "StatefulSet", "statefulsets", ("sts",), _PROCESSES),
    Unserved("apps", "v1", "DaemonSet", "daemonsets", ("ds",), _PROCESSES),
    Unserved("", "v1", "ReplicationController", "replicationcontrollers", ("rc",), _PROCESSES),
    Unserved("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", ("pvc",), "processes keep files in folders"),
    Unserved("", "v1", "PersistentVolume", "persistentvolumes", ("pv",), "processes keep files in folders", namespaced=False),
    Unserved("batch", "v1", "Job", "jobs", (), _PROCESSES),
    Unserved("batch", "v1", "CronJob", "cronjobs", ("cj",), _PROCESSES),
    Unserved("networking.k8s.io", "v1", "Ingress", "ingresses", ("ing",), "use a Gateway with an HTTPRoute or VirtualService"),
)
