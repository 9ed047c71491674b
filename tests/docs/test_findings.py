"""docs/findings.md and the catalogue of findings say the same."""

import re
from pathlib import Path

from weft.messages import CATALOGUE

PAGE = (Path(__file__).parents[2] / "docs" / "findings.md").read_text()
HEADINGS = re.findall(r"^### (\S+)$", PAGE, re.MULTILINE)


def test_every_code_is_documented() -> None:
    """Each code of the catalogue has a heading."""
    assert [code for code in CATALOGUE if code not in HEADINGS] == []


def test_nothing_else_is_documented() -> None:
    """Each heading is a code, once."""
    assert sorted(HEADINGS) == sorted(CATALOGUE)


def test_every_code_is_explained() -> None:
    """Text follows each heading."""
    assert re.findall(r"^### \S+\n+(?=#|\Z)", PAGE, re.MULTILINE) == []
