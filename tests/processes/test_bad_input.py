"""What is wrong is refused with its place and a hint, nothing of its file is applied, and the mesh goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

import pytest

from processes.calls import kubectl, needs
from processes.mesh import RunningMesh, running_mesh

MESH = """
services:
  client: {command: sleep 100000}
  reviews: {command: weft echo, x-weft: {version: v1, ports: [{name: http, port: 9080}]}}
"""
HEAD = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
"""
FINE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: fine}
spec: {host: reviews}
"""


@dataclass(frozen=True)
class Wrong:
    """A file, and what must be said of it. `by_kubectl`: what kubectl says; empty: the same message without the place, or, where
    `warned`, the same as a warning of a resource that is accepted."""

    text: str
    line: int
    code: str
    field: str
    message: str
    hint: str
    by_kubectl: str = ""
    warned: bool = False


INPUT = {
    "broken YAML": Wrong(
        HEAD + "  http: [{route: [{destination: {host: reviews}}]\n", 7, "yaml-syntax", "", "not YAML", "bracket", "error parsing"
    ),
    "a tab": Wrong(HEAD + "\thttp: []\n", 6, "yaml-syntax", "", "not YAML", "tab", "error parsing"),
    "an unknown kind": Wrong(
        FINE.replace("DestinationRule", "DestinationRul"),
        1,
        "unknown-kind",
        "",
        "does not know",
        "did you mean DestinationRule",
        'no matches for kind "DestinationRul"',
    ),
    "a kind that is none of a mesh": Wrong(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n",
        1,
        "unknown-kind",
        "",
        "does not know",
        "",
        "weft has no jobs",
    ),
    "a wrong type": Wrong(
        HEAD + "  http:\n  - route: {destination: {host: reviews}}\n",
        7,
        "wrong-type",
        "spec.http[0].route",
        "a list is expected",
        "dash",
    ),
    "a number for a duration": Wrong(
        HEAD + "  http:\n  - route: [{destination: {host: reviews}}]\n    timeout: 5\n",
        8,
        "wrong-type",
        "spec.http[0].timeout",
        "a duration is expected",
        "write 5s",
    ),
    "an unknown field": Wrong(
        HEAD + "  http:\n  - route: [{destination: {host: reviews}}]\n    retires: {attempts: 3}\n",
        8,
        "unknown-field",
        "spec.http[0].retires",
        "there is no field retires",
        "did you mean retries",
    ),
    "weights that miss a hundred": Wrong(
        HEAD
        + "  http:\n  - route:\n    - {destination: {host: reviews}, weight: 80}\n"
        + "    - {destination: {host: reviews}, weight: 30}\n",
        7,
        "weight-total",
        "spec.http[0].route",
        "the weights add up to 110, not 100",
        "write 73, 27",
        warned=True,
    ),
    "weights that nobody has": Wrong(
        HEAD
        + "  http:\n  - route:\n    - {destination: {host: reviews}, weight: 0}\n"
        + "    - {destination: {host: reviews}, weight: 0}\n",
        7,
        "weight-sum",
        "spec.http[0].route",
        "add up to 0",
        "write 50, 50",
    ),
    "a missing subset": Wrong(
        HEAD + "  http:\n  - route: [{destination: {host: reviews, subset: v1}}]\n",
        7,
        "unknown-subset",
        "spec.http[0].route[0].destination.subset",
        "has no subset v1",
        "kind: DestinationRule",
        by_kubectl='"kind": "DestinationRule"',
        warned=True,
    ),
    "a missing host": Wrong(
        HEAD + "  http:\n  - route: [{destination: {host: revews}}]\n",
        7,
        "unknown-host",
        "spec.http[0].route[0].destination.host",
        "there is no service",
        "did you mean reviews.default",
        warned=True,
    ),
    "a key that stands twice": Wrong(
        HEAD + "  http:\n  - route: [{destination: {host: reviews}}]\n  hosts: [other]\n",
        8,
        "yaml-duplicate-key",
        "spec.hosts",
        "stands twice",
        "line 5",
        by_kubectl="created",
        warned=True,
    ),
    "a missing namespace": Wrong(
        FINE.replace("name: fine", "name: fine, namespace: nowhere"),
        3,
        "missing-namespace",
        "metadata.namespace",
        "there is no namespace nowhere",
        "create namespace",
        'namespaces "nowhere" not found',
    ),
    "an expression that Envoy refuses": Wrong(
        HEAD + "  http:\n  - match: [{uri: {regex: '/a(?=b)'}}]\n    route: [{destination: {host: reviews}}]\n",
        7,
        "invalid-value",
        "spec.http[0].match[0].uri.regex",
        "RE2 has no look-ahead",
        "RE2",
    ),
    "a header name that Envoy refuses": Wrong(
        HEAD + "  http:\n  - route: [{destination: {host: reviews}}]\n    headers: {request: {set: {'a b': c}}}\n",
        8,
        "invalid-value",
        "spec.http[0].headers.request.set",
        "a b",
        "",
    ),
    "one error among several documents": Wrong(
        FINE + "---\n" + HEAD + "  http:\n  - route: [{destination: {host: reviews}}]\n    timeout: soon\n",
        13,
        "invalid-value",
        "spec.http[0].timeout",
        "'soon' is not a duration",
        "write it as in 5s",
    ),
}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


@pytest.fixture(autouse=True)
def _clean(mesh: RunningMesh) -> Iterator[None]:
    """What a test applied is deleted; the mesh serves."""
    yield
    for kind, name in applied(mesh):
        mesh.weft("delete", kind, name)
    assert mesh.call("http://reviews:9080/").status == 200


def applied(mesh: RunningMesh) -> list[tuple[str, str]]:
    """The resources of the mesh."""
    with mesh.api() as api:
        kinds = ("virtualservices", "destinationrules")
        listed = {kind: api.get(f"/apis/networking.istio.io/v1/namespaces/default/{kind}")["items"] for kind in kinds}
    return [(kind, each["metadata"]["name"]) for kind, items in listed.items() for each in items]


@pytest.mark.parametrize("name", INPUT)
def test_weft_apply_refuses_it_whole(mesh: RunningMesh, name: str) -> None:
    """The command fails and says file, line, field, what and a hint; nothing of the file is applied."""
    wrong = INPUT[name]
    (mesh.folder / "wrong.yaml").write_text(wrong.text)
    done = mesh.weft("apply", "-f", "wrong.yaml", code=1)
    place, _, told = done.err.partition(f"wrong.yaml:{wrong.line}: error {wrong.code}: ")
    assert not place, done.err
    for part in (wrong.message, wrong.field, "nothing was applied"):
        assert part in told
    if wrong.hint:
        assert wrong.hint in told.partition("  hint: ")[2]
    assert done.out == ""
    assert applied(mesh) == []


@needs("kubectl")
@pytest.mark.parametrize("name", INPUT)
def test_kubectl_is_told_the_same(mesh: RunningMesh, name: str) -> None:
    """kubectl prints field, message and hint as an error, or as a warning where it is accepted until what is missing comes."""
    wrong = INPUT[name]
    done = kubectl(mesh, "apply", "-f", "-", stdin=wrong.text, code=0 if wrong.warned else 1)
    told = done.out + done.err
    for part in [wrong.by_kubectl] if wrong.by_kubectl else [wrong.message, wrong.field, wrong.hint]:
        assert part in told, told
    if wrong.warned and wrong.code.startswith("unknown"):
        assert f"Warning: VirtualService default/reviews {wrong.field}: {wrong.code}" in done.err


def test_references_are_accepted_when_insisted_upon(mesh: RunningMesh) -> None:
    """`--allow-unresolved` applies what refers to nothing yet, and warns."""
    told = mesh.weft("apply", "--allow-unresolved", "-f", "-", stdin=INPUT["a missing host"].text)
    assert "-:7: warning unknown-host" in told.err
    assert applied(mesh) == [("virtualservices", "reviews")]
    mesh.until(lambda: mesh.call("http://reviews:9080/").status in (500, 503), 5)
    mesh.weft("delete", "virtualservice", "reviews")
    mesh.until(lambda: mesh.call("http://reviews:9080/").status == 200, 5)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n---\n"])
def test_an_empty_file_is_an_error(mesh: RunningMesh, text: str) -> None:
    """A file without a resource is most often the wrong file."""
    (mesh.folder / "empty.yaml").write_text(text)
    assert "there is no resource in empty.yaml" in mesh.weft("apply", "-f", "empty.yaml", code=1).err


def test_a_file_that_is_not_there(mesh: RunningMesh) -> None:
    """A missing file and a file that is no text are said so, without a traceback."""
    assert "absent.yaml" in mesh.weft("apply", "-f", "absent.yaml", code=1).err
    (mesh.folder / "binary.yaml").write_bytes(bytes(range(256)))
    told = mesh.weft("apply", "-f", "binary.yaml", code=1).err
    assert "binary.yaml" in told
    assert "Traceback" not in told


def test_a_folder_with_one_bad_file_is_not_applied(mesh: RunningMesh) -> None:
    """All files of a folder are applied, or none is."""
    folder = mesh.folder / "several"
    folder.mkdir()
    (folder / "a.yaml").write_text(FINE)
    (folder / "b.yaml").write_text(INPUT["weights that nobody has"].text)
    assert "several/b.yaml:7: error weight-sum" in mesh.weft("apply", "-f", "several", code=1).err
    assert applied(mesh) == []
    (folder / "b.yaml").unlink()
    mesh.weft("apply", "-f", "several")
    assert applied(mesh) == [("destinationrules", "fine")]


def test_every_mistake_of_a_file_is_said_at_once(mesh: RunningMesh) -> None:
    """One run shows them all, in the order of their lines."""
    text = dedent(
        """\
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: reviews}
        spec:
          hosts: reviews
          http:
          - route: [{destination: {host: reviews, port: 9080}}]
            timeout: 5
        ---
        apiVersion: networking.istio.io/v1
        kind: Destinationrule
        """
    )
    lines = [line for line in mesh.weft("apply", "-f", "-", stdin=text, code=1).err.splitlines() if line.startswith("-:")]
    assert [line.split(":")[1] for line in lines] == ["5", "7", "8", "10"]
