"""Tables of what the harness counted."""

import json

import pytest

from bench import instructions
from bench.instructions import CostsError

CALL = {"call": "proxy_get_header_map_pairs", "times": 2, "bytes_from_guest": 0, "bytes_to_guest": 1081}
CALLBACK = {
    "callback": "proxy_on_request_headers",
    "times": 1,
    "instructions": 47334,
    "host_allocations": 1,
    "host_calls": [CALL, CALL | {"call": "clock_time_get", "times": 1, "bytes_to_guest": 0}],
}
TICK = {"callback": "proxy_on_tick", "times": 1, "instructions": 5, "host_allocations": 0, "host_calls": []}
FULL = {
    "row": "everything",
    "module": "mcp_gateway",
    "host": "envoy",
    "answer": "json",
    "total": {
        "callbacks": 8,
        "instructions": 134826,
        "host_calls": 29,
        "host_allocations": 9,
        "bytes_from_guest": 636,
        "bytes_to_guest": 1801,
    },
    "callbacks": [CALLBACK],
    "tick_after": [TICK],
}
OTHERS = [FULL | {"answer": "1000 events"}, FULL | {"host": "apisix"}, FULL | {"row": "mcp_auth", "module": "mcp_auth"}]


def test_an_exchange_is_a_row_and_the_full_one_is_told_in_detail():
    exchanges, streams, callbacks, calls = instructions.profile_tables([*OTHERS, FULL])
    assert [row.name for row in exchanges.rows] == [
        "mcp_gateway, everything (apisix)",
        "mcp_auth (envoy)",
        "mcp_gateway, everything (envoy)",
    ]
    assert [row.name for row in streams.rows] == ["mcp_gateway, everything (envoy)"]
    assert exchanges.cell(instructions.FULL_NAME, instructions.HOST_CALLS) == 29
    assert [(row.name, row.cells) for row in callbacks.rows] == [
        ("proxy_on_request_headers", (1, 47334, 3, 1)),
        ("proxy_on_tick", (1, 5, 0, 0)),
    ]
    assert [row.cells for row in calls.rows] == [(2, 1081, 0), (1, 0, 0)]


def test_a_curve_is_a_table():
    points = [{"x": 1, "instructions": 10, "host_calls": 2, "bytes": 3}]
    series = {"series": "body size", "x": "bytes", "host": "envoy", "expected": "linear", "points": points}
    (table,) = instructions.growth_tables([series])
    assert table.name == "instructions-growth-body-size-envoy" and table.axis == "bytes"
    assert [(row.at, row.cells) for row in table.rows] == [(1, (10, 2, 3))]


def test_what_the_program_prints_is_read(monkeypatch):
    said = json.dumps({"format": 1, "profile": [FULL]})
    monkeypatch.setattr(instructions, "ARGV", ["sh", "-c", f"echo '{said}'"])
    assert instructions.counted("profile") == [FULL]


@pytest.mark.parametrize("argv", [["sh", "-c", "echo no such thing >&2; exit 1"], ["sleep", "5"]])
def test_a_program_that_fails_is_an_error(monkeypatch, argv):
    monkeypatch.setattr(instructions, "ARGV", argv[:-1] if argv[0] == "sleep" else argv)
    monkeypatch.setattr(instructions, "LIMIT_SECONDS", 0.5)
    with pytest.raises(CostsError, match="no such thing" if argv[0] == "sh" else "no answer"):
        instructions.counted("5")
