"""What kubectl, kustomize and GitOps controllers ask beyond create and get: ownership of fields, dry runs, pruning, waiting."""

import json
import re
import subprocess
from collections.abc import Iterator
from uuid import uuid4

import pytest
from controlplane.api.running_api import RunningApi, running_api

from processes.calls import needs
from processes.test_kubectl import RULE, SERVICE, Kubectl

pytestmark = needs("kubectl")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """One API for all tests of this file, each of which has a namespace of its own."""
    with running_api(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def kubectl(api: RunningApi) -> Kubectl:
    """kubectl in a new namespace."""
    made = Kubectl(api, f"test-{uuid4().hex[:8]}")
    made("create", "namespace", made.namespace)
    return made


def managers(kubectl: Kubectl, kind: str = "dr") -> dict[str, str]:
    """The operation of each manager of the object reviews."""
    shown = json.loads(kubectl("get", kind, "reviews", "-o", "json", "--show-managed-fields").out)
    return {entry["manager"]: entry["operation"] for entry in shown["metadata"].get("managedFields", ())}


def test_server_side_apply_and_its_conflicts(kubectl: Kubectl) -> None:
    """A second field manager is refused with kubectl's explanation, and takes the field with --force-conflicts."""
    for manifest, old, new in ((SERVICE, "name: http,", "name: tcp,"), (RULE, "host: reviews", "host: ratings")):
        kind = "svc" if manifest is SERVICE else "dr"
        assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=manifest).out
        other = ("apply", "--server-side", "--field-manager=flux", "-f", "-")
        refused = kubectl(*other, stdin=manifest.replace(old, new), code=1).err
        assert 'Apply failed with 1 conflict: conflict with "kubectl": .spec.' in refused
        assert "--force-conflicts" in refused
        kubectl(*other, "--force-conflicts", stdin=manifest.replace(old, new))
        assert managers(kubectl, kind) == {"kubectl": "Apply", "flux": "Apply"} if kind == "svc" else {"flux": "Apply"}
        again = kubectl("get", kind, "reviews", "-o", "jsonpath={.metadata.resourceVersion}").out
        kubectl(*other, stdin=manifest.replace(old, new))
        assert kubectl("get", kind, "reviews", "-o", "jsonpath={.metadata.resourceVersion}").out == again


def test_the_way_from_client_side_apply_and_back(kubectl: Kubectl) -> None:
    """Objects applied on the client's side go over to server-side apply with one command, fields removed meanwhile go, and
    apply without --server-side goes on."""
    wide = RULE.replace("{host: reviews}", "{host: reviews, exportTo: ['*']}")
    kubectl("apply", "-f", "-", stdin=wide)
    assert managers(kubectl) == {"kubectl-client-side-apply": "Update"}
    kubectl("apply", "--server-side", "-f", "-", stdin=wide)
    assert managers(kubectl) == {"kubectl": "Apply", "kubectl-last-applied": "Apply"}
    kubectl("apply", "--server-side", "-f", "-", stdin=RULE)
    assert kubectl("get", "dr", "reviews", "-o", "jsonpath={.spec}").out == '{"host":"reviews"}'
    kubectl("apply", "-f", "-", stdin=RULE.replace("host: reviews", "host: ratings"))
    assert kubectl("get", "dr", "reviews", "-o", "jsonpath={.spec.host}").out == "ratings"


def test_diff_and_dry_run_on_the_server(kubectl: Kubectl) -> None:
    """What an apply would change is shown with and without --server-side, and nothing is written."""
    kubectl("apply", "--server-side", "-f", "-", stdin=RULE)
    changed = RULE.replace("host: reviews", "host: ratings")
    assert kubectl("diff", "--server-side", "-f", "-", stdin=RULE).out == ""
    assert re.search(r"^\+.*host: ratings$", kubectl("diff", "--server-side", "-f", "-", stdin=changed, code=1).out, re.MULTILINE)
    assert "server dry run" in kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=changed).out
    refused = kubectl("diff", "--server-side", "--field-manager=argocd-controller", "-f", "-", stdin=changed, code=None)
    assert 'conflict with "kubectl"' in refused.err
    assert kubectl("get", "dr", "reviews", "-o", "jsonpath={.spec.host}").out == "reviews"


