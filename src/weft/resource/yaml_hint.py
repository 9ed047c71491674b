"""The likely cause of a YAML syntax error, in a sentence: people meet few of them, again and again."""

import re

_NO_SPACE = re.compile(r"^\s*(?:- +)*([A-Za-z_][\w.-]*):(?=[^\s:/])(.*)$")
_TWO_COLONS = re.compile(r"^\s*(?:- +)*[\w./-]+:\s+[^\"'{\[#].*:(\s|$)")
_BARE_KEY = re.compile(r"^\s*(?:- +)*([A-Za-z_][\w.-]*)(\s+[^:]*)?$")


def hint(problem: str, lines: list[str], line: int, column: int) -> str:
    """What to do about `problem` at `lines[line]`; empty when nothing comes to mind."""
    here = lines[line] if line < len(lines) else ""
    before = _before(lines, line)
    if "\t" in here[: len(here) - len(here.lstrip())] or "\t" in here[max(column - 1, 0) : column + 1]:
        return "indent with spaces: there is a tab"
    if "cannot start any token" in problem:
        return f"put the text in quotes: it may not begin with {here[column : column + 1]}"
    for text in (here, before):
        if found := _NO_SPACE.match(text):
            return f"a space is needed after the colon: {found[1]}: {found[2]}".rstrip()
    if "mapping values are not allowed" in problem:
        if _TWO_COLONS.match(here):
            return "put the text in quotes: it has a colon in it"
        if (found := _BARE_KEY.match(before)) and _indent(before) >= _indent(here):
            return f"a colon is missing: {found[1]}:{(found[2] or '').rstrip()}"
        return f"it is indented deeper than {before.strip()[:40]!r}, which has a value of its own: check the indentation"
    return _by_problem(problem, here, before)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _before(lines: list[str], line: int) -> str:
    """The last line above that says something."""
    return next((text for text in reversed(lines[:line]) if text.strip() and not text.lstrip().startswith("#")), "")


def _by_problem(problem: str, here: str, before: str) -> str:
    for text in (here, before):
        if "expected ':'" in problem and (found := _BARE_KEY.match(text)):
            return f"a colon is missing: {found[1]}:{(found[2] or '').rstrip()}"
    for words, answer in (
        ("expected ':'", "a colon is missing after a key"),
        ("unexpected end of stream", "a quote is opened and not closed"),
        ("expected ',' or", "a bracket or brace is opened and not closed, or a comma is missing"),
        ("expected key", "it is not indented like the lines above it, or a quote in it is not closed"),
        ("expected '-'", "it is not indented like the list above it"),
        ("block sequence entries are not allowed", "begin a list on a line of its own, below its key"),
        ("expected <document start>", "documents are separated by a line with --- alone"),
        ("undefined alias", "a text that begins with * needs quotes: '*'"),
        ("did not find expected alphabetic or numeric character", "a text that begins with * or & needs quotes: '*'"),
        ("control characters are not allowed", "the file holds bytes that are not text"),
    ):
        if words in problem:
            return answer
    return ""
