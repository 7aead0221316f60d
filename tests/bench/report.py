"""Plain-text tables for the terminal."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure

UNITS = (("MiB", 1024 * 1024), ("KiB", 1024))


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A titled table: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]

    def line(first: str, *others: str) -> str:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        return ("  " + "  ".join(cells)).rstrip()

    rule = line(*("-" * width for width in widths))
    return "\n".join(["", title, "", line(*header), rule, *(line(*row) for row in rows)])


def spread(figure: Figure, digits: int = 1, scale: float = 1.0) -> str:
    """`median (low to high)`, the quartiles in brackets."""
    median, low, high = (value / scale for value in (figure.median, figure.low, figure.high))
    return f"{median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def times(ratio: float | None) -> str:
    """A ratio, or a dash where there is none."""
    return "-" if ratio is None else f"{ratio:.2f}"


def aim(most: float | None) -> str:
    """What a ratio should be at most, if anything."""
    return "" if most is None else f"<= {most:.2f}"


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
