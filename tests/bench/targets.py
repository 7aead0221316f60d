"""What the gateway module is to reach, and whether it does, by figures that were measured."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench import gateway, gateway_tables, instructions, module_tables
from bench.comparison import OVER
from bench.figures import Figure
from bench.report import spread
from bench.results import Column, Results, Row, Table

NAME = "targets"
KIB = 1024


@dataclass(frozen=True)
class Target:
    """A figure, found by table, row (the last one if it is empty) and column, should be `most` of its unit, of which
    one is `scale`."""

    name: str
    table: str
    row: str
    column: str
    most: float
    unit: str
    scale: float = 1.0
    digits: int = 2

    def measured(self, results: Results) -> Figure | None:
        """The figure; nothing if it was not measured. A number without a spread is its own quartiles."""
        if self.table not in results:
            return None
        cell = results.cell(self.table, self.row or results[self.table].rows[-1].name, self.column)
        match cell:
            case Figure():
                values = (cell.median, cell.low, cell.high)
            case int() | float():
                values = (cell,) * 3
            case _:
                return None
        return Figure(*(value / self.scale for value in values))


TARGETS = (
    Target(
        "CPU added to a warm call, x native jwt_authn, mcp and local_ratelimit",
        gateway.CPU_SMALL,
        gateway.ALL_FILTERS,
        gateway.REFERENCES[gateway.CPU_SMALL].multiple,
        0.75,
        "",
    ),
    Target(
        "CPU added to a warm call with a body of 64 KiB, x native mcp",
        gateway.CPU_LARGE,
        gateway.ALL_FILTERS,
        gateway.REFERENCES[gateway.CPU_LARGE].multiple,
        0.25,
        "",
    ),
    Target(
        "CPU added to 1,000 events whose tokens are counted, x native sse_to_metadata",
        "sse-cpu",
        gateway.ALL_FILTERS,
        "x sse_to_metadata",
        0.6,
        "",
    ),
    Target("Time added to the first event", "sse-first-event", gateway.ALL_FILTERS, OVER.name, 0.2, "ms", 1000),
    Target(
        "p99 at half of what can be taken, x router only",
        gateway_tables.LATENCY,
        gateway.ALL_FILTERS,
        gateway_tables.P99_MULTIPLE,
        gateway_tables.AIM_P99,
        "",
    ),
    Target(
        "Calls into the host for a warm call",
        instructions.EXCHANGES,
        instructions.FULL_NAME,
        instructions.HOST_CALLS,
        12,
        "",
        digits=0,
    ),
    Target("Size of mcp_gateway.wasm", module_tables.SIZE, "mcp_gateway.wasm", "loaded", 900, "KiB", KIB, 0),
    Target("From load to configured", module_tables.LOAD, gateway.ALL_FILTERS, "wall clock", 50, "ms", digits=0),
    Target(
        "Growth of the module's memory after warm-up",
        gateway_tables.MEMORY,
        "",
        gateway_tables.GROWN,
        0,
        "KiB",
        digits=0,
    ),
)


def table(results: Results) -> Table:
    """Each target, what was measured, and whether that is met."""
    return Table(NAME, "Targets", [Column("aim"), Column("measured"), Column("met")], list(_rows(results)))


def _rows(results: Results) -> Iterator[Row]:
    for target in TARGETS:
        figure = target.measured(results)
        aim = f"<= {target.most:,.{target.digits}f} {target.unit}".rstrip()
        if figure is None:
            yield Row(target.name, (aim, "not measured", None))
            continue
        exact = figure.low == figure.median == figure.high
        measured = f"{figure.median:,.{target.digits}f}" if exact else spread(figure, target.digits)
        yield Row(target.name, (aim, f"{measured} {target.unit}".rstrip(), _verdict(target, figure.median)))


def _verdict(target: Target, value: float) -> str:
    if value <= target.most:
        return "yes"
    missed = f"{value - target.most:,.{target.digits}f} {target.unit}".rstrip()
    return f"no, {missed} too much" if target.most == 0 else f"no, {value / target.most:.2f} times the aim"
