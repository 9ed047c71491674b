"""The bookstore's page: asks details and reviews by their plain names and puts both together."""

import html
from collections.abc import Mapping

from server import call, serve

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font: 17px/1.5 Georgia, serif; max-width: 42em; margin: 3em auto; padding: 0 1em; color: #222; background: #fbfaf7 }}
h1 {{ margin-bottom: 0 }} .by {{ color: #666; margin-top: 0 }}
blockquote {{ margin: 1em 0; padding: .6em 1em; background: #fff; border-left: 4px solid #c9c2b0; border-radius: 3px }}
.stars {{ font-size: 120%; letter-spacing: .1em }} .error {{ color: #a00 }}
footer {{ color: #777; font: 13px sans-serif; margin-top: 3em }} b {{ font-family: sans-serif; font-size: 13px }}
</style>
<h1>{title}</h1><p class="by">{by}</p>
<h2>Reviews <b>version {version}</b></h2>{reviews}
<footer>web → details, reviews{ratings}: separate processes, every call over mutual TLS between their Envoys.</footer>
"""


def answer(path: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """The page."""
    details, reviews = call("http://details:9080/", headers), call("http://reviews:9080/", headers)
    return "text/html; charset=utf-8", PAGE.format(
        title=html.escape(str(details.get("title", "A book"))),
        by=html.escape(_by(details)),
        version=html.escape(str(reviews.get("version", "?"))),
        reviews=_reviews(reviews),
        ratings=" → ratings" if reviews.get("colour") else "",
    )


def _by(details: Mapping[str, object]) -> str:
    if "error" in details:
        return f"details are not available: {details['error']}"
    return f"{details['author']}, {details['year']} · {details['pages']} pages · ISBN {details['isbn']}"


def _reviews(reviews: Mapping[str, object]) -> str:
    if "error" in reviews:
        return f'<p class="error">Reviews are not available: {html.escape(str(reviews["error"]))}</p>'
    blocks = []
    for review in reviews["reviews"]:  # type: ignore[attr-defined]
        stars = "★" * (review["stars"] or 0) + "☆" * (5 - (review["stars"] or 5))
        colour = html.escape(str(reviews["colour"]))
        blocks.append(
            f"<blockquote>{html.escape(review['text'])}"
            + (f'<div class="stars" style="color:{colour}">{stars}</div>' if review["stars"] else "")
            + "</blockquote>"
        )
    return "".join(blocks)


if __name__ == "__main__":
    serve(answer)
