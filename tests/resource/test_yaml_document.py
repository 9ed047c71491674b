"""YAML with lines: what is read, where it stands, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.resource.decode import decode
from weft.resource.yaml_document import DEEPEST, documents
from weft.resource.yaml_scalar import scalar

FILE = """# reviews
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts:
  - reviews
  http:
  - route:
    - destination:
        host: reviews
      weight: 80
    - destination: {host: reviews, subset: v2}
      weight: 10

---
# nothing here
---
apiVersion: v1
kind: Service
metadata:
  name: reviews
spec:
  portz: []
"""


def test_each_document_begins_where_it_stands() -> None:
    """Comments and empty documents are no resources, and count as lines."""
    found, problems = documents(FILE, "a.yaml")
    assert not problems
    assert [(document.raw["kind"], document.line) for document in found] == [("VirtualService", 2), ("Service", 20)]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("spec", 6), ("spec.hosts[0]", 8), ("spec.http[0].route", 10), ("spec.http[0].route[0].weight", 13),
        ("spec.http[0].route[1].destination.subset", 14), ("spec.http[0].timeout", 10), ("spec.nothing.at[3].all", 6), ("", 2),
    ],
)  # fmt: skip
def test_a_field_has_a_line(path: str, line: int) -> None:
    """That of its key, or of the nearest field above when it is not there."""
    assert documents(FILE, "a.yaml")[0][0].line_of(path) == line


def test_a_finding_names_file_and_line() -> None:
    """Every finding about a document is located in it."""
    found = [document.located(one) for document in documents(FILE, "a.yaml")[0] for one in decode(document.raw).findings]
    assert [(one.code, one.file, one.line) for one in found] == [
        ("weight-total", "a.yaml", 10),
        ("unknown-field", "a.yaml", 25),
        ("missing-field", "a.yaml", 24),
    ]


def test_a_list_is_its_items() -> None:
    """Each item of a List is a document with lines of its own."""
    text = "apiVersion: v1\nkind: List\nitems:\n- kind: Service\n  spec:\n    ports: []\n- kind: Namespace\n- 5\n"
    found, problems = documents(text, "list.yaml")
    assert [(document.raw["kind"], document.line, document.line_of("spec.ports")) for document in found] == [
        ("Service", 4, 6),
        ("Namespace", 7, 7),
    ]
    assert [(problem.code, problem.line) for problem in problems] == [("wrong-type", 8)]


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("a:\n\tb: 2\n", 2, "indent with spaces: there is a tab"),
        ("a: 1\n\tb: 2\n", 2, "indent with spaces: there is a tab"),
        ("kind Service\nmetadata:\n  name: x\n", 2, "a colon is missing: kind: Service"),
        ("a: b\nkind:Service\nmetadata: 5\n", 2, "a space is needed after the colon: kind: Service"),
        ("a: b: c\n", 1, "put the text in quotes: it has a colon in it"),
        ("a:\n  b: 1\n   c: 2\n", 3, "it is indented deeper than 'b: 1', which has a value of its own: check the indentation"),
        ("a:\n    b: 1\n  c: 2\n", 3, "it is not indented like the lines above it, or a quote in it is not closed"),
        ("a: 'x\n", 2, "a quote is opened and not closed"),
        ("a: [1, 2\nb: 3\n", 2, "a bracket or brace is opened and not closed, or a comma is missing"),
        ("a: @x\n", 1, "put the text in quotes: it may not begin with @"),
        ("hosts: *\n", 1, "a text that begins with * or & needs quotes: '*'"),
        ("hosts: *all\n", 1, "a text that begins with * needs quotes: '*'"),
        ("a: - b\n", 1, "begin a list on a line of its own, below its key"),
        ("a: !!python/object:os.system x\n", 1, "a text that begins with ! needs quotes"),
        ("? {a: b}\n: c\n", 1, "put it in quotes"),
        ("a: \x01\n", 1, "the file holds bytes that are not text"),
    ],
)
def test_a_syntax_error_comes_with_its_likely_cause(text: str, line: int, hint: str) -> None:
    """Tabs, colons, spaces, quotes, indentation: the line and what to do."""
    _, (found,) = documents(text, "x.yaml")
    assert (found.code, found.line, found.hint) == ("yaml-syntax", line, hint)


def test_one_broken_document_does_not_hide_the_others() -> None:
    """What stands before and after it is read."""
    found, (problem,) = documents("%YAML 1.1\n---\na: 1\n---\nb: [\n---\nc: 3\n", "x.yaml")
    assert [dict(document.raw) for document in found] == [{"a": 1}, {"c": 3}]
    assert problem.line == 6


def test_a_key_that_stands_twice_is_an_error() -> None:
    """The second is found, with the line of the first; YAML itself would let the last win."""
    _, (found,) = documents("kind: Service\nmetadata:\n  name: a\n  name: b\n", "x.yaml")
    assert (found.code, found.line, found.ref.field, found.hint) == (
        "yaml-duplicate-key", 4, "metadata.name", "the first is on line 3: keep one of them"
    )  # fmt: skip


def test_aliases_cannot_grow_without_bound() -> None:
    """Ten levels of ten aliases each are refused before they are made."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{this}: &{this} [{', '.join([f'*{last}'] * 10)}]" for last, this in zip("abcdefghi", "bcdefghij", strict=True)]
    found, (problem,) = documents("\n".join(lines), "bomb.yaml")
    assert not found
    assert (problem.code, problem.message) == ("yaml-too-large", "its aliases expand to too much")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5_000, "- " * 5_000, "a: " + "[" * (DEEPEST + 1)])
