"""Tables of what is measured of the gateway module besides CPU."""

from collections.abc import Callable, Sequence

from bench import endurance, gateway, latency
from bench.figures import Figure, over
from bench.load import Load, Post, Same
from bench.results import Cell, Column, Row, Table
from bench.variants import NOTHING, ROUTER
from bench.workload import HEADERS, PATH, SMALL, body

LATENCY, MEMORY = "gateway-latency", "gateway-memory"
LATENCY_ROWS = (ROUTER, NOTHING, gateway.NATIVE_SET, gateway.ALL_FILTERS)
P99_MULTIPLE, GUEST, GROWN = "p99, x router only", "module's memory", "module's, over the first"
AIM_P99 = 1.1
CALLERS, CALLS, STREAMS = 10, 900, 100
"""Callers that take turns, and how many calls and streams one of them makes in a turn."""
KIB, MIB = 1024, 1024 * 1024


def latencies(compared: gateway.Compared, rounds: int, progress: Callable[[str], None]) -> Table:
    """Time of a request at the same steady load."""
    variants = [variant for variant in compared.variants if variant.name in LATENCY_ROWS]
    post = Post(PATH, compared.caller.headers, body(SMALL))
    rate, samples = latency.measure(variants, post, rounds, progress)
    columns = []
    for percent in latency.PERCENTILES:
        name = f"p{percent}"
        columns += [Column(name, "µs", 0), Column(f"{name} over router only", "µs", 0)]
    columns += [Column(P99_MULTIPLE, digits=2), Column("aim", digits=2, limit=True)]

    def at(name: str, place: int) -> list[float]:
        return [percentiles[place] for percentiles in samples[name]]

    rows = []
    for name in samples:
        cells: list[Cell] = []
        for place in range(len(latency.PERCENTILES)):
            baseline, values = at(ROUTER, place), at(name, place)
            cells += [Figure.of(values), None if name == ROUTER else over(baseline, values)]
        pairs = zip(at(name, -1), at(ROUTER, -1), strict=True)
        cells.append(None if name == ROUTER else Figure.of([value / base for value, base in pairs]))
        cells.append(AIM_P99 if name == gateway.ALL_FILTERS else None)
        rows.append(Row(name, tuple(cells)))
    title = (
        f"Time of a warm tools/call at {rate:,.0f} requests a second, which is {latency.PART:.0%} of what the slowest"
        " of these takes"
    )
    return Table(LATENCY, title, columns, rows, rounds)


def memory(compared: gateway.Compared, requests: int, progress: Callable[[str], None]) -> Table:
    """Memory of the gateway's Envoy over very many requests."""
    (variant,) = (variant for variant in compared.variants if variant.name == gateway.ALL_FILTERS)
    callers = [compared.caller.another(HEADERS) for _ in range(CALLERS)]
    content = body(SMALL)

    def loads() -> Sequence[Load]:
        paths = ((PATH, CALLS), (gateway.ONE_PATH, STREAMS))
        return [Same(content, number, headers, path) for headers in callers for path, number in paths]

    readings = endurance.measure(variant, loads, requests, progress, gateway.answer_with_a_stream)
    first = readings[0].memory.guest
    rows = []
    for reading in readings:
        held = reading.memory
        grown = round((held.guest - first) / KIB)
        cells = (round(held.guest / KIB), grown, held.allocated / MIB, held.resident / MIB)
        rows.append(Row(f"{reading.requests:,}", cells, reading.requests))
    columns = [Column(GUEST, "KiB"), Column(GROWN, "KiB"), Column("Envoy's heap", "MiB"), Column("resident", "MiB")]
    title = f"Memory of an Envoy with all filters, with {CALLERS} callers and a stream in ten answers"
    return Table(MEMORY, title, columns, rows, axis="requests answered")
