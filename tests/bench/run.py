"""`make bench`: what the filters cost, as ratios measured in one run. Nothing is asserted.

Options shorten it (`--rounds 5`) or leave out topics (`--only cpu`).
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import wasmtime

from bench import auth, cpu, estimate, gateway, modules, quota, scan, sse, stream_tables, verify
from bench.engines import ENGINES, SLOT_SECONDS, EngineError
from bench.figures import Figure, over, ratio
from bench.load import LoadError, Same
from bench.report import aim, machine, size, spread, table, times
from bench.tokens import ALGORITHMS
from bench.variants import NATIVE_NAME, ROUTER, ProbeError, Topic, Variant, variants
from bench.workload import LARGE, SMALL, body
from e2e.envoy_config import REPOSITORY
from e2e.process import StartError

NOTHING = Path(__file__).with_name("nothing.wat")
REQUESTS = {SMALL: 1000, LARGE: 100}
SCAN_SIZES = (1024, 64 * 1024, 1024 * 1024)
ESTIMATE_KINDS = ("prose", "code", "json", "base64", "zh", "ar")
LOAD_ROUNDS, SCAN_ROUNDS, ESTIMATE_ROUNDS, VERIFY_ROUNDS = 7, 11, 11, 11
FIRST_EVENTS_A_ROUND, LARGE_ROUNDS, LARGE_BYTES = 8, 2, 100 * 1024 * 1024
IDLE_STREAMS = (1000, 5000)
TOPICS = ("gateway", "cpu", "auth", "quota", "sse", "scan", "estimate", "verify", "modules")


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


def _nothing(module: Path, callback: str = "") -> Path:
    """Writes the module that does nothing, with one more callback; returns its path."""
    module.write_bytes(wasmtime.wat2wasm(NOTHING.read_text().rstrip().removesuffix(")") + callback + ")"))
    return module


def _added(compared: Sequence[Variant], samples: cpu.Samples, load: str) -> dict[str, Figure]:
    """What each configuration costs over the first of them, the router, under that load."""
    return {
        variant.name: over(samples[ROUTER, load], samples[variant.name, load])
        for variant in compared
        if variant.name != ROUTER
    }


def _rows(samples: cpu.Samples, load: str, added: Mapping[str, Figure], native: str) -> list[list[str]]:
    rows = [[ROUTER, spread(Figure.of(samples[ROUTER, load])), "", ""]]
    for name, figure in added.items():
        total = spread(Figure.of(samples[name, load]))
        rows.append([name, total, spread(figure), times(ratio(added, name, native))])
    return rows


def _cpu(nothing: Path, rounds: int, progress: Callable[[str], None]) -> None:
    compared = variants(nothing)
    loads = {size(length): Same(body(length), number) for length, number in REQUESTS.items()}
    samples = cpu.measure(compared, loads, rounds, progress)
    for name, load in loads.items():
        print(
            table(
                f"CPU per request in Envoy: tools/call (2026-07-28), body of {name};"
                f" {rounds} rounds of {load.number} requests",
                ["median (quartiles), in microseconds", "total", "over router only", "x native"],
                _rows(samples, name, _added(compared, samples, name), NATIVE_NAME),
            )
        )


def _compare(topics: Sequence[Topic], rounds: int, progress: Callable[[str], None]) -> None:
    for topic in topics:
        samples = cpu.measure(topic.variants, topic.loads, rounds, progress, topic.upstream)
        for name, load in topic.loads.items():
            rows = _rows(samples, name, _added(topic.variants, samples, name), topic.reference)
            title = topic.title.format(name)
            print(
                table(
                    f"CPU per request in Envoy: {title}; {rounds} rounds of {load.number} requests",
                    ["median (quartiles), in microseconds", "total", "over router only", f"x {topic.short}", "aim"],
                    [[*row, aim(topic.aims.get(row[0]))] for row in rows],
                )
            )


def _sse(nothing: Path, rounds: int, progress: Callable[[str], None]) -> None:
    compared = sse.Compared(nothing)
    _compare([compared.topic()], rounds, progress)
    print(stream_tables.first_event(compared, rounds * FIRST_EVENTS_A_ROUND, progress))
    print(stream_tables.idle(compared, IDLE_STREAMS, progress))
    print(stream_tables.large(compared, LARGE_BYTES, LARGE_ROUNDS, progress))


def _scan(target: Path) -> None:
    speeds = scan.measure(target, SCAN_SIZES, SCAN_ROUNDS)
    rows = [
        [size(length), *_engines({engine: speeds[engine, length] for engine in ENGINES}, 2, 1e9)]
        for length in SCAN_SIZES
    ]
    print(
        table(
            f"JSON scan of a tools/call; {SCAN_ROUNDS} rounds of {SLOT_SECONDS * 1e3:.0f} ms",
            ["median (quartiles), in GB/s", *ENGINES, "x native"],
            rows,
        )
    )


def _estimate(target: Path) -> None:
    speeds = estimate.measure(target, ESTIMATE_KINDS, ESTIMATE_ROUNDS)
    rows = [
        [kind, *_engines({engine: speeds[engine, kind] for engine in ENGINES}, 0, 1e6)] for kind in ESTIMATE_KINDS
    ]
    print(
        table(
            f"Estimate of a text's tokens; {ESTIMATE_ROUNDS} rounds of {SLOT_SECONDS * 1e3:.0f} ms",
            ["median (quartiles), in MB/s", *ENGINES, "x native"],
            rows,
        )
    )


def _verify(target: Path) -> None:
    costs = verify.measure(target, VERIFY_ROUNDS)
    rows = [
        [algorithm, *_engines({engine: costs[engine, algorithm] for engine in ENGINES})] for algorithm in ALGORITHMS
    ]
    print(
        table(
            f"Verification of a token in pure Rust; {VERIFY_ROUNDS} rounds of {SLOT_SECONDS * 1e3:.0f} ms",
            ["median (quartiles), in microseconds", *ENGINES, "x native"],
            rows,
        )
    )


def _engines(figures: Mapping[str, Figure], digits: int = 1, scale: float = 1.0) -> list[str]:
    """Cells: the figure of each engine, and those of the wasm engines as multiples of the native one."""
    native, *engines = ENGINES
    ratios = "  ".join(times(ratio(figures, engine, native)) for engine in engines)
    return [*(spread(figure, digits, scale) for figure in figures.values()), ratios]


def _modules(nothing: Path, progress: Callable[[str], None]) -> None:
    rows = [
        [module.name, f"{module.loaded:,}", f"{module.compressed:,}"] for module in modules.sizes(REPOSITORY / "dist")
    ]
    print(table("Size of the modules, in bytes", ["module", "loaded", "gzip"], rows))
    baseline, *others = variants(nothing)
    loads = modules.load_times(baseline, [*others, auth.loading()], LOAD_ROUNDS, progress)
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
            nothing = _nothing(Path(name) / "nothing.wasm")
            if "gateway" in topics:
                callbacks = gateway.callbacks(gateway.MODULE, NOTHING.read_text())
                _compare(gateway.topics(_nothing(Path(name) / "all.wasm", callbacks)), arguments.rounds, progress)
            if "cpu" in topics:
                _cpu(nothing, arguments.rounds, progress)
            if "auth" in topics:
                _compare(auth.topics(), arguments.rounds, progress)
            if "quota" in topics:
                _compare(quota.topics(nothing), arguments.rounds, progress)
            if "sse" in topics:
                _sse(_nothing(Path(name) / "listening.wasm", sse.CALLBACK), arguments.rounds, progress)
            if "scan" in topics:
                _scan(target)
            if "estimate" in topics:
                _estimate(target)
            if "verify" in topics:
                _verify(target)
            if "modules" in topics:
                _modules(nothing, progress)
    except (StartError, LoadError, ProbeError, EngineError, modules.ValidateError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    progress("done", last=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
