"""`weft apply|get|describe|edit|delete` against the API, weft's own and one that is plain Kubernetes to them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from controlplane.api.running_api import MANIFESTS, Done, RunningApi, running_api
from typer.testing import CliRunner

from weft.cli.main import app

RULE = """apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
spec:
  host: reviews
"""
SERVICE = """apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {ports: [{name: http, port: 9080}]}
"""


class Weft:
    """The command, in a namespace."""

    def __init__(self, api: RunningApi, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    def __call__(self, command: str, *arguments: str, stdin: str = "", code: int = 0, **environment: str) -> Done:
        """Runs it in this process; it must end with `code`."""
        place = ["--kubeconfig", str(self.api.kubeconfig), "-n", self.namespace]
        done = CliRunner().invoke(app, [command, *arguments, *place], input=stdin, env=environment, catch_exceptions=False)
        assert done.exit_code == code, done.output
        return Done(done.exit_code, done.stdout, done.stderr)


def test_a_misspelt_kind_names_the_right_one(weft: Weft) -> None:
    """The closest kind is offered; where none is close, all are."""
    assert "did you mean virtualservice?" in weft("get", "virtualservce", code=1).err
    assert "kinds are " in weft("get", "zzz", code=1).err


def test_who_set_which_field_is_not_shown(weft: Weft) -> None:
    """As with kubectl, which leaves it out unless it is asked for."""
    weft("apply", "-f", "-", "--allow-unresolved", stdin=RULE)
    assert "managedFields" not in weft("get", "dr", "reviews", "-o", "yaml").out


@pytest.fixture(scope="module")
def apis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunningApi]]:
    """Weft's API and one that says it is Kubernetes."""
    with running_api(tmp_path_factory.mktemp("weft")) as ours, running_api(tmp_path_factory.mktemp("plain"), ["plain"]) as plain:
        yield {"weft": ours, "plain": plain}


@pytest.fixture(params=["weft", "plain"])
def any_api(request: pytest.FixtureRequest, apis: dict[str, RunningApi]) -> Weft:
    """Each of the two, in a new namespace."""
    return made(apis[request.param])


@pytest.fixture
def weft(apis: dict[str, RunningApi]) -> Weft:
    """Weft's own API, in a new namespace."""
    return made(apis["weft"])


def made(api: RunningApi) -> Weft:
    """The command in a new namespace, which it applies."""
    namespace = f"test-{uuid4().hex[:8]}"
    Weft(api, "default")("apply", "-f", "-", stdin=f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}")
    return Weft(api, namespace)


def test_the_given_manifests_are_accepted(any_api: Weft) -> None:
    """The folder of manifests is applied as it stands."""
    here = Weft(any_api.api, "istio-system")
    for file in sorted(MANIFESTS.glob("*.yaml")):
        namespace = "istio-system" if "gateway" in file.name else "default"
        done = Weft(any_api.api, namespace)("apply", "-f", str(file), "--allow-unresolved")
        assert "created" in done.out or "configured" in done.out or "unchanged" in done.out
    assert "core-gateway" in here("get", "gw").out


def test_apply_get_describe_edit_delete(any_api: Weft) -> None:
    """The life of a resource."""
    assert any_api("apply", "-f", "-", stdin=RULE + "---\n" + SERVICE).out.splitlines() == [
        "destinationrule.networking.istio.io/reviews created",
        "service/reviews created",
    ]
    assert any_api("apply", "-f", "-", stdin=RULE).out == "destinationrule.networking.istio.io/reviews unchanged\n"
    assert any_api("get", "dr").out.splitlines()[0].split() == ["NAME", "HOST", "AGE"]
    assert json.loads(any_api("get", "dr/reviews", "-o", "json").out)["spec"] == {"host": "reviews"}
    assert any_api("get", "svc", "-o", "name").out == "service/reviews\n"
    assert "host: reviews" in any_api("describe", "dr", "reviews").out
    assert "edited" in any_api("edit", "dr", "reviews", EDITOR=any_api.api.editor("host: reviews", "host: ratings")).out
    assert "ratings" in any_api("get", "dr", "reviews").out
    assert "deleted" in any_api("delete", "-f", "-", stdin=RULE).out
    assert "not found" in any_api("get", "dr", "reviews", code=1).err
    assert "not found" in any_api("delete", "dr", "reviews", code=1).err
    any_api("delete", "dr", "reviews", "--ignore-not-found")


