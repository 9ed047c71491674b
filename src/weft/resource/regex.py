"""Whether Envoy's regular expression engine, RE2, accepts a pattern, without that engine.

RE2 runs in linear time, so it has no look-around and no back-references; those who come from other engines write them all
the same. Envoy reads patterns byte by byte, so there is no `\\x{1F600}` either. Two groups of one name are accepted by Envoy
and refused here, as Istio does. Syntax: https://github.com/google/re2/wiki/Syntax
"""

import re

_LONGEST = 1024  # Istio refuses longer ones
_MOST_REPETITIONS = 1000
_LARGEST_PROGRAM = 32768  # what our Envoys are started with (re2.max_program_size.error_level)
_GROUP = re.compile(r"\?(?:P?<([A-Za-z_]\w*)>|(?:[imsU]*(?:-[imsU]+)?)([:)]))", re.ASCII)
_REPEAT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_ESCAPE = re.compile(
    r"\\(?:0[0-7]{0,2}|[1-7][0-7]{1,2}|x[0-9A-Fa-f]{2}|x\{0*[0-9A-Fa-f]{1,2}\}|[pP](?:[A-Z]|\{\^?[A-Za-z_]+\})"
    r"|[aftnrvdDsSwWbBAzC]|[^A-Za-z0-9])",
    re.ASCII | re.DOTALL,
)
_SETS = "dDsSwWpPC"
_CLASS_NAME = re.compile(r"\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]")
_FOREIGN = (
    ("?=", "look-ahead"),
    ("?!", "look-ahead"),
    ("?<=", "look-behind"),
    ("?<!", "look-behind"),
    ("?>", "atomic groups"),
    ("?#", "comments"),
    ("?P=", "back-references"),
    ("?(", "conditionals"),
    ("?|", "branch resets"),
    ("?R", "recursion"),
)


class _Problem(Exception):
    """Why the pattern is refused."""


def problem(pattern: str) -> str:
    """What RE2 would say against `pattern`; empty when it accepts it."""
    if len(pattern.encode(errors="replace")) > _LONGEST:
        return f"it is longer than {_LONGEST} bytes"
    try:
        scanner = _Scanner(pattern)
        scanner.scan()
        if scanner.costs[0] > _LARGEST_PROGRAM:
            return "it repeats too much: the program made of it would be too large"
    except _Problem as found:
        return str(found)
    return ""


def groups(pattern: str) -> int:
    """How many groups of an accepted pattern can be named in a substitution."""
    scanner = _Scanner(pattern)
    scanner.scan()
    return scanner.capturing


