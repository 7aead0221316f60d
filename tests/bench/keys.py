"""A limit whose table has few keys in it, or very many: tools, of which each was called before."""

import json
import random
from collections.abc import Callable, Mapping, Sequence

from bench.load import drive_each, request
from bench.workload import TOOL

ROOM = 2**20
"""Subjects that the table has room for."""
LIMIT = {"name": "tool_requests", "key": ["tool"], "unit": "requests", "limit": 2**50, "window": "24h"}
BATCH, BATCHES_AT_ONCE = 64, 500
BATCHING = "2025-03-26"
"""The version that has batches."""

Headers = Mapping[str, str]


def call_each_tool(number: int, headers: Headers) -> Callable[[str, Callable[[str], None]], None]:
    """Calls each of so many tools once, in batches. One for which the table had no room would be refused, and that is a
    `LoadError`."""
    batching = {**headers, "Content-Type": "application/json", "MCP-Protocol-Version": BATCHING}

    def prepare(url: str, progress: Callable[[str], None]) -> None:
        for start in range(0, number, BATCH * BATCHES_AT_ONCE):
            progress(f"{start:,} of {number:,} keys in the table")
            numbers = range(start, min(start + BATCH * BATCHES_AT_ONCE, number))
            batches = [batch(numbers[first : first + BATCH]) for first in range(0, len(numbers), BATCH)]
            drive_each(url, [request(url, batching, content) for content in batches])

    return prepare


def batch(numbers: Sequence[int]) -> bytes:
    """The body that calls the tools of these numbers."""
    call = {"jsonrpc": "2.0", "method": "tools/call"}
    return json.dumps([call | {"id": number, "params": {"name": tool(number)}} for number in numbers]).encode()


def spread(chance: random.Random, number: int, headers: Headers) -> Callable[[], dict[str, str]]:
    """Headers of calls of one of so many tools."""
    return lambda: {**headers, "Mcp-Name": tool(chance.randrange(number))}


def tool(number: int) -> str:
    """One of the tools."""
    return f"{TOOL}-{number:07}"
