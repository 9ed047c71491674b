"""Variables in a `weft.yaml`, as Compose writes them, in two steps: the file's own once, an instance's own at each start.

`$PORT`, `$HOST`, `$PORT_<NAME>`, the `*_ADDR` of upstreams and `$WEFT_*` are known only when an instance starts: the first step
leaves them standing (and `$$` too), the second fills them in.
https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md
"""

import re
from collections.abc import Callable, Mapping

_TOKEN = re.compile(r"\$(?:(?P<escaped>\$)|(?P<named>[A-Za-z_][A-Za-z0-9_]*)|(?P<open>\{)|(?P<wrong>))")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "$": "$$"}
_BRACED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<operator>:?[-?+])?")


class BadVariable(Exception):
    """A variable that is written wrongly, or that is required (`${NAME:?why}`) and not set."""

    def __init__(self, problem: str, required: bool = False) -> None:
        super().__init__(problem)
        self.required = required


def interpolated(
    text: str,
    variables: Mapping[str, str],
    *,
    late: Callable[[str], bool] = lambda name: False,
    unset: Callable[[str], None] = lambda name: None,
) -> str:
    """`text` with its variables filled in. Names for which `late` holds stay as they are written, and then so does every `$$`
    (see `settled`). `unset` is told each name that has neither value nor default. Raises BadVariable."""
    return _Reading(variables, late, unset, keep_escapes=True).text(text)


def settled(text: str, variables: Mapping[str, str]) -> str:
    """The second step: the late variables filled in from `variables`, an unknown one is empty, `$$` becomes `$`."""
    return _Reading(variables, lambda name: False, lambda name: None, keep_escapes=False).text(text)


class _Reading:
    def __init__(
        self, variables: Mapping[str, str], late: Callable[[str], bool], unset: Callable[[str], None], keep_escapes: bool
    ) -> None:
        self._variables, self._late, self._unset = variables, late, unset
        self._keep = keep_escapes

    def text(self, text: str) -> str:
        parts, at = [], 0
        while found := _TOKEN.search(text, at):
            parts.append(text[at : found.start()])
            piece, at = self._token(text, found)
            parts.append(piece)
        return "".join(parts) + text[at:]

    def _token(self, text: str, found: re.Match[str]) -> tuple[str, int]:
        if found["escaped"]:
            return "$$" if self._keep else "$", found.end()
        if found["named"]:
            return self._value(found["named"], found.group()), found.end()
        if found["open"]:
            end = _closing(text, found.end())
            return self._braced(text[found.end() : end]), end + 1
        raise BadVariable(f"a lone $ in {text!r}: write $$ for the sign itself")

    def _escaped(self, value: str) -> str:
        return value.replace("$", "$$") if self._keep else value

    def _value(self, name: str, written: str) -> str:
        if self._late(name):
            return written
        if name not in self._variables:
            self._unset(name)
        return self._escaped(self._variables.get(name, ""))

    def _braced(self, inner: str) -> str:
        found = _BRACED.match(inner)
        if not found or (found["operator"] is None and found.end() != len(inner)):
            raise BadVariable(f"${{{inner}}} is not a variable")
        name, operator, rest = found["name"], found["operator"], inner[found.end() :]
        if operator is None:
            return self._value(name, f"${{{inner}}}")
        if self._late(name):
            return f"${{{name}{operator}{self.text(rest)}}}"
        value = self._variables.get(name)
        given = bool(value) if operator.startswith(":") else value is not None
        match operator[-1], given:
            case "-", False:
                return self.text(rest)
            case "+", _:
                return self.text(rest) if given else ""
            case "?", False:
                raise BadVariable(f"{name} is required: {self.text(rest)}" if rest else f"{name} is required", required=True)
        return self._escaped(value or "")


def _closing(text: str, start: int) -> int:
    depth = 1
    for at in range(start, len(text)):
        if text.startswith("${", at):
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
    raise BadVariable(f"a brace is never closed in {text!r}")


def dotenv(text: str, variables: Mapping[str, str], late: Callable[[str], bool] = lambda name: False) -> dict[str, str]:
    """The variables of an env file, each as the first step leaves it (see `settled`). Single-quoted values are literal, others
    are interpolated from `variables` and from the lines before. A name without `=` takes its value from `variables`."""
    found: dict[str, str] = {}
    known = dict(variables)
    for line in text.splitlines():
        line = line.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name = name.strip()
        if equals:
            found[name] = _dotenv_value(value.strip(), known, late)
            known[name] = settled(found[name], {})
        elif name in variables:
            found[name] = variables[name].replace("$", "$$")
    return found


def _dotenv_value(value: str, variables: Mapping[str, str], late: Callable[[str], bool]) -> str:
    if value[:1] == "'" and (end := value.find("'", 1)) > 0:
        return value[1:end].replace("$", "$$")
    if value[:1] == '"' and (quoted := re.match(r'"((?:[^"\\]|\\.)*)"', value)):
        value = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), quoted[1])
    else:
        value = re.split(r"\s#", value)[0].rstrip()
    return interpolated(value, variables, late=late)