class _Scanner:
    """Walks over a pattern once. `size` is how often the last atom repeats what is in it, None when there is no atom that a
    `*` could follow; `groups` holds, for each group that is open, the largest size seen in it. `cost` and `costs` are the same
    for the instructions it compiles to, estimated from above."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.size: int | None = None
        self.repeated = False
        self.groups: list[int] = [1]
        self.cost = 0
        self.costs: list[int] = [0]
        self.names: set[str] = set()
        self.capturing = 0

    def scan(self) -> None:
        """Raises _Problem at the first thing that RE2 has not."""
        while self.at < len(self.pattern):
            match self.pattern[self.at]:
                case "\\":
                    self.escape()
                case "[":
                    self.character_class()
                case "(":
                    self.open()
                case ")":
                    self.close()
                case "*" | "+" | "?" as operator:
                    self.repeat(operator, 1)
                case "{":
                    self.counted()
                case "|":
                    self.size, self.repeated, self.at = None, False, self.at + 1
                case _:
                    self.atom(1)
        if len(self.groups) > 1:
            raise _Problem("a parenthesis is not closed")

    def atom(self, length: int, size: int = 1, cost: int = 3) -> None:
        """Something that may be repeated."""
        self.size, self.repeated, self.at = size, False, self.at + length
        self.groups[-1] = max(self.groups[-1], size)
        self.cost = cost
        self.costs[-1] += cost

    def escape(self) -> None:
        """A backslash and what belongs to it."""
        if self.pattern.startswith("\\Q", self.at):
            end = self.pattern.find("\\E", self.at)
            stop = end + 2 if end >= 0 else len(self.pattern)
            if end == self.at + 2:
                self.at = stop
                return None
            self.costs[-1] += 3 * (stop - self.at)  # a repetition behind it is of its last character
            return self.atom(stop - self.at)
        return self.atom(self.escape_length(), cost=9 if self.pattern[self.at + 1] in _SETS else 3)

    def escape_length(self) -> int:
        """The length of the escape sequence here."""
        if found := _ESCAPE.match(self.pattern, self.at):
            return len(found[0])
        sequence = self.pattern[self.at : self.at + 2]
        if len(sequence) < 2:
            raise _Problem("it ends with a backslash")
        if sequence[1].isdigit() or sequence[1] in "gk":
            raise _Problem(f"RE2 has no back-references such as {sequence}")
        raise _Problem(f"RE2 does not know {sequence}")

    def character_class(self) -> None:
        """Everything from `[` to its `]`."""
        at = self.at + (2 if self.pattern.startswith("[^", self.at) else 1)
        first, start, low, cost = True, self.at, "", 3
        while at < len(self.pattern) and (self.pattern[at] != "]" or first):
            self.at = at
            if found := _CLASS_NAME.match(self.pattern, at):
                length = len(found[0])
            elif self.pattern.startswith("[:", at) and (end := self.pattern.find(":]", at + 2)) >= 0:
                raise _Problem(f"RE2 does not know {self.pattern[at : end + 2]}")
            elif self.pattern[at] == "\\":
                length = self.escape_length()
                if self.pattern[at + 1] in "bBAzC":
                    raise _Problem(f"RE2 does not know {self.pattern[at : at + 2]} within brackets")
            else:
                length = 1
            high = self.pattern[at : at + length]
            cost += 1 if length == 1 else 8
            if low and len(high) == 1 and high != "\\" and high < low:
                raise _Problem(f"the range {low}-{high} runs backwards")
            at, first = at + length, False
            ranged = len(high) == 1 and self.pattern[at : at + 1] == "-" and self.pattern[at + 1 : at + 2] not in ("", "]")
            low, at = (high, at + 1) if ranged and not low else ("", at)
        if at >= len(self.pattern):
            raise _Problem("a bracket is not closed")
        self.at = start
        self.atom(at + 1 - start, cost=cost)

    def open(self) -> None:
        """A group, or flags that stand alone."""
        rest = self.pattern[self.at + 1 : self.at + 5]
        for mark, name in _FOREIGN:
            if rest.startswith(mark):
                raise _Problem(f"RE2 has no {name} such as ({mark}")
        length = 1
        if rest.startswith("?"):
            found = _GROUP.match(self.pattern, self.at + 1)
            if not found:
                raise _Problem(f"RE2 does not know ({rest}")
            self.named(found[1])
            length += len(found[0])
            if found[2] == ")":
                self.at, self.repeated = self.at + length, False
                return
            self.capturing += found[1] is not None
        else:
            self.capturing += 1
        self.groups.append(1)
        self.costs.append(0)
        self.size, self.repeated, self.at = None, False, self.at + length

    def named(self, name: str | None) -> None:
        """A group's name, which must be the only one of its kind."""
        if name and name in self.names:
            raise _Problem(f"two groups are named {name}")
        self.names.add(name or "")

    def close(self) -> None:
        """The end of a group, which is an atom itself."""
        if len(self.groups) == 1:
            raise _Problem("a parenthesis is closed that was not opened")
        self.atom(1, self.groups.pop(), self.costs.pop() + 2)

    def counted(self) -> None:
        """`{2,5}`; a brace that begins no count is a character like others."""
        found = _REPEAT.match(self.pattern, self.at)
        if not found:
            return self.atom(1)
        least, most = int(found[1]), int(found[3] or found[1])
        if most < least or most > _MOST_REPETITIONS:
            raise _Problem(f"{found[0]} is not a repetition: at most {_MOST_REPETITIONS}, the smaller first")
        return self.repeat(found[0], max(most, 1))

    def repeat(self, operator: str, times: int) -> None:
        """A repetition of the last atom, and the `?` that makes it lazy."""
        if self.size is None:
            raise _Problem(f"{operator} has nothing before it to repeat")
        if self.repeated:
            raise _Problem(f"{operator} repeats a repetition")
        size = self.size * times
        if size > _MOST_REPETITIONS:
            raise _Problem(f"nested repetitions make more than {_MOST_REPETITIONS}")
        self.costs[-1] -= self.cost
        self.atom(len(operator), size, times * (self.cost + 1) + 2)
        if self.pattern.startswith("?", self.at):
            self.at += 1
        self.repeated = True
