"""What people say of a book. With $STARS it asks the ratings service and tells their colour."""

import json
import os
from collections.abc import Mapping

from server import call, serve

TEXTS = (
    "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!",
    "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays.",
)


def answer(path: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """The reviews as JSON."""
    colour = os.environ.get("STARS", "")
    ratings = call("http://ratings:9080/", headers) if colour else {}
    reviews = [{"text": text, "stars": stars} for text, stars in zip(TEXTS, ratings.get("ratings") or [None, None], strict=True)]
    version = os.environ.get("WEFT_VERSION", "")
    return "application/json", json.dumps({"version": version, "colour": colour, "reviews": reviews})


if __name__ == "__main__":
    serve(answer)
