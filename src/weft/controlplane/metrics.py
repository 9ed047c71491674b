"""The control plane's own numbers, in Prometheus' text format."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


@dataclass(frozen=True, slots=True)
class Metric:
    """One number. `kind` is `counter` or `gauge`; the name carries its unit, as Prometheus asks."""

    name: str
    kind: str
    help: str
    value: float
    labels: Mapping[str, str] | None = None


def exposition(metrics: Iterable[Metric]) -> str:
    """The text of `metrics`; those of one name must stand together.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    lines: list[str] = []
    last = ""
    for metric in metrics:
        if metric.name != last:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
            last = metric.name
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in (metric.labels or {}).items())
        lines.append(f"{metric.name}{{{labels}}} {metric.value:g}" if labels else f"{metric.name} {metric.value:g}")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def page(read: Callable[[], Iterable[Metric]]) -> Starlette:
    """The application that serves `/metrics`."""

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(exposition(read()), media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route("/metrics", metrics)])
