"""What can be measured, by name, each as the tables it gives."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import (
    auth,
    engine_tables,
    gateway,
    gateway_tables,
    growth,
    instructions,
    module_tables,
    nothing,
    quota,
    session,
    sse,
    stream_tables,
)
from bench.comparison import compare
from bench.results import Table

FIRST_EVENTS_A_ROUND, LARGE_ROUNDS, LARGE_BYTES = 16, 2, 100 * 1024 * 1024
IDLE_STREAMS = (1000, 5000)
GROWTH_PART, LEAST_ROUNDS = 5, 2
"""The growth of a cost is seen in a few rounds: one for so many of a comparison."""


@dataclass(frozen=True)
class Run:
    """How long to measure, and with what. `requests` is how many the memory of a module is watched over; `target` is
    where cargo built; `directory` is for files that last as long as the run."""

    rounds: int
    requests: int
    target: Path
    directory: Path
    progress: Callable[[str], None]


def _gateway(run: Run) -> Iterator[Table]:
    compared = gateway.Compared(nothing.build(run.directory / "gateway.wasm", gateway.MODULE))
    yield from compare(compared.comparison(), run.rounds, run.progress)
    yield gateway_tables.latencies(compared, run.rounds, run.progress)
    yield gateway_tables.memory(compared, run.requests, run.progress)


def _instructions(run: Run) -> Iterator[Table]:
    for what, tables in (("profile", instructions.profile_tables), ("growth", instructions.growth_tables)):
        run.progress(f"harness: {what}", last=True)
        yield from tables(instructions.counted(what))


def _cpu(run: Run) -> Iterator[Table]:
    yield from compare(session.comparison(_nothing(run)), run.rounds, run.progress)


def _auth(run: Run) -> Iterator[Table]:
    for comparison in auth.comparisons():
        yield from compare(comparison, run.rounds, run.progress)


def _quota(run: Run) -> Iterator[Table]:
    for comparison in quota.comparisons(_nothing(run)):
        yield from compare(comparison, run.rounds, run.progress)


def _sse(run: Run) -> Iterator[Table]:
    compared = sse.Compared(nothing.build(run.directory / "sse.wasm", sse.MODULE))
    yield from compare(compared.comparison(), run.rounds, run.progress)
    yield from stream_tables.first_event(compared, run.rounds * FIRST_EVENTS_A_ROUND, run.progress)
    yield from stream_tables.idle(compared, IDLE_STREAMS, run.progress)
    yield stream_tables.large(compared, LARGE_BYTES, LARGE_ROUNDS, run.progress)


def _growth(run: Run) -> Iterator[Table]:
    yield from growth.tables(max(LEAST_ROUNDS, run.rounds // GROWTH_PART), run.progress)


def _scan(run: Run) -> Iterator[Table]:
    yield engine_tables.scans(run.target)


def _estimate(run: Run) -> Iterator[Table]:
    yield engine_tables.estimates(run.target)


def _verify(run: Run) -> Iterator[Table]:
    yield engine_tables.verifications(run.target)


def _modules(run: Run) -> Iterator[Table]:
    yield module_tables.sizes()
    yield module_tables.load_times(_nothing(run), run.progress)


def _nothing(run: Run) -> Path:
    return nothing.build(run.directory / "nothing.wasm")


TOPICS: Mapping[str, Callable[[Run], Iterator[Table]]] = {
    "gateway": _gateway,
    "instructions": _instructions,
    "cpu": _cpu,
    "auth": _auth,
    "quota": _quota,
    "sse": _sse,
    "growth": _growth,
    "scan": _scan,
    "estimate": _estimate,
    "verify": _verify,
    "modules": _modules,
}
