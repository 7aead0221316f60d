"""A run next to the figures that were kept: what changed, and whether that is more than noise."""

from collections.abc import Iterator, Sequence

from bench.figures import Figure
from bench.report import text
from bench.results import Cell, Column, Results, Row, Table

FASTER, SLOWER = "less", "more"


def compared(kept: Results, table: Table) -> Table | None:
    """Each figure of the table, before and now, with what it is of what it was; nothing if there is none to compare.
    Marked are those that differ by more than both spread."""
    rows = list(_rows(kept, table))
    if not rows:
        return None
    columns = [Column("before"), Column("now"), Column("now / before", digits=2), Column("beyond the spread of both")]
    return Table(table.name, table.title, columns, rows)


def differ(before: Cell, now: Cell) -> bool:
    """Whether two figures are further apart than both spread. Without a spread a number is exact."""
    old, new = _spread(before), _spread(now)
    return old is not None and new is not None and (old.high < new.low or new.high < old.low)


def _rows(kept: Results, table: Table) -> Iterator[Row]:
    compared: Sequence[tuple[int, Column]] = [
        (place, column) for place, column in enumerate(table.columns) if not column.limit
    ]
    for row in table.rows:
        for place, column in compared:
            before, now = kept.cell(table.name, row.name, column.name), row.cells[place]
            old, new = _spread(before), _spread(now)
            if old is None or new is None:
                continue
            quotient = new.median / old.median if old.median > 0 else None
            mark = (SLOWER if new.median > old.median else FASTER) if differ(before, now) else None
            name = f"{row.name}: {column.heading}"
            yield Row(name, (text(before, column), text(now, column), quotient, mark))


def _spread(cell: Cell) -> Figure | None:
    """What has a spread or is exact: a multiple of two medians is neither, and left out."""
    match cell:
        case Figure():
            return cell
        case int():
            return Figure(cell, cell, cell)
    return None
