"""Tables as text: for the terminal, and as Markdown."""

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure
from bench.results import Cell, Column, Table

UNITS = (("MiB", 1024 * 1024), ("KiB", 1024))
SPREAD = "median (quartiles)"


def terminal(table: Table) -> str:
    """A titled table: the first column to the left, the others to the right."""
    header, *rows = _texts(table)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(first: str, *others: str) -> str:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        return ("  " + "  ".join(cells)).rstrip()

    rule = line(*("-" * width for width in widths))
    return "\n".join(["", _title(table), "", line(*header), rule, *(line(*row) for row in rows)])


def markdown(table: Table) -> str:
    """The table as Markdown, its title in bold before it."""
    header, *rows = _texts(table)
    aligned = ["---", *["---:"] * (len(header) - 1)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in (header, aligned, *rows)]
    return "\n".join([f"**{_title(table)}**", "", *(re.sub(r" {2,}", " ", line) for line in lines)])


def spread(figure: Figure, digits: int = 1) -> str:
    """`median (low to high)`, the quartiles in brackets."""
    return f"{figure.median:,.{digits}f} ({figure.low:,.{digits}f} to {figure.high:,.{digits}f})"


def size(count: int) -> str:
    """A number of bytes, in the largest unit that divides it."""
    for unit, factor in UNITS:
        if count and count % factor == 0:
            return f"{count // factor} {unit}"
    return f"{count} B"


def machine() -> str:
    """Processor, cores, kernel and load of this machine."""
    fields = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    models = [value.strip() for name, _, value in fields if name.strip() == "model name"]
    model = models[0] if models else platform.machine()
    load = f"load average {os.getloadavg()[0]:.1f} at the start"
    return f"{model}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}, {load}"


def text(cell: Cell, column: Column) -> str:
    """A cell as it is shown in that column."""
    match cell:
        case None:
            return ""
        case str():
            return cell
        case Figure():
            return spread(cell, column.digits)
        case int():
            number = f"{cell:,}"
        case float():
            number = f"{cell:,.{column.digits}f}"
    return f"<= {number}" if column.limit else number


def _title(table: Table) -> str:
    return f"{table.title}; {table.rounds:,} rounds" if table.rounds else table.title


def _texts(table: Table) -> Sequence[Sequence[str]]:
    """All cells, those of the heading first."""
    varying = any(isinstance(cell, Figure) for row in table.rows for cell in row.cells)
    corner = ", ".join(filter(None, [table.axis, SPREAD if varying else ""]))
    header = [corner, *(column.heading for column in table.columns)]
    rows = [
        [row.name, *(text(cell, column) for cell, column in zip(row.cells, table.columns, strict=True))]
        for row in table.rows
    ]
    return [header, *rows]
