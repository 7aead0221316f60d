"""What the soak prints: a line now and then, and the figures at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soak.exchange import Death, Exchange
from soak.memory import LEAST_SECONDS, MIB, Memory
from soak.oracle import Fault, Outcome, Verdict

SHOWN = 20


@dataclass(frozen=True)
class Figures:
    """All that a soak came to."""

    seconds: float
    deaths: int
    verdict: Verdict
    failovers: int
    """Requests that were answered at the second attempt."""
    memory: Memory

    @property
    def right(self) -> bool:
        return not self.verdict.faults and self.memory.stable


def print_progress(
    seconds: float, exchanges: Sequence[Exchange], deaths: Sequence[Death], resident: int
) -> None:
    events = sum(len(exchange.events) for exchange in exchanges)
    print(
        f"{seconds:5.0f} s  {len(exchanges):6} requests  {events:6} events  {len(deaths):3} kills  "
        f"Envoy {resident / MIB:.1f} MiB",
        flush=True,
    )


def print_figures(figures: Figures) -> None:
    """The table, and what was wrong."""
    verdict, memory = figures.verdict, figures.memory
    rows: list[tuple[str, object]] = [
        ("seconds", f"{figures.seconds:.0f}"),
        ("servers killed", figures.deaths),
    ]
    rows += [("requests", verdict.kinds.total())]
    rows += [(f"  {kind}", count) for kind, count in sorted(verdict.kinds.items())]
    rows += [(str(outcome), verdict.outcomes[outcome]) for outcome in Outcome]
    rows += [("answered at the second attempt", figures.failovers), ("events read", verdict.events)]
    rows += [(str(fault), verdict.count(fault)) for fault in Fault]
    sizes = (memory.start, memory.end, memory.most)
    rows += [("Envoy, MiB: start, end, most", ", ".join(f"{size / MIB:.1f}" for size in sizes))]
    growth = f"{memory.growth / MIB:+.1f} MiB" if memory.judged else f"not judged under {LEAST_SECONDS:.0f} s"
    rows += [("  growth over the second half", growth)]
    width = max(len(name) for name, _ in rows)
    print("\n" + "\n".join(f"  {name.ljust(width)}  {value}" for name, value in rows))
    for fault, exchange, why in verdict.faults[:SHOWN]:
        print(f"  ✗ {fault}: {exchange.kind}, {exchange.call}: {why}")
    print(f"\n{'All of it was right.' if figures.right else 'NOT all of it was right.'}", flush=True)
