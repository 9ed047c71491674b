"""What all routes share: destinations, weights, and where they apply."""

from collections.abc import Sequence

from weft.resource import names
from weft.resource.field_path import below, child, item
from weft.resource.istio.virtual_service import Destination, HttpRouteDestination, L4RouteDestination
from weft.resource.problems import Problems


def destination(to: Destination, path: str, problems: Problems) -> None:
    """Host and subset; a wildcard cannot be called."""
    place = child(path, "host")
    if to.host.startswith("*"):
        problems.invalid(place, f"{to.host!r} is a wildcard: a destination is one service", "name the service")
    else:
        problems.invalid(place, names.host(to.host), _host_hint(to.host))
    if to.subset:
        problems.invalid(child(path, "subset"), names.label(to.subset))
    if to.port is not None and to.port.number is None:
        problems.add("missing-field", below(path, "port", "number"), name="number")


def _host_hint(host: str) -> str:
    bare, colon, port = host.rpartition(":")
    return f"write host: {bare} and port: {{number: {port}}}" if colon and port.isdigit() and "/" not in bare else ""


def weights(route: Sequence[HttpRouteDestination | L4RouteDestination], path: str, problems: Problems) -> None:
    """Relative to their sum, as in Istio: of several destinations one must have a weight; a single one gets all whatever it has.
    Parts such as 1 and 3 are plain; a sum near 100 is mostly a slip of the pen in percentages."""
    given = [share.weight or 0 for share in route]
    for index, weight in enumerate(given):
        if weight < 0:
            problems.invalid(child(item(path, index), "weight"), f"{weight} is not a share of the traffic: at least 0")
    total = sum(given)
    if min(given, default=0) < 0 or total == 100 or len(route) < 2 or (total and not 50 <= total <= 200):
        return
    code, shares = ("weight-total", "these") if total else ("weight-sum", "equal")
    problems.add(code, path, total=total, hint=f"for {shares} shares in percent write {_scaled(given)}")


def _scaled(given: list[int]) -> str:
    """The same shares as percentages that add up to 100, the largest remainders rounded up; equal ones when none are given."""
    given = given if sum(given) else [1] * len(given)
    exact = [weight * 100 / sum(given) for weight in given]
    whole = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: whole[index] - exact[index])
    for index in by_remainder[: 100 - sum(whole)]:
        whole[index] += 1
    shown = [str(share) for share in whole]
    return ", ".join(shown[:8]) + (", ..." if len(shown) > 8 else "")


def gateway_names(gateways: tuple[str, ...], path: str, problems: Problems) -> None:
    """`mesh`, a name, or `namespace/name`."""
    for index, gateway in enumerate(gateways):
        namespace, slash, name = gateway.rpartition("/")
        problem = names.subdomain(name) or (names.label(namespace) if slash else "")
        problems.invalid(
            item(path, index), problem, "a Gateway's name, namespace/name, or mesh for the sidecars" if problem else ""
        )
