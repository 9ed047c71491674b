"""What stays of a path in the record of calls."""

import random
import string

import pytest

from weft.telemetry.path_template import collapsed, covers, template


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/", "/"),
        ("/books", "/books"),
        ("/books/", "/books/"),
        ("/books/17", "/books/{*}"),
        ("/books/17/reviews?token=s3cret#x", "/books/{*}/reviews"),
        ("/api/v1/orders/6f1c2d34-9a7b-4c55-8d21-0a1b2c3d4e5f", "/api/v1/orders/{*}"),
        ("/blobs/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/blobs/{*}"),
        ("/blobs/da39a3ee.tar", "/blobs/{*}"),
        ("/assets/main.js", "/assets/main.js"),
        ("/users/jo@example.com", "/users/{*}"),
        ("/reset/eyJhbGciOiJIUzI1NiJ9.e30.abc", "/reset/{*}"),
        ("/a;jsessionid=DEADBEEF/b", "/{*}/b"),
        ("/search/caf%C3%A9", "/search/{*}"),
        ("/2024-11-20/report", "/{*}/report"),
        ("/shop.Orders/List", "/shop.Orders/List"),
        ("/a/b/c/d/e/f/g/h/i/j/k/l", "/a/b/c/d/e/f/g/h/i/j/{**}"),
        ("*", "*"),
        ("", ""),
        ("no-path", ""),
    ],
)
def test_what_names_one_thing_among_many_is_a_star(path: str, wanted: str) -> None:
    """Words stay; numbers, UUIDs, hashes, addresses, tokens and whatever stands behind the path do not."""
    assert template(path) == wanted
    assert template(template(path)) == template(path)


@pytest.mark.parametrize(
    ("pattern", "one", "is_covered"),
    [
        ("/a/{*}", "/a/b", True),
        ("/a/{*}", "/a/{*}", True),
        ("/a/{*}", "/a/b/c", False),
        ("/a/{*}", "/a/", False),
        ("/a/b", "/a/{*}", False),
        ("/a/{**}", "/a/b/c", True),
        ("/a/{**}", "/a/{**}", True),
        ("/a/{*}", "/a/{**}", False),
        ("/{**}", "/anything/{*}", True),
    ],
)
def test_a_template_covers_what_all_its_paths_are_of(pattern: str, one: str, is_covered: bool) -> None:
    """A template covers another when it has every path of it."""
    assert covers(pattern, one) is is_covered


def test_many_paths_become_few_templates_that_cover_them() -> None:
    """However random the paths are, few templates are left, and each path is covered by its own."""
    lot = random.Random(4)
    words = ["".join(lot.choices(string.ascii_lowercase, k=5)) for _ in range(9_000)]
    paths = {"/" + "/".join(lot.choices(words, k=lot.randint(1, 9))) for _ in range(2_000)}
    paths |= {"/health", "/api/{**}"}
    found = collapsed(paths, 40)
    assert len(set(found.values())) <= 40
    assert all(covers(found[path], path) or found[path] == path for path in paths)


def test_where_most_differ_is_made_one() -> None:
    """Names of users that look like words are found by their number; the words beside them stay."""
    paths = [f"/users/{name}/orders" for name in ("ann", "bob", "cy", "dee", "eve", "flo", "gus")] + ["/health", "/metrics"]
    assert set(collapsed(paths, 4).values()) == {"/users/{*}/orders", "/health", "/metrics"}
