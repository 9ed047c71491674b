"""The page of supported fields is what the code does."""

from pathlib import Path

from weft.cli.supported import NOTES, fields, supported
from weft.resource.kinds import KINDS
from weft.resource.unknown_kind import LATER

PAGE = Path(__file__).parents[2] / "docs" / "supported.md"


def test_the_page_is_written_from_the_fields() -> None:
    """docs/supported.md is what `python -m weft.cli.field_reference docs` writes."""
    assert PAGE.read_text() == supported()


def test_every_note_is_about_a_field_that_is_there() -> None:
    """A field that goes takes its note with it."""
    known = {(kind.kind, f"{owner}.{field.name}") for kind in KINDS for _, owner, field in fields(kind)}
    assert NOTES.keys() - known == set()


def test_no_kind_is_both_served_and_not() -> None:
    """A kind that is read is not among those of a later release."""
    assert not {kind.kind for kind in KINDS} & set(LATER)


def test_what_has_no_effect_says_so() -> None:
    """A field that gives `unsupported-field` is `not yet`."""
    lines = supported().splitlines()
    for kind in KINDS:
        for path, _, field in fields(kind):
            if field.marks.get("supported", True) is False and field.marks.get("unless") is None:
                assert any(line.startswith(f"| `{path}` | not yet") for line in lines), path
