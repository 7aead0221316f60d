"""`make bench`: what the filters cost, as ratios measured in one run. Nothing is asserted.

Options shorten it (`--rounds 5`) or leave out topics (`--only cpu`).
"""

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import compare, page, publish, targets
from bench.engines import EngineError
from bench.instructions import CostsError
from bench.load import LoadError
from bench.modules import ValidateError
from bench.progress import Progress
from bench.report import machine, terminal
from bench.results import Origin, Results, Table
from bench.topics import TOPICS, Run
from bench.variants import ProbeError
from e2e.envoy_config import REPOSITORY
from e2e.process import StartError

ROUNDS, REQUESTS = 30, 1_000_000
MEASURING = (StartError, LoadError, ProbeError, EngineError, ValidateError, CostsError)
"""What can go wrong with one topic; the others are measured all the same."""


def main() -> int:
    """Measures and prints; returns the exit status: 2 if something could not be measured."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of each comparison (default {ROUNDS})")
    parser.add_argument(
        "--requests", type=int, default=REQUESTS, help=f"that memory is watched over (default {REQUESTS:,})"
    )
    parser.add_argument("--only", choices=list(TOPICS), action="append", help="measure this only; may be repeated")
    parser.add_argument("--write", action="store_true", help="bring docs/bench and docs/performance.md up to this run")
    parser.add_argument("--compare", action="store_true", help="say what changed since docs/bench was written")
    parser.add_argument("--target", type=Path, help="where cargo built (default: CARGO_TARGET_DIR, or target)")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("--rounds: a spread needs at least 2")
    target = arguments.target or REPOSITORY / os.environ.get("CARGO_TARGET_DIR", "target")
    progress = Progress()
    origin = Origin(machine(), datetime.date.today().isoformat(), commit())
    print(origin.machine, flush=True)
    tables: list[Table] = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        run = Run(arguments.rounds, arguments.requests, target, Path(name), progress)
        for topic in arguments.only or TOPICS:
            progress(topic, last=True)
            began = time.monotonic()
            try:
                for table in TOPICS[topic](run):
                    print(terminal(table), flush=True)
                    tables.append(table)
            except MEASURING as error:
                print(f"bench: {topic}: {error}", file=sys.stderr)
                failed = True
            progress(f"{topic} took {time.monotonic() - began:.0f} s", last=True)
    kept = Results.load(page.FIGURES)
    if arguments.compare:
        for table in tables:
            if (difference := compare.compared(kept, table)) is not None:
                print(terminal(difference))
    measured = kept if arguments.write else Results()
    measured.add(tables, origin)
    print(terminal(targets.table(measured)))
    if arguments.write:
        publish.write(measured)
    progress("done", last=True)
    return 2 if failed else 0


def commit() -> str:
    """What is measured, by Git's short name for it; it says so if that is not all."""
    argv = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