def test_one_wrong_resource_stops_all(any_api: Weft, tmp_path: Path) -> None:
    """Nothing of a file with one error is applied; the error has its file, line and field."""
    file = tmp_path / "mesh.yaml"
    file.write_text(SERVICE + "---\n" + RULE.replace("  host:", "  hots: 1\n  host:"))
    refused = any_api("apply", "-f", str(file), code=1)
    assert f"{file}:11:" in refused.err
    assert "spec.hots" in refused.err
    assert "nothing was applied" in refused.err
    assert "not found" in any_api("get", "svc", "reviews", code=1).err


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a: [", ":2:", "yaml-syntax"),
        ("apiVersion: v1\nkind: Nonsense\nmetadata: {name: a}\n", ":1:", "unknown-kind"),
        (RULE.replace("host: reviews", "host: [1]"), ":6:", "wrong-type"),
        (RULE.replace("name: reviews", "name: Reviews!"), ":4:", "invalid-value"),
        (RULE.replace("name: reviews", "name: reviews\n  namespace: nowhere"), ":5:", "missing-namespace"),
    ],
)
def test_a_mistake_is_told_with_its_place(apis: dict[str, RunningApi], tmp_path: Path, text: str, place: str, said: str) -> None:
    """What is wrong stands behind file and line, with a code."""
    (tmp_path / "a.yaml").write_text(text)
    command = (sys.executable, "-m", "weft.cli.main", "apply", "-f", str(tmp_path), "--kubeconfig", str(apis["weft"].kubeconfig))
    refused = apis["weft"].run(*command, code=1)
    assert f"a.yaml{place} error {said}" in refused.err


def test_a_reference_to_nothing_is_refused_unless_allowed(weft: Weft) -> None:
    """A host that does not exist stops `weft apply`, with the way to insist."""
    wrong = RULE.replace("host: reviews", "host: unheard-of")
    refused = weft("apply", "-f", "-", stdin=wrong, code=1)
    assert "-:6: error unknown-host: there is no service unheard-of" in refused.err
    assert "  hint: make\n" in refused.err
    assert "--allow-unresolved" in refused.err
    assert "created" in weft("apply", "-f", "-", "--allow-unresolved", stdin=wrong).out


def test_a_dry_run_writes_nothing(any_api: Weft) -> None:
    """`--dry-run` says what would happen."""
    assert "(dry run)" in any_api("apply", "-f", "-", "--dry-run", stdin=RULE).out
    assert "not found" in any_api("get", "dr", "reviews", code=1).err


def test_a_wrong_edit_keeps_its_text(weft: Weft) -> None:
    """A refused edit says what is wrong and where the text is."""
    weft("apply", "-f", "-", stdin=RULE)
    refused = weft("edit", "dr", "reviews", code=1, EDITOR=weft.api.editor("host: reviews", "hots: reviews"))
    assert "unknown-field" in refused.err
    kept = Path(refused.err.rsplit("your text is in ", 1)[1].strip())
    assert "hots: reviews" in kept.read_text()
    kept.unlink()


def test_pods_are_told_to_be_processes(weft: Weft) -> None:
    """A kind of Kubernetes that a mesh does not have is answered by the server; one that nobody has by the list of kinds."""
    assert "use weft ps" in weft("get", "pods", code=1).err
    assert "kinds are" in weft("get", "nonsense", code=1).err


def test_no_proxy_variable_leads_away(weft: Weft) -> None:
    """The variables by which programs find a proxy do not affect weft's client."""
    assert weft("get", "ns", HTTPS_PROXY="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9").out


def test_a_server_that_is_gone_is_named(weft: Weft, tmp_path: Path) -> None:
    """An address where nobody answers, and a file that is no kubeconfig, are told as such."""
    document = json.loads(weft.api.kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "kubeconfig").write_text(json.dumps(document))
    gone = Weft(RunningApi(tmp_path), "default")
    assert "https://127.0.0.1:9 does not answer" in gone("get", "ns", code=1).err
    (tmp_path / "kubeconfig").write_text("text")
    assert "is not a kubeconfig" in gone("get", "ns", code=1).err
    (tmp_path / "kubeconfig").unlink()
    assert "cannot read" in gone("get", "ns", code=1).err
