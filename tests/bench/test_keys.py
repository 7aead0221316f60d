"""Calls that fill the table of a limit, and calls of what is in it."""

import json
import random

import pytest

from bench import keys


@pytest.mark.parametrize("number", [1, keys.BATCH, keys.BATCH * keys.BATCHES_AT_ONCE + keys.BATCH + 1])
def test_batches_call_each_tool_once(monkeypatch, number):
    sent: list[bytes] = []
    monkeypatch.setattr(keys, "drive_each", lambda _, requests: sent.extend(requests))
    keys.call_each_tool(number, {"Authorization": "Bearer 1"})("http://127.0.0.1:1/mcp", lambda _: None)
    heads, batches = zip(*(request.split(b"\r\n\r\n") for request in sent), strict=True)
    assert all(b"\r\nAuthorization: Bearer 1\r\n" in head for head in heads)
    calls = [json.loads(batch) for batch in batches]
    assert max(map(len, calls)) <= keys.BATCH
    assert [call["params"]["name"] for batch in calls for call in batch] == [keys.tool(each) for each in range(number)]


def test_calls_are_of_tools_that_are_in_the_table():
    headers = keys.spread(random.Random(1), 1000, {"Authorization": "Bearer 1"})
    calls = [headers() for _ in range(5000)]
    assert all(call["Authorization"] == "Bearer 1" for call in calls)
    called = {call["Mcp-Name"] for call in calls}
    assert called <= {keys.tool(number) for number in range(1000)}
    assert len(called) > 950


def test_there_is_room_for_all_of_them():
    from bench.growth import KEYS

    assert max(KEYS) < keys.ROOM
