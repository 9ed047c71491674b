"""Why the control plane did not do what it was asked: it said no, or it could not be asked."""

_ANSWERED = (
    "INVALID_ARGUMENT",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "ALREADY_EXISTS",
    "UNIMPLEMENTED",
)


class Refused(Exception):
    """It understood, and said no: asking again at once changes nothing."""


class Unreachable(Exception):
    """It could not be asked, or did not answer: try again soon."""


def refusal(code: str, details: str) -> Refused | Unreachable:
    """The exception for a gRPC status, by its name."""
    return (Refused if code in _ANSWERED else Unreachable)(f"{code}: {details}")
