"""Envoy's StringMatcher for the ways operators match text.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/string.proto
"""

from envoy.type.matcher.v3.regex_pb2 import RegexMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher

from weft.model.route import Exact, Prefix, Regex, StringMatch


def string_match(of: StringMatch) -> StringMatcher:
    """The matcher. A prefix that is empty matches everything, which Envoy has no prefix for."""
    match of:
        case Exact(value):
            return StringMatcher(exact=value)
        case Prefix(""):
            return StringMatcher(safe_regex=RegexMatcher(regex=".*"))
        case Prefix(value):
            return StringMatcher(prefix=value)
        case Regex(value):
            return StringMatcher(safe_regex=RegexMatcher(regex=value))
