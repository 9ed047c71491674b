"""Envoy's StringMatcher. https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/string.proto"""

from envoy.type.matcher.v3.string_pb2 import StringMatcher

from weft.simulate import pattern
from weft.simulate.held import Unreadable


def matches(of: StringMatcher, text: str) -> bool:
    """Whether `text` fits."""
    how = of.WhichOneof("match_pattern")
    if how == "safe_regex":
        return pattern.whole(of.safe_regex.regex, text)
    if how is None or how == "custom":
        raise Unreadable(f"a string matcher that is {how}")
    wanted: str = getattr(of, how)
    if of.ignore_case:
        wanted, text = wanted.lower(), text.lower()
    match how:
        case "exact":
            return text == wanted
        case "prefix":
            return text.startswith(wanted)
        case "suffix":
            return text.endswith(wanted)
        case "contains":
            return wanted in text
    raise Unreadable(f"a string matcher by {how}")
