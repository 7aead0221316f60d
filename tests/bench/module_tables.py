"""Tables of the modules as files, and of what it takes to load them."""

from collections.abc import Callable
from pathlib import Path

from bench import auth, gateway, modules, session
from bench.results import Column, Row, Table
from e2e.envoy_config import REPOSITORY

ROUNDS = 7
SIZE, LOAD = "modules-size", "modules-load"


def sizes() -> Table:
    """Bytes of each module."""
    rows = [Row(module.name, (module.loaded, module.compressed)) for module in modules.sizes(REPOSITORY / "dist")]
    return Table(SIZE, "Size of the modules", [Column("loaded", "bytes"), Column("gzip", "bytes")], rows)


def load_times(nothing: Path, progress: Callable[[str], None]) -> Table:
    """From load to configured. `nothing` is the module that does nothing."""
    baseline, *others = session.variants(nothing)
    loads = modules.load_times(baseline, [*others, auth.loading(), gateway.loading()], ROUNDS, progress)
    rows = [Row(name, (wall, used)) for name, (wall, used) in loads.items()]
    columns = [Column("wall clock", "ms"), Column("CPU", "ms")]
    return Table(LOAD, "From load to configured, in Envoy (V8), over router only", columns, rows, ROUNDS)