def test_nesting_has_an_end(text: str) -> None:
    """Deep nesting is a finding, not a crash of the parser."""
    _, problems = documents(text, "deep.yaml")
    assert problems[0].code in ("yaml-too-large", "yaml-syntax")


def test_anchors_and_merge_keys_work() -> None:
    """As people use them to repeat a block; what stands beside the merge wins."""
    (found,), problems = documents("x: &a {p: 1, q: 2}\ny: *a\nz: {<<: *a, q: 3}\n", "x.yaml")
    assert not problems
    assert dict(found.raw) == {"x": {"p": 1, "q": 2}, "y": {"p": 1, "q": 2}, "z": {"p": 1, "q": 3}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10:30", "10:30"), ("2020-01-01", "2020-01-01"), ("0x1F", 31), ("010", 8), ("0o10", 8), ("1_000", 1000), ("-5", -5),
        ("1.10", 1.1), ("1e3", 1000.0), (".5", 0.5), ("1.2.3", "1.2.3"), ("v1", "v1"), ("yes", True), ("Off", False), ("~", None),
        ("", None), (".inf", ".inf"), ("-", "-"), ("089", "089"), ("9" * 50, "9" * 50), ("0x", "0x"), ("+1", 1), ("_1", "_1"),
    ],
)  # fmt: skip
def test_plain_scalars_are_kubernetes_own(text: str, value: object) -> None:
    """YAML 1.1 without dates and base-60 numbers."""
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_keys_are_texts() -> None:
    """A port as a key is a string in JSON; `on` is the key true, as kubectl has it."""
    (found,), _ = documents('8080: a\non: b\n"on": c\n', "x.yaml")
    assert dict(found.raw) == {"8080": "a", "true": "b", "on": "c"}


def test_what_is_no_mapping_is_no_resource() -> None:
    """A text and a list are told what a resource is."""
    for text, hint in (("kind:Service", "a space is needed after the colon"), ("- a\n", "write each resource as a document")):
        _, (found,) = documents(text, "x.yaml")
        assert found.code == "wrong-type"
        assert found.hint.startswith(hint)


@given(st.text(alphabet="ab:-?[]{}&*!|>'\"%@`#, \n\t~<=.01\u0085\ufeff\x07", max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    """Reading YAML never raises."""
    found, problems = documents(text, "x.yaml")
    for document in found:
        decode(document.raw)
    assert all(problem.line >= 1 for problem in problems)