def test_prune_deletes_what_is_no_longer_in_the_set(kubectl: Kubectl) -> None:
    """Objects with the set's label that are not in it any more go; others stay."""
    rules = "---".join(RULE.replace("{name: reviews}", f"{{name: {name}, labels: {{set: a}}}}") for name in ("one", "two"))
    kubectl("apply", "-f", "-", stdin=rules + "---" + RULE)
    options = ("--prune", "-l", "set=a", "--prune-allowlist=networking.istio.io/v1/DestinationRule")
    done = kubectl("apply", *options, "-f", "-", stdin=rules.split("---")[0])
    assert "destinationrule.networking.istio.io/two pruned" in done.out
    assert kubectl("get", "dr", "-o", "name").out.split() == [
        f"destinationrule.networking.istio.io/{name}" for name in ("one", "reviews")
    ]


def test_prune_with_kubectls_own_list(kubectl: Kubectl) -> None:
    """--prune without a list of kinds asks for kinds that are none of a mesh, and still does its work."""
    head = "{name: reviews, labels: {app: reviews}}"
    two = "---".join(SERVICE.replace(head, f"{{name: {name}, labels: {{set: b}}}}") for name in "ab")
    kubectl("apply", "-f", "-", stdin=two)
    assert "service/b pruned" in kubectl("apply", "--prune", "-l", "set=b", "-f", "-", stdin=two.split("---")[0]).out


def test_wait_until_something_holds(kubectl: Kubectl) -> None:
    """kubectl waits for a field and for a deletion."""
    kubectl("apply", "-f", "-", stdin=RULE)
    kubectl("wait", "dr/reviews", "--for=jsonpath={.spec.host}=reviews", "--timeout=5s")
    waiting = subprocess.Popen(
        ["kubectl", "--kubeconfig", str(kubectl.api.kubeconfig), "-n", kubectl.namespace]
        + ["wait", "dr/reviews", "--for=delete", "--timeout=10s"]
    )
    kubectl("delete", "dr", "reviews")
    assert waiting.wait(15) == 0


def test_fields_are_explained_with_words(kubectl: Kubectl) -> None:
    """`kubectl explain` has the description of a field, also of one that has no effect."""
    assert "by number or by name" in kubectl("explain", "svc.spec.ports.targetPort").out
    assert "RE2" in kubectl("explain", "virtualservice.spec.http.match.uri.regex").out
    assert "Protocol" in kubectl("explain", "gtw.spec.listeners", "--api-version=gateway.networking.k8s.io/v1").out.title()


def test_who_may_do_what(kubectl: Kubectl) -> None:
    """Who has the API's certificate may do everything that is served, and is told so."""
    assert kubectl("auth", "can-i", "create", "virtualservices").out == "yes\n"
    assert kubectl("auth", "can-i", "create", "pods", code=1).out.startswith("no")
    assert "virtualservices.networking.istio.io " in kubectl("auth", "can-i", "--list").out
    assert re.search(r"Username +\S+", kubectl("auth", "whoami").out)


def test_one_object_by_a_field_selector(kubectl: Kubectl) -> None:
    """metadata.name and metadata.namespace select; another field is refused with words."""
    kubectl("apply", "-f", "-", stdin=RULE)
    name = "destinationrule.networking.istio.io/reviews\n"
    assert kubectl("get", "dr", "--field-selector=metadata.name=reviews", "-o", "name").out == name
    assert kubectl("get", "dr", "--field-selector=metadata.name!=reviews", "-o", "name").out == ""
    assert "spec.host" in kubectl("get", "dr", "--field-selector=spec.host=reviews", code=1).err


