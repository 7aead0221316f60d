"""Which of the results are drawn, and what of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench import growth
from bench.gateway import CPU_LARGE, CPU_SMALL
from bench.gateway_tables import LATENCY
from bench.instructions import GROWTH
from bench.results import Results

OVER = ("over router only",)


@dataclass(frozen=True)
class Bars:
    """Columns of a table, which have one unit, as bars, for each row that has a figure in all of them."""

    table: str
    columns: Sequence[str]
    title: str


@dataclass(frozen=True)
class Curve:
    """Columns of a table, which have one unit, against its axis; both axes are logarithmic."""

    table: str
    columns: Sequence[str]
    title: str


def plots(results: Results) -> list[Bars | Curve]:
    """All for which there are figures."""
    lines = (growth.OURS, growth.MCP, growth.SSE)
    drawn: list[Bars | Curve] = [
        Bars(CPU_SMALL, OVER, "CPU added to a warm tools/call of 200 B"),
        Bars(CPU_LARGE, OVER, "CPU added to a warm tools/call of 64 KiB"),
        Bars("sse-cpu", OVER, "CPU added to an answer of 1,000 events"),
        Bars(LATENCY, ("p50", "p99"), "Time of a warm tools/call at half load"),
    ]
    for name in results:
        if name.startswith(growth.PREFIX):
            drawn.append(Curve(name, lines, results[name].title))
        if name.startswith(GROWTH):
            drawn.append(Curve(name, ("instructions",), f"Instructions of a warm exchange by {results[name].axis}"))
    return [plot for plot in drawn if plot.table in results]
