"""The real kubectl against the API in a process of its own."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from controlplane.api.running_api import MANIFESTS, Done, RunningApi, running_api

from processes.calls import needs

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: reviews, labels: {app: reviews}}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}, {name: grpc, port: 9090}]}
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews}
"""


pytestmark = needs("kubectl")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """One API for all tests of this file, each of which has a namespace of its own."""
    with running_api(tmp_path_factory.mktemp("api")) as running:
        yield running


class Kubectl:
    """kubectl in a namespace."""

    def __init__(self, api: RunningApi, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    def __call__(self, *arguments: str, stdin: str = "", code: int | None = 0, **environment: str) -> Done:
        """Runs it."""
        place = ("-n", self.namespace) if self.namespace else ()
        return self.api.run("kubectl", *place, *arguments, stdin=stdin, code=code, **environment)


@pytest.fixture
def kubectl(api: RunningApi) -> Kubectl:
    """kubectl in a new namespace."""
    made = Kubectl(api, f"test-{uuid4().hex[:8]}")
    made("create", "namespace", made.namespace)
    return made


def test_the_given_manifests_are_accepted(api: RunningApi) -> None:
    """Each manifest is applied as it stands, is unchanged the second time, and can be deleted."""
    kubectl = Kubectl(api, "")
    for file in sorted(MANIFESTS.glob("*.yaml")):
        assert re.search(r"(created|configured)", kubectl("apply", "-f", str(file)).out)
        assert set(re.findall(r"\w+$", kubectl("apply", "-f", str(file)).out, re.MULTILINE)) == {"unchanged"}
    wide = kubectl("get", "vs,gw,dr,pa", "-A", "-o", "wide").out
    assert re.search(r"default +virtualservice.networking.istio.io/reviews +\[\"reviews\"\]", wide)
    assert re.search(r"istio-system +gateway.networking.istio.io/core-gateway +\d+s +\{\"istio\":\"ingressgateway\"\}", wide)
    for file in sorted(MANIFESTS.glob("*.yaml")):
        kubectl("delete", "--ignore-not-found", "-f", str(file))


def test_apply_from_standard_input_diff_and_edit(kubectl: Kubectl) -> None:
    """An object is applied, compared, changed and edited, core kinds and others alike."""
    for manifest, old, new in ((SERVICE, "9080", "9081"), (RULE, "host: reviews", "host: ratings")):
        assert "created" in kubectl("apply", "-f", "-", stdin=manifest).out
        changed = manifest.replace(old, new)
        assert kubectl("diff", "-f", "-", stdin=manifest).out == ""
        shown = kubectl("diff", "-f", "-", stdin=changed, code=1).out
        assert re.search(rf"^-.*{old}$", shown, re.MULTILINE)
        assert re.search(rf"^\+.*{new}$", shown, re.MULTILINE)
        assert "configured (server dry run)" in kubectl("apply", "--dry-run=server", "-f", "-", stdin=changed).out
        assert "configured" in kubectl("apply", "-f", "-", stdin=changed).out
        kind = "svc" if manifest is SERVICE else "dr"
        editor = kubectl.api.editor(new, old)
        assert "edited" in kubectl("edit", kind, "reviews", EDITOR=editor, KUBE_EDITOR=editor).out
        assert kubectl("diff", "-f", "-", stdin=manifest, code=None).code == 0 or kind == "dr"


def test_an_edit_that_is_wrong_is_not_saved(kubectl: Kubectl) -> None:
    """kubectl shows the cause in its editor, and the object stays."""
    kubectl("apply", "-f", "-", stdin=RULE)
    editor = kubectl.api.editor("host: reviews", "hots: reviews")
    refused = kubectl("edit", "dr", "reviews", code=1, EDITOR=editor, KUBE_EDITOR=editor)
    assert 'destinationrules.networking.istio.io "reviews" is invalid' in refused.err
    assert "host: reviews" in kubectl("get", "dr", "reviews", "-o", "yaml").out


def test_mistakes_are_named_with_their_fields(kubectl: Kubectl) -> None:
    """All causes are printed with their field paths, warnings as warnings, and nothing is written."""
    wrong = RULE.replace("{host: reviews}", "{host: unheard-of, hots: 1, trafficPolicy: {loadBalancer: {simple: FOO}}}")
    refused = kubectl("apply", "-f", "-", stdin=wrong, code=1).err
    assert "* spec.hots: unknown-field" in refused
    assert "* spec.trafficPolicy.loadBalancer.simple: invalid-value" in refused
    assert "Warning:" in refused
    assert "not found" in kubectl("get", "dr", "reviews", code=1).err


def test_a_file_of_several_with_one_wrong(kubectl: Kubectl) -> None:
    """kubectl applies object by object: the good one is there, the wrong one is named."""
    done = kubectl("apply", "-f", "-", stdin=SERVICE + "---" + RULE.replace("host", "hots"), code=1)
    assert "service/reviews created" in done.out
    assert 'The DestinationRule "reviews" is invalid' in done.err


def test_get_in_every_form(kubectl: Kubectl) -> None:
    """Tables, names, YAML, JSON, JSON paths, selectors."""
    kubectl("apply", "-f", "-", stdin=SERVICE)
    assert re.search(r"reviews +ClusterIP +9080,9090 ", kubectl("get", "services").out)
    assert kubectl("get", "svc", "-l", "app=reviews", "-o", "name").out == "service/reviews\n"
    assert "No resources found" in kubectl("get", "svc", "-l", "app=other").err
    assert json.loads(kubectl("get", "svc", "reviews", "-o", "json").out)["spec"]["selector"] == {"app": "reviews"}
    assert kubectl("get", "svc", "reviews", "-o", "jsonpath={.spec.ports[1].port}").out == "9090"
    assert kubectl("get", "svc", "--chunk-size=1", "-A", "-o", "name").code == 0


def test_describe(kubectl: Kubectl) -> None:
    """Services and Istio's kinds are described."""
    kubectl("apply", "-f", "-", stdin=SERVICE + "---" + RULE)
    assert re.search(r"Port: +http +9080/TCP", kubectl("describe", "svc", "reviews").out)
    assert re.search(r"Host: +reviews", kubectl("describe", "dr", "reviews").out)
    assert re.search(r"Status: +Active", kubectl("describe", "ns", kubectl.namespace).out)


def test_explain(kubectl: Kubectl) -> None:
    """Fields of a kind are explained out of its schema."""
    told = kubectl("explain", "virtualservice.spec.http.route").out
    assert "destination\t<Object> -required-" in told
    assert "KIND:       Service" in kubectl("explain", "svc.spec.ports").out


def test_pods_are_told_to_be_processes(kubectl: Kubectl) -> None:
    """`kubectl get pods` says what to use."""
    for arguments in (("get", "pods"), ("get", "po", "-A"), ("get", "deployments"), ("describe", "pod", "x")):
        assert "use weft ps" in kubectl(*arguments, code=1).err


def test_label_patch_and_delete(kubectl: Kubectl) -> None:
    """Objects are labelled, patched in three ways, and deleted; kubectl waits until they are gone."""
    kubectl("apply", "-f", "-", stdin=SERVICE + "---" + RULE)
    kubectl("label", "dr", "reviews", "tier=front")
    kubectl("patch", "dr", "reviews", "--type=merge", "-p", '{"spec": {"host": "a"}}')
    kubectl("patch", "dr", "reviews", "--type=json", "-p", '[{"op": "replace", "path": "/spec/host", "value": "b"}]')
    kubectl("patch", "svc", "reviews", "-p", '{"spec": {"ports": [{"port": 9091, "name": "more"}]}}')
    assert kubectl("get", "svc", "reviews", "-o", "jsonpath={.spec.ports[*].port}").out.split() == ["9080", "9090", "9091"]
    assert kubectl("get", "dr", "-l", "tier=front", "-o", "jsonpath={.items[0].spec.host}").out == "b"
    assert "deleted" in kubectl("delete", "dr", "--all").out
    assert "not found" in kubectl("delete", "dr", "reviews", code=1).err
    kubectl("delete", "ns", kubectl.namespace)
    assert "not found" in kubectl("get", "ns", kubectl.namespace, code=1).err


def test_create_and_replace(kubectl: Kubectl) -> None:
    """kubectl's own creators, which speak protobuf, work too."""
    kubectl("create", "service", "clusterip", "made", "--tcp=80:8080")
    kubectl("create", "configmap", "made", "--from-literal=a=b")
    kubectl("create", "secret", "generic", "made", "--from-literal=a=b")
    assert kubectl("get", "secret", "made", "-o", "jsonpath={.data.a}").out == "Yg=="
    kubectl("create", "-f", "-", stdin=RULE)
    assert "AlreadyExists" in kubectl("create", "-f", "-", stdin=RULE, code=1).err
    kubectl("replace", "-f", "-", stdin=RULE.replace("{host: reviews}", "{host: ratings}"))


def test_a_missing_namespace_is_named(api: RunningApi) -> None:
    """An object in a namespace that does not exist is refused with the namespace's name."""
    refused = Kubectl(api, "nowhere")("apply", "-f", "-", stdin=RULE, code=1)
    assert 'namespaces "nowhere" not found' in refused.err


def test_a_watch_goes_on(kubectl: Kubectl) -> None:
    """`kubectl get -w` prints changes as they come."""
    out = kubectl.api.home / f"watch-{kubectl.namespace}"
    kubectl("apply", "-f", "-", stdin=RULE)
    with out.open("w") as file:
        watching = subprocess.Popen(
            ["kubectl", "--kubeconfig", str(kubectl.api.kubeconfig), "-n", kubectl.namespace, "get", "dr", "-w"], stdout=file
        )
        try:
            assert _appears(out, "reviews   reviews")
            kubectl("patch", "dr", "reviews", "--type=merge", "-p", '{"spec": {"host": "ratings"}}')
            assert _appears(out, "reviews   ratings")
        finally:
            watching.terminate()
            watching.wait(10)


def _appears(path: Path, text: str) -> bool:
    deadline = time.monotonic() + 10
    while text not in path.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    return text in path.read_text()
