"""Tables of what our code does in each engine, outside of any gateway."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import estimate, scan, verify
from bench.engines import ENGINES, SLOT_SECONDS
from bench.figures import Figure, ratio
from bench.report import size
from bench.results import Cell, Column, Row, Table
from bench.tokens import ALGORITHMS

SCAN_SIZES = (1024, 64 * 1024, 1024 * 1024)
ESTIMATE_KINDS = ("prose", "code", "json", "base64", "zh", "ar")
ROUNDS = 11
OF_SLOTS = f"of {SLOT_SECONDS * 1e3:.0f} ms each"


def scans(target: Path) -> Table:
    """Speed of the JSON scan, by size."""
    speeds = scan.measure(target, SCAN_SIZES, ROUNDS)
    rows = [_row(size(length), [speeds[engine, length] for engine in ENGINES], 1e9) for length in SCAN_SIZES]
    return Table("scan", f"JSON scan of a tools/call, {OF_SLOTS}", _columns("GB/s", 2), rows, ROUNDS)


def estimates(target: Path) -> Table:
    """Speed of the estimate of tokens, by kind of text."""
    speeds = estimate.measure(target, ESTIMATE_KINDS, ROUNDS)
    rows = [_row(kind, [speeds[engine, kind] for engine in ENGINES], 1e6) for kind in ESTIMATE_KINDS]
    return Table("estimate", f"Estimate of a text's tokens, {OF_SLOTS}", _columns("MB/s", 0), rows, ROUNDS)


def verifications(target: Path) -> Table:
    """Cost of a token's verification, by algorithm."""
    costs = verify.measure(target, ROUNDS)
    rows = [_row(algorithm, [costs[engine, algorithm] for engine in ENGINES]) for algorithm in ALGORITHMS]
    return Table("verify", f"Verification of a token in pure Rust, {OF_SLOTS}", _columns("µs", 1), rows, ROUNDS)


def _columns(unit: str, digits: int) -> Sequence[Column]:
    _, *compared = ENGINES
    multiples = [Column(f"{engine}, x native", digits=2) for engine in compared]
    return [*(Column(engine, unit, digits) for engine in ENGINES), *multiples]


def _row(name: str, figures: Sequence[Figure], scale: float = 1.0) -> Row:
    """The figure of each engine, and those of the wasm engines as multiples of the native one."""
    scaled = [Figure(*(value / scale for value in (each.median, each.low, each.high))) for each in figures]
    by_engine: Mapping[str, Figure] = dict(zip(ENGINES, scaled, strict=True))
    native, *compared = ENGINES
    multiples: list[Cell] = [ratio(by_engine, engine, native) for engine in compared]
    return Row(name, (*scaled, *multiples))
