"""The Prometheus page of a node: the agent's own numbers, then those of all its Envoys, each labelled with its proxy.

The text format wants all samples of a metric together under one TYPE line, so the pages are merged by metric.
https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def labelled(sample: str, proxy: str) -> str:
    """One sample line with `proxy` as its first label."""
    end = _name_end(sample)
    name, rest = sample[:end], sample[end:]
    label = f'proxy="{proxy}"'
    if not rest.startswith("{"):
        return f"{name}{{{label}}}{rest}"
    return f"{name}{{{label}{'' if rest.startswith('{}') else ','}{rest[1:]}"


def _name_end(sample: str) -> int:
    return next((at for at, letter in enumerate(sample) if letter in "{ "), len(sample))


def merged(pages: Mapping[str, str]) -> str:
    """The pages of several proxies as one."""
    families: dict[str, tuple[str, list[str]]] = {}
    for proxy, page in sorted(pages.items()):
        name = ""
        for line in page.splitlines():
            if line.startswith("# TYPE "):
                name = line.split(" ")[2]
                families.setdefault(name, (line, []))
            elif line and not line.startswith("#"):
                families.setdefault(name, ("", []))[1].append(labelled(line, proxy))
    blocks = ("\n".join(([header] if header else []) + samples) for header, samples in families.values() if samples)
    return "".join(f"{block}\n" for block in blocks)


def own(numbers: Iterable[tuple[str, str, str, float]]) -> str:
    """The agent's own numbers: (name, type, help, value)."""
    return "".join(
        f"# HELP {name} {help_}\n# TYPE {name} {type_}\n{name} {value:.15g}\n" for name, type_, help_, value in numbers
    )
