"""Virtual addresses follow from names."""

from weft.model.virtual_address import HTTP, OPAQUE, free


def test_an_address_follows_from_the_name() -> None:
    """One name has the same addresses whenever it asks, another name others."""
    assert free(HTTP, "default/api.example.com", ()) == free(HTTP, "default/api.example.com", ())
    assert free(HTTP, "default/api.example.com", ()) != free(HTTP, "default/db.example.com", ())


def test_a_taken_address_is_passed_over() -> None:
    """Whoever finds its IPv4 or its IPv6 address taken gets the next pair of both."""
    v4, v6 = free(HTTP, "default/api.example.com", ()) or ("", "")
    for taken in (v4, v6):
        other = free(HTTP, "default/api.example.com", {taken})
        assert other and other[0] != v4 and other[1] != v6


def test_a_full_range_has_none() -> None:
    """When all are taken there is no address, rather than somebody else's."""
    every = {address for slot in range(1, 65_535) for address in HTTP.addresses(slot)}
    assert free(HTTP, "default/api.example.com", every) is None


def test_the_range_tells_what_is_spoken() -> None:
    """No address is in both ranges, and what is no address is in none."""
    for address in HTTP.addresses(1) + HTTP.addresses(65_534):
        assert address in HTTP and address not in OPAQUE
    assert "reviews" not in HTTP
