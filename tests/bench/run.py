"""`make bench`: what the filters cost, as ratios measured in one run. Nothing is asserted.

Options shorten it (`--rounds 5`) or leave out topics (`--only cpu`).
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import wasmtime

from bench import cpu, modules, scan
from bench.figures import Figure, over, ratio
from bench.load import LoadError
from bench.report import machine, size, spread, table, times
from bench.variants import NATIVE_NAME, ROUTER, ProbeError, variants
from bench.workload import LARGE, SMALL
from e2e.envoy_config import REPOSITORY
from e2e.process import StartError

NOTHING = Path(__file__).with_name("nothing.wat")
REQUESTS = {SMALL: 1000, LARGE: 100}
SCAN_SIZES = (1024, 64 * 1024, 1024 * 1024)
LOAD_ROUNDS, SCAN_ROUNDS = 7, 11
TOPICS = ("cpu", "scan", "modules")


class Progress:
    """Says on standard error what is being done: in place on a terminal, else now and then."""

    EVERY_SECONDS = 10.0

    def __init__(self) -> None:
        self._start = self._said = time.monotonic()

    def __call__(self, step: str, last: bool = False) -> None:
        now = time.monotonic()
        line = f"  {now - self._start:4.0f}s  {step}"
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="\n" if last else "\r", file=sys.stderr, flush=True)
        elif last or now - self._said >= self.EVERY_SECONDS:
            self._said = now
            print(line, file=sys.stderr, flush=True)


def _cpu(nothing: Path, rounds: int, progress: Callable[[str], None]) -> None:
    compared = variants(nothing)
    samples = cpu.measure(compared, REQUESTS, rounds, progress)
    for body, number in REQUESTS.items():
        added = {
            variant.name: over(samples[ROUTER, body], samples[variant.name, body])
            for variant in compared
            if variant.name != ROUTER
        }
        rows = [[ROUTER, spread(Figure.of(samples[ROUTER, body])), "", ""]]
        for name, figure in added.items():
            total = spread(Figure.of(samples[name, body]))
            rows.append([name, total, spread(figure), times(ratio(added, name, NATIVE_NAME))])
        print(
            table(
                f"CPU per request in Envoy: tools/call (2026-07-28), body of {size(body)};"
                f" {rounds} rounds of {number} requests",
                ["median (quartiles), in microseconds", "total", "over router only", "x native"],
                rows,
            )
        )


def _scan(target: Path) -> None:
    speeds = scan.measure(target, SCAN_SIZES, SCAN_ROUNDS)
    rows = []
    for body in SCAN_SIZES:
        native, *engines = (speeds[engine, body] for engine in scan.ENGINES)
        ratios = "  ".join(times(figure.median / native.median) for figure in engines)
        rows.append([size(body), *(spread(figure, 2, 1e9) for figure in (native, *engines)), ratios])
    print(
        table(
            f"JSON scan of a tools/call; {SCAN_ROUNDS} rounds of {scan.SLOT_SECONDS * 1e3:.0f} ms",
            ["median (quartiles), in GB/s", *scan.ENGINES, "x native"],
            rows,
        )
    )


def _modules(nothing: Path, progress: Callable[[str], None]) -> None:
    rows = [
        [module.name, f"{module.loaded:,}", f"{module.compressed:,}"] for module in modules.sizes(REPOSITORY / "dist")
    ]
    print(table("Size of the modules, in bytes", ["module", "loaded", "gzip"], rows))
    baseline, *others = variants(nothing)
    loads = modules.load_times(baseline, others, LOAD_ROUNDS, progress)
    print(
        table(
            f"From load to configured, in Envoy (V8), over router only; {LOAD_ROUNDS} rounds",
            ["median (quartiles), in milliseconds", "wall clock", "CPU"],
            [[name, spread(wall), spread(used)] for name, (wall, used) in loads.items()],
        )
    )


def main() -> int:
    """Measures and prints; returns the exit status: 2 if something could not be measured."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60, help="rounds of the CPU measurement (default 60)")
    parser.add_argument("--only", choices=TOPICS, action="append", help="measure this only; may be repeated")
    parser.add_argument("--target", type=Path, help="where cargo built (default: CARGO_TARGET_DIR, or target)")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("--rounds: a spread needs at least 2")
    target = arguments.target or REPOSITORY / os.environ.get("CARGO_TARGET_DIR", "target")
    topics = arguments.only or TOPICS
    progress = Progress()
    print(machine(), flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            nothing = Path(name) / "nothing.wasm"
            nothing.write_bytes(wasmtime.wat2wasm(NOTHING.read_text()))
            if "cpu" in topics:
                _cpu(nothing, arguments.rounds, progress)
            if "scan" in topics:
                _scan(target)
            if "modules" in topics:
                _modules(nothing, progress)
    except (StartError, LoadError, ProbeError, scan.ScanError, modules.ValidateError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    progress("done", last=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
