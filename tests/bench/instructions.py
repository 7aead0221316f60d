"""What a warm exchange costs in the harness: WebAssembly instructions and calls into the host, which are the same on
every run. A program of the workspace runs the modules and prints what it counted as JSON."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from bench.results import Column, Row, Table
from e2e.envoy_config import REPOSITORY

ARGV = ["cargo", "run", "--quiet", "--locked", "-p", "mcp-tests", "--bin", "costs", "--"]
LIMIT_SECONDS = 1800
"""It is built first."""
EXCHANGES, STREAMS = "instructions-exchange", "instructions-exchange-stream"
CALLBACKS, CALLS, GROWTH = "instructions-callbacks", "instructions-host-calls", "instructions-growth-"
JSON_ANSWER = "json"
TOTALS = {
    "callbacks": "callbacks",
    "instructions": "instructions",
    "host_calls": "host calls",
    "bytes_to_guest": "bytes read",
    "bytes_from_guest": "bytes written",
    "host_allocations": "allocations by the host",
}
HOST_CALLS = TOTALS["host_calls"]

Tree = Mapping[str, Any]


class CostsError(RuntimeError):
    """The program did not count; says why."""


def counted(what: str) -> list[Tree]:
    """What the program says of `profile` or `growth`.

    Raises:
        CostsError: It failed.
    """
    try:
        done = subprocess.run(
            [*ARGV, what], capture_output=True, text=True, timeout=LIMIT_SECONDS, cwd=REPOSITORY, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CostsError(f"{' '.join(ARGV)} {what}: no answer in {LIMIT_SECONDS} s") from error
    if done.returncode != 0:
        raise CostsError(f"{' '.join(ARGV)} {what}: {done.stderr[-1000:]}")
    return json.loads(done.stdout)[what]


def profile_tables(profiles: Sequence[Tree]) -> list[Table]:
    """A table of exchanges that are answered with JSON, and one of those with a stream; of all filters on Envoy a table
    of the callbacks, and one of the calls into the host."""
    (full,) = (each for each in profiles if exchange_name(each) == FULL_NAME and each["answer"] == JSON_ANSWER)
    columns = [Column(name, digits=0) for name in TOTALS.values()]
    tables = []
    for name, answer, chosen in (
        (EXCHANGES, "JSON", [each for each in profiles if each["answer"] == JSON_ANSWER]),
        (STREAMS, "1,000 events", [each for each in profiles if each["answer"] != JSON_ANSWER]),
    ):
        rows = [Row(exchange_name(each), tuple(each["total"][key] for key in TOTALS)) for each in chosen]
        title = f"A warm tools/call of 200 B in the harness, answered with {answer}"
        tables.append(Table(name, title, columns, rows))
    return [*tables, _callbacks(full), _host_calls(full)]


def exchange_name(profile: Tree) -> str:
    """The module, what it does, and where."""
    row = profile["row"]
    module = "" if row == profile["module"] else f"{profile['module']}, "
    return f"{module}{row} ({profile['host']})"


FULL_NAME = exchange_name({"row": "everything", "module": "mcp_gateway", "host": "envoy"})


def _callbacks(profile: Tree) -> Table:
    columns = [Column("times"), Column("instructions"), Column(HOST_CALLS), Column("allocations by the host")]
    rows = []
    for each in (*profile["callbacks"], *profile["tick_after"]):
        calls = sum(call["times"] for call in each["host_calls"])
        cells = (each["times"], each["instructions"], calls, each["host_allocations"])
        rows.append(Row(each["callback"], cells))
    return Table(CALLBACKS, f"By callback: {exchange_name(profile)}", columns, rows)


def _host_calls(profile: Tree) -> Table:
    columns = [Column("times"), Column("bytes read"), Column("bytes written")]
    rows = [
        Row(f"{each['callback']}: {call['call']}", (call["times"], call["bytes_to_guest"], call["bytes_from_guest"]))
        for each in profile["callbacks"]
        for call in each["host_calls"]
    ]
    return Table(CALLS, f"Calls into the host: {exchange_name(profile)}", columns, rows)


def growth_tables(series: Sequence[Tree]) -> list[Table]:
    """A table for each curve."""
    columns = [Column("instructions"), Column(HOST_CALLS), Column("bytes")]
    tables = []
    for each in series:
        rows = [
            Row(f"{point['x']:,}", (point["instructions"], point["host_calls"], point["bytes"]), point["x"])
            for point in each["points"]
        ]
        name = f"{GROWTH}{each['series']}-{each['host']}".replace(" ", "-").replace("_", "-")
        title = f"A warm exchange in the harness by {each['x']} ({each['host']}), which should be {each['expected']}"
        tables.append(Table(name, title, columns, rows, axis=each["x"]))
    return tables
