"""Which services a misspelt host may have meant.

An unknown host is looked up for every stray name that any application asks for, so this must not compare with all services:
the pairs of letters that names share choose a few, and only those are compared.
"""

from collections import Counter
from collections.abc import Mapping

from weft.hostname import closest
from weft.model.precedence import visible
from weft.model.service import Service

_COMPARED = 12


class Names:
    """The services of a mesh, to be found by names that are nearly theirs. Built when it is first asked."""

    def __init__(self, services: Mapping[str, tuple[Service, ...]], domain: str) -> None:
        self._services = services
        self._suffix = f".svc.{domain}"
        self._by_pair: dict[str, list[str]] | None = None

    def close(self, host: str, namespace: str) -> tuple[str, ...]:
        """Up to three full names that `host` may stand for and that are visible from `namespace`, the likeliest first. The same
        first label in another namespace comes before all others."""
        short = host.removesuffix(self._suffix)
        counts: Counter[str] = Counter()
        for pair in _pairs(short):
            counts.update(self._index().get(pair, ()))
        likely = [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_COMPARED]]
        seen = {name.removesuffix(self._suffix): name for name in likely if self._visible(name, namespace)}
        label = short.split(".", 1)[0]
        same = [full for name, full in seen.items() if name.split(".", 1)[0] == label]
        return tuple(same[:3]) or tuple(seen[name] for name in closest(short, seen))

    def _visible(self, name: str, namespace: str) -> bool:
        return any(visible(one.export_to, namespace) for one in self._services[name])

    def _index(self) -> dict[str, list[str]]:
        if self._by_pair is None:
            self._by_pair = {}
            for name in sorted(self._services):
                for pair in _pairs(name.removesuffix(self._suffix)):
                    self._by_pair.setdefault(pair, []).append(name)
        return self._by_pair


def _pairs(name: str) -> set[str]:
    """The pairs of letters of a name's first label, its two ends marked."""
    text = f"^{name.split('.', 1)[0]}$"
    return {text[at : at + 2] for at in range(len(text) - 1)}
