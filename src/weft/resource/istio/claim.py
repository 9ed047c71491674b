"""A claim of a token as routes name it, in the place of a header: `@request.auth.claims.group`, `@request.auth.claims[a.b][c]`.

https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMatchRequest
"""

import re

MARK = "@request.auth.claims"
_KEY = r"\[([^\[\]]+)\]|\.([^.\[\]]+)"
_WHOLE = re.compile(rf"{MARK}((?:{_KEY})+)")


def is_claim(name: str) -> bool:
    """Whether it is meant to be one, well written or not."""
    return name.lower().startswith("@request.auth")


def claim_keys(name: str) -> tuple[str, ...]:
    """The way through the token; empty when `name` is no claim. Within brackets a dot is part of a key."""
    found = _WHOLE.fullmatch(name)
    return tuple(inside or after for inside, after in re.findall(_KEY, found.group(1))) if found else ()
