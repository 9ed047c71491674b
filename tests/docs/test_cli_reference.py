"""docs/cli.md is what the commands say of themselves."""

from pathlib import Path

from weft.cli.main import COMMANDS
from weft.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_reference_equals_the_commands() -> None:
    """The page is what `python -m weft.cli.reference` prints."""
    assert PAGE.read_text() == reference()


def test_every_command_says_what_it_does() -> None:
    """No command of the table is without a section."""
    page = PAGE.read_text()
    assert [command.name for command in COMMANDS if f"### weft {command.name}" not in page] == []
