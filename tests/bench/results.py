"""What a run measured: tables of figures, which are printed, kept in a file, drawn and compared."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.figures import Figure

Cell = Figure | float | str | None
"""A figure; a number that has no spread, or is exact if it is an `int`; words; or nothing."""
DIGITS_KEPT = 5


@dataclass(frozen=True)
class Column:
    """What the cells below it are; `unit` is empty for ratios. A `limit` is what a neighbour should be at most."""

    name: str
    unit: str = ""
    digits: int = 1
    limit: bool = False

    @property
    def heading(self) -> str:
        """Its name with its unit."""
        return f"{self.name}, {self.unit}" if self.unit else self.name


@dataclass(frozen=True)
class Row:
    """`at` is where on the axis of a curve it is."""

    name: str
    cells: tuple[Cell, ...]
    at: float | None = None


@dataclass(frozen=True)
class Table:
    """Figures that belong together. `name` is the same in each run; `title` says more. `axis` is what a curve is
    against."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    rounds: int = 0
    axis: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"{self.name}: {row.name} has {len(row.cells)} cells for {len(self.columns)} columns")

    def cell(self, row: str, column: str) -> Cell:
        """What is in it; nothing if there is no such row or column."""
        place = next((place for place, known in enumerate(self.columns) if known.name == column), None)
        found = next((known for known in self.rows if known.name == row), None)
        return None if place is None or found is None else found.cells[place]


@dataclass(frozen=True)
class Origin:
    """Where figures come from."""

    machine: str
    date: str
    commit: str


@dataclass(frozen=True)
class Entry:
    """A table, and where its figures come from."""

    table: Table
    origin: Origin


class Results:
    """Tables by their names, as kept in a file."""

    def __init__(self, entries: Mapping[str, Entry] | None = None) -> None:
        self._entries = dict(entries or {})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Those in a file; none if there is no such file."""
        if not path.exists():
            return cls()
        kept = json.loads(path.read_text())
        return cls({name: _entry(name, fields) for name, fields in kept["tables"].items()})

    def save(self, path: Path) -> None:
        """Writes them all, a row of a table a line, so that a change of a figure is one of its line."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text())

    def text(self) -> str:
        """As in the file."""
        tables = ",\n".join(f"  {_json(name)}: {_entry_text(entry)}" for name, entry in sorted(self._entries.items()))
        return f'{{"tables": {{\n{tables}\n}}}}\n'

    def add(self, tables: Iterable[Table], origin: Origin) -> None:
        """Puts tables in the place of those that have their names."""
        for table in tables:
            self._entries[table.name] = Entry(table, origin)

    def __getitem__(self, name: str) -> Table:
        return self._entries[name].table

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def cell(self, table: str, row: str, column: str) -> Cell:
        """What is in it; nothing if it was not measured."""
        return self[table].cell(row, column) if table in self else None

    def origin(self, name: str) -> Origin:
        """Of that table's figures."""
        return self._entries[name].origin


def _entry(name: str, fields: Mapping[str, Any]) -> Entry:
    columns = [Column(**column) for column in fields["columns"]]
    rows = [Row(row["name"], tuple(map(_cell, row["cells"])), row.get("at")) for row in fields["rows"]]
    table = Table(name, fields["title"], columns, rows, fields["rounds"], fields["axis"])
    return Entry(table, Origin(**fields["origin"]))


def _entry_text(entry: Entry) -> str:
    table = entry.table
    fields = {
        "title": table.title,
        "origin": vars(entry.origin),
        "rounds": table.rounds,
        "axis": table.axis,
        "columns": [vars(column) for column in table.columns],
    }
    lines = [f"    {_json(name)}: {_json(value)}" for name, value in fields.items()]
    rows = [{"name": row.name, **({"at": row.at} if row.at is not None else {})} for row in table.rows]
    kept = [fields | {"cells": list(map(_kept, row.cells))} for fields, row in zip(rows, table.rows, strict=True)]
    lines.append('    "rows": [\n' + ",\n".join(f"      {_json(row)}" for row in kept) + "\n    ]")
    return "{\n" + ",\n".join(lines) + "\n  }"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cell(kept: Any) -> Cell:
    return Figure(kept["median"], *kept["quartiles"]) if isinstance(kept, dict) else kept


def _kept(cell: Cell) -> object:
    match cell:
        case Figure():
            return {"median": _rounded(cell.median), "quartiles": [_rounded(cell.low), _rounded(cell.high)]}
        case float():
            return _rounded(cell)
    return cell


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS_KEPT}g}")
