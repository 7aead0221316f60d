"""Tables of what is measured of event streams besides CPU."""

from collections.abc import Callable, Sequence

from bench import first_event as first_events
from bench import idle as idle_streams
from bench import large as large_streams
from bench import sse
from bench.figures import Figure, highest, over
from bench.report import aim, size, spread, table
from bench.variants import ROUTER, Variant, router_only

AGAIN = "router only, a second one"
KIB, MIB = 1024, 1024 * 1024


def first_event(compared: sse.Compared, rounds: int, progress: Callable[[str], None]) -> str:
    """Time to the first event, for what an Envoy did before. The baseline is there twice: what tells the two apart is
    noise."""
    baseline, *others = compared.variants
    others.insert(0, Variant(AGAIN, router_only, []))
    post = compared.post(sse.ONE_PATH)
    samples = first_events.measure([baseline, *others], post, rounds, progress, sse.answer_with_streams)
    tables = []
    for before in (first_events.BUSY, first_events.IDLE):
        base = samples[ROUTER, before]
        rows = [[ROUTER, spread(Figure.of(base)), "", "", ""]]
        for variant in others:
            values = samples[variant.name, before]
            added, most = spread(over(base, values)), f"{highest(base, values, 99):.0f}"
            aimed = aim(sse.AIM_FIRST_EVENT if variant.name in sse.OURS else None)
            rows.append([variant.name, spread(Figure.of(values)), added, most, aimed])
        tables.append(
            table(
                f"Time to the first event of a stream, from an Envoy that was {before}; {rounds:,} rounds",
                ["median (quartiles), in microseconds", "total", "over router only", "99 of 100 within", "aim"],
                rows,
            )
        )
    return "\n".join(tables)


def idle(compared: sse.Compared, numbers: Sequence[int], progress: Callable[[str], None]) -> str:
    """Memory of a stream, for each number of streams."""
    samples = idle_streams.measure(compared.variants, compared.post(sse.OPEN_PATH), numbers, progress)
    tables = []
    for number in numbers:
        names = [variant.name for variant in compared.variants]
        streams = {name: idle_streams.of_one(samples, name, number) for name in names}
        rows = []
        for name, one in streams.items():
            parts = [one.allocated, one.guest, one.held, one.held - streams[ROUTER].held, one.resident]
            aimed = aim(sse.AIM_MEMORY if name in sse.OURS else None)
            rows.append([name, *(f"{part / KIB:.1f}" for part in parts), aimed])
        tables.append(
            table(
                f"Memory of an open, idle event stream in Envoy; {number:,} of them",
                ["in KiB", "Envoy's heap", "module's memory", "both", "over router only", "resident", "aim"],
                rows,
            )
        )
    return "\n".join(tables)


def large(compared: sse.Compared, length: int, rounds: int, progress: Callable[[str], None]) -> str:
    """One large stream."""
    passed = large_streams.measure(compared.variants, compared.post(sse.LARGE_PATH), length, rounds, progress)
    rows = []
    for name, streams in passed.items():
        speed, growth = Figure.of([stream.speed for stream in streams]), max(stream.growth for stream in streams)
        rows.append([name, spread(speed, 0, 1e6), f"{growth / MIB:.1f}"])
    return table(
        f"An event stream of {size(length)} through Envoy; {rounds} rounds",
        ["median (quartiles)", "MB/s", "Envoy grew by at most, in MiB"],
        rows,
    )