BASE = """
resources: [service.yaml, rule.yaml]
"""
OVERLAY = """
resources: [../base]
namespace: NAMESPACE
commonAnnotations: {team: shop}
labels: [{pairs: {set: kustomized}}]
configMapGenerator: [{name: settings, literals: [a=b]}]
patches:
- target: {kind: DestinationRule, name: reviews}
  patch: '[{"op": "add", "path": "/spec/trafficPolicy", "value": {"loadBalancer": {"simple": "RANDOM"}}}]'
- patch: |
    apiVersion: v1
    kind: Service
    metadata: {name: reviews}
    spec: {ports: [{port: 9090, name: http-b}]}
"""


def kustomization(kubectl: Kubectl) -> str:
    """A base and an overlay; the overlay's folder."""
    folder = kubectl.api.home / kubectl.namespace
    for place, files in {
        "base": {"kustomization.yaml": BASE, "service.yaml": SERVICE, "rule.yaml": RULE},
        "overlay": {"kustomization.yaml": OVERLAY.replace("NAMESPACE", kubectl.namespace)},
    }.items():
        (folder / place).mkdir(parents=True)
        for name, text in files.items():
            (folder / place / name).write_text(text)
    return str(folder / "overlay")


@pytest.mark.parametrize("how", [(), ("--server-side",)])
def test_a_kustomization(kubectl: Kubectl, how: tuple[str, ...]) -> None:
    """A base with an overlay of patches, labels and generated names is applied, unchanged then, compared, and deleted."""
    folder = kustomization(kubectl)
    first = kubectl("apply", "-k", folder, *how).out
    assert len(first.splitlines()) == 3
    look = ("get", "svc,dr,cm", "-l", "set=kustomized", "-o", "jsonpath={.items[*].metadata.resourceVersion}")
    versions = kubectl(*look).out
    assert len(versions.split()) == 3
    kubectl("apply", "-k", folder, *how)
    assert kubectl(*look).out == versions
    assert kubectl("diff", "-k", folder, *how).out == ""
    assert kubectl("get", "dr", "reviews", "-o", "jsonpath={.spec.trafficPolicy.loadBalancer.simple}").out == "RANDOM"
    assert kubectl("get", "svc", "reviews", "-o", "jsonpath={.spec.ports[?(@.port==9090)].name}").out == "http-b"
    assert len(kubectl("delete", "-k", folder).out.splitlines()) == 3


def test_a_gitops_controller_corrects_a_drift(kubectl: Kubectl) -> None:
    """As Flux and Argo CD do: a dry run on the server tells the difference, an apply with force takes back what a hand changed,
    what the hand added beside stays, and objects that left the set are found by their label."""
    controller = ("--server-side", "--field-manager=kustomize-controller", "--force-conflicts", "-f", "-")
    labelled = RULE.replace("{name: reviews}", "{name: reviews, labels: {set: flux}}")
    kubectl("apply", *controller, stdin=labelled + "---" + labelled.replace("name: reviews", "name: more"))
    drift = '{"spec": {"host": "drifted"}, "metadata": {"labels": {"by": "hand"}}}'
    kubectl("patch", "dr", "reviews", "--type=merge", "-p", drift)
    dry = json.loads(kubectl("apply", *controller, "--dry-run=server", "-o", "json", stdin=labelled).out)
    assert (dry["spec"]["host"], dry["metadata"]["labels"]) == ("reviews", {"set": "flux", "by": "hand"})
    assert kubectl("get", "dr", "reviews", "-o", "jsonpath={.spec.host}").out == "drifted"
    kubectl("apply", *controller, stdin=labelled)
    assert kubectl("get", "dr", "reviews", "-o", "jsonpath={.spec.host}").out == "reviews"
    assert managers(kubectl) == {"kustomize-controller": "Apply", "kubectl-patch": "Update"}
    kubectl("delete", "dr", "-l", "set=flux", "--field-selector=metadata.name!=reviews")
    assert kubectl("get", "dr", "-o", "name").out == "destinationrule.networking.istio.io/reviews\n"
