"""`make bench`: what the filters cost, as ratios measured in one run. Nothing is asserted.

Options shorten it (`--rounds 5`) or leave out topics (`--only cpu`).
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench import targets
from bench.engines import EngineError
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


def main() -> int:
    """Measures and prints; returns the exit status: 2 if something could not be measured."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of each comparison (default {ROUNDS})")
    parser.add_argument(
        "--requests", type=int, default=REQUESTS, help=f"that memory is watched over (default {REQUESTS:,})"
    )
    parser.add_argument("--only", choices=list(TOPICS), action="append", help="measure this only; may be repeated")
    parser.add_argument("--target", type=Path, help="where cargo built (default: CARGO_TARGET_DIR, or target)")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("--rounds: a spread needs at least 2")
    target = arguments.target or REPOSITORY / os.environ.get("CARGO_TARGET_DIR", "target")
    progress = Progress()
    print(machine(), flush=True)
    tables: list[Table] = []
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            run = Run(arguments.rounds, arguments.requests, target, Path(name), progress)
            for topic in arguments.only or TOPICS:
                progress(f"topic {topic}", last=True)
                for table in TOPICS[topic](run):
                    print(terminal(table), flush=True)
                    tables.append(table)
    except (StartError, LoadError, ProbeError, EngineError, ValidateError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    results = Results()
    results.add(tables, Origin("", "", ""))
    print(terminal(targets.table(results)))
    progress("done", last=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
