"""Configurations that are compared by what a request costs each, and the tables of that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench import cpu
from bench.figures import Figure, over, ratio
from bench.load import Load
from bench.results import Cell, Column, Row, Table
from bench.variants import ROUTER, Edit, Variant

OVER = Column("over router only", "µs")


@dataclass(frozen=True)
class Reference:
    """The configuration that the others are multiples of, `short` in a word; `aims` says what such a multiple should
    be at most."""

    name: str
    short: str
    aims: Mapping[str, float] = field(default_factory=dict)

    @property
    def multiple(self) -> str:
        """The heading of the multiples."""
        return f"x {self.short}"


@dataclass(frozen=True)
class Comparison:
    """Configurations, the baseline first, under some loads: a table for each load, by the table's name. `titles` and
    `references` are by that name, too. `upstream` changes what the upstream answers."""

    variants: Sequence[Variant]
    loads: Mapping[str, Load]
    titles: Mapping[str, str]
    references: Mapping[str, Reference]
    upstream: Edit | None = None


def compare(comparison: Comparison, rounds: int, progress: Callable[[str], None]) -> list[Table]:
    """Measures; returns the tables.

    Raises:
        ProbeError: A configuration is not what its name says.
        LoadError: A request was not answered as it must be.
    """
    samples = cpu.measure(comparison.variants, comparison.loads, rounds, progress, comparison.upstream)
    return [_table(comparison, name, samples, rounds) for name in comparison.loads]


def _table(comparison: Comparison, load: str, samples: cpu.Samples, rounds: int) -> Table:
    reference, number = comparison.references[load], comparison.loads[load].number
    names = [variant.name for variant in comparison.variants]
    baseline = samples[ROUTER, load]
    added = {name: over(baseline, samples[name, load]) for name in names if name != ROUTER}
    columns = [Column("total", "µs"), OVER, Column(reference.multiple, digits=2)]
    if reference.aims:
        columns.append(Column("aim", digits=2, limit=True))

    def cells(name: str) -> tuple[Cell, ...]:
        multiple = ratio(added, name, reference.name) if name in added else None
        all_cells = (Figure.of(samples[name, load]), added.get(name), multiple, reference.aims.get(name))
        return all_cells[: len(columns)]

    title = f"CPU per request in Envoy: {comparison.titles[load]}, {number:,} requests a round"
    return Table(load, title, columns, [Row(name, cells(name)) for name in names], rounds)
