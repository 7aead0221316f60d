"""What the demo prints: sections, tables, and a count of what was checked."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence

WIDTH = 96


def mark(holds: bool) -> str:
    return "✓" if holds else "✗"


class Transcript:
    """Prints as it goes. Each check is shown with ✓ or ✗; `failures` says how many did not hold."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.checks = 0
        self.failures = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def section(self, title: str, text: str) -> None:
        print(f"\n{title}\n{'─' * len(title)}", flush=True)
        print(
            textwrap.fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False),
            flush=True,
        )

    def line(self, text: str = "") -> None:
        print(text, flush=True)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Columns as wide as their widest cell; `None` is shown as a dot. An empty header is left out."""
        cells = [["·" if cell is None else str(cell) for cell in row] for row in rows]
        cells = [list(header), *cells] if header else cells
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print(f"  {text.rstrip()}", flush=True)

    def check(self, holds: bool, text: str, otherwise: object = "") -> None:
        """A claim about what just happened; `otherwise` is what was seen instead."""
        self.checks += 1
        self.failures += not holds
        print(f"  {mark(holds)} {text}", flush=True)
        if not holds:
            print(textwrap.indent(f"seen instead: {otherwise}", "      "), flush=True)
