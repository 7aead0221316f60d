"""Speed of the JSON scan, in each engine: bytes per second of bodies of several sizes."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import engines
from bench.figures import Figure
from bench.workload import body

PACKAGE = "mcp-bench-scan"


def measure(target: Path, sizes: Sequence[int], rounds: int) -> dict[tuple[str, int], Figure]:
    """Bytes per second by engine (of `engines.ENGINES`) and body size.

    Raises:
        EngineError: It was not built, or does not find in the bodies what they hold.
    """
    with ExitStack() as stack:
        loaded = engines.load(PACKAGE, target, stack)
        works = {(engine, size): load(body(size)) for engine, load in loaded.items() for size in sizes}
        seconds = engines.seconds_each(works, rounds)
    return {(engine, size): Figure.of([size / value for value in seconds[engine, size]]) for engine, size in works}
