"""Tables of what is measured of event streams besides CPU."""

from collections.abc import Callable, Sequence

from bench import first_event as first_events
from bench import idle as idle_streams
from bench import large as large_streams
from bench import sse
from bench.figures import Figure, highest, over
from bench.gateway import ONE_PATH
from bench.report import size
from bench.results import Column, Row, Table
from bench.variants import ROUTER, Variant, router_only

AGAIN = "router only, a second one"
OVER = "over router only"
FIRST_EVENT = {"sse-first-event": first_events.BUSY, "sse-first-event-idle": first_events.IDLE}
KIB, MIB = 1024, 1024 * 1024


def first_event(compared: sse.Compared, rounds: int, progress: Callable[[str], None]) -> list[Table]:
    """Time to the first event, for what an Envoy did before. The baseline is there twice: what tells the two apart is
    noise."""
    baseline, *others = compared.variants
    others.insert(0, Variant(AGAIN, router_only, []))
    post = compared.post(ONE_PATH)
    samples = first_events.measure([baseline, *others], post, rounds, progress, sse.answer_with_streams)
    columns = [
        Column("total", "µs"),
        Column(OVER, "µs"),
        Column("99 of 100 within", "µs", 0),
        Column("aim", "µs", 0, limit=True),
    ]
    tables = []
    for table, before in FIRST_EVENT.items():
        base = samples[ROUTER, before]
        rows = [Row(ROUTER, (Figure.of(base), None, None, None))]
        for variant in others:
            values = samples[variant.name, before]
            aim = sse.AIM_FIRST_EVENT if variant.name in sse.OURS else None
            rows.append(Row(variant.name, (Figure.of(values), over(base, values), highest(base, values, 99), aim)))
        title = f"Time to the first event of a stream, from an Envoy that was {before}"
        tables.append(Table(table, title, columns, rows, rounds))
    return tables


def idle(compared: sse.Compared, numbers: Sequence[int], progress: Callable[[str], None]) -> list[Table]:
    """Memory of a stream, for each number of streams."""
    samples = idle_streams.measure(compared.variants, compared.post(sse.OPEN_PATH), numbers, progress)
    headings = ("Envoy's heap", "module's memory", "both", OVER, "resident")
    columns = [*(Column(heading, "KiB") for heading in headings), Column("aim", "KiB", limit=True)]
    tables = []
    for number in numbers:
        names = [variant.name for variant in compared.variants]
        streams = {name: idle_streams.of_one(samples, name, number) for name in names}
        rows = []
        for name, one in streams.items():
            parts = [one.allocated, one.guest, one.held, one.held - streams[ROUTER].held, one.resident]
            aim = sse.AIM_MEMORY if name in sse.OURS else None
            rows.append(Row(name, (*(part / KIB for part in parts), aim)))
        title = f"Memory of an open, idle event stream in Envoy; {number:,} of them"
        tables.append(Table(f"sse-idle-{number}", title, columns, rows))
    return tables


def large(compared: sse.Compared, length: int, rounds: int, progress: Callable[[str], None]) -> Table:
    """One large stream."""
    passed = large_streams.measure(compared.variants, compared.post(sse.LARGE_PATH), length, rounds, progress)
    rows = []
    for name, streams in passed.items():
        speed = Figure.of([stream.speed / 1e6 for stream in streams])
        rows.append(Row(name, (speed, max(stream.growth for stream in streams) / MIB)))
    columns = [Column("speed", "MB/s", 0), Column("Envoy grew by at most", "MiB")]
    return Table("sse-large", f"An event stream of {size(length)} through Envoy", columns, rows, rounds)
