"""The pages about weft.yaml and the kinds are what the schemas say."""

from pathlib import Path

from weft.cli.field_reference import resources, weft_yaml
from weft.resource.kinds import KINDS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_about_weft_yaml_equals_its_schema() -> None:
    """docs/weft-yaml.md is what `python -m weft.cli.field_reference docs` writes."""
    assert (DOCS / "weft-yaml.md").read_text() == weft_yaml()


def test_the_page_about_resources_equals_the_structs() -> None:
    """docs/resources.md is what `python -m weft.cli.field_reference docs` writes."""
    assert (DOCS / "resources.md").read_text() == resources()


def test_every_kind_is_documented() -> None:
    """Each kind has its heading."""
    page = resources()
    assert [kind.kind for kind in KINDS if f"## {kind.kind}\n" not in page] == []


def test_what_has_no_effect_is_marked() -> None:
    """A field that gives `unsupported-field` is marked, one that has an effect is not."""
    lines = resources().splitlines()
    assert "- `spec.http[].fault.delay.exponentialDelay` **not yet**" in lines
    assert "- `spec.http[].timeout`" in lines
