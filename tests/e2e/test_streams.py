"""The gateway leaves bytes and time alone: bodies and event streams arrive as they were sent, event by event.

The far side is a scripted upstream that knows to the byte what it sent, and when.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import IncompleteRead
from pathlib import Path

import pytest

from e2e.envoy import Envoy
from e2e.messages import call, call_headers, legacy_call
from e2e.raw import HOST, MEDIA, Connection, Header, post, request_head
from e2e.upstream import Exchange, ScriptedUpstream

RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[]}}'

REQUEST_BODIES = {
    "compact": json.dumps(call("add")).encode(),
    "odd whitespace": json.dumps(call("add"), indent=3).replace("\n", "\r\n\t").encode() + b" \r\n",
    "escapes": json.dumps(call("add", {"text": "\u2028 \U0001f600 \\u0041 \x7f"})).encode(),
    "raw UTF-8": json.dumps(call("add", {"text": "naïve 漢字 😀"}), ensure_ascii=False).encode(),
    "numbers as written": json.dumps(call("add"))
    .replace('"arguments": {}', '"arguments": {"n": 1.50E+2, "m": -0}')
    .encode(),
    "large": json.dumps(call("add", {"text": "x" * 700_000})).encode(),
}

EVENT_STREAMS = {
    "LF, priming event first": b"id: 7_0\nretry: 5000\ndata: \n\nevent: message\nid: 7_1\ndata: "
    + RESULT
    + b"\n\n",
    "CRLF, priming event first": b"id: 2848\r\ndata: \r\nretry: 100\r\n\r\nevent: message\r\ndata: "
    + RESULT
    + b"\r\n\r\n",
    "CR": b"event: message\rdata: " + RESULT + b"\r\r",
    "comments": b": ping - 2026-11-23 04:41:48.733930+00:00\r\n\r\n:\n\n: ping\n\ndata: " + RESULT + b"\n\n",
    "several data lines": b'data: {"jsonrpc":"2.0",\ndata:"id":1,\ndata: "result":{}}\n\n',
    "byte order mark": b"\xef\xbb\xbfdata: " + RESULT + b"\n\n",
    "UTF-8": 'data: {"jsonrpc":"2.0","id":1,"result":{"text":"naïve 漢字 😀"}}\n\n'.encode(),
    "no final blank line": b"data: " + RESULT + b"\n",
    "not JSON at all": b"event: other\ndata: <html>\n\ndata\n\nid\n\n\n\n",
    "large event": b'data: {"jsonrpc":"2.0","id":1,"result":{"text":"' + b"x" * 300_000 + b'"}}\n\n',
}


@dataclass
class Scripted:
    """A gateway whose upstream can be given another script for each test."""

    gateway: Envoy
    upstream: ScriptedUpstream

    @property
    def port(self) -> int:
        return self.gateway.port

    def next_exchange(self) -> int:
        """The index that the next exchange will have."""
        return len(self.upstream.requests())


@pytest.fixture(scope="module")
def scripted(session_yaml: Path) -> Iterator[Scripted]:
    with (
        ScriptedUpstream() as upstream,
        Envoy(session_yaml, upstreams={"mcp_servers": [upstream.port]}) as envoy,
    ):
        yield Scripted(envoy, upstream)


def answer_json(exchange: Exchange) -> None:
    exchange.send_json(RESULT)


@pytest.mark.parametrize("name", REQUEST_BODIES)
@pytest.mark.parametrize("framing", ["length", "one chunk", "chunks of 1021 bytes"])
def test_request_body_is_byte_identical(scripted: Scripted, name: str, framing: str) -> None:
    body = REQUEST_BODIES[name]
    scripted.upstream.answer = answer_json
    index = scripted.next_exchange()
    headers: list[Header] = [HOST, *MEDIA, *call_headers("add")]
    with Connection(scripted.port) as client:
        if framing == "length":
            client.send(request_head("POST", [*headers, ("content-length", str(len(body)))]) + body)
        else:
            size = len(body) if framing == "one chunk" else 1021
            client.send(request_head("POST", [*headers, ("transfer-encoding", "chunked")]))
            for start in range(0, len(body), size):
                piece = body[start : start + size]
                client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            client.send(b"0\r\n\r\n")
        assert client.answer().body == RESULT
    assert scripted.upstream.exchange(index).request.body == body


@pytest.mark.parametrize("name", EVENT_STREAMS)
@pytest.mark.parametrize("size", [1, 7, 1 << 20], ids=["1 byte", "7 bytes", "whole"])
def test_event_stream_is_byte_identical(scripted: Scripted, name: str, size: int) -> None:
    stream = EVENT_STREAMS[name]
    if size == 1 and len(stream) > 10_000:
        size = 4099  # byte by byte is covered by the small streams

    def answer(exchange: Exchange) -> None:
        exchange.start_events(b"cache-control: no-cache, no-transform")
        for start in range(0, len(stream), size):
            exchange.send_chunk(stream[start : start + size])
        exchange.end_chunks()

    scripted.upstream.answer = answer
    seen = post(scripted.port, call("add"), call_headers("add"))
    assert (seen.status, seen.headers["content-type"]) == (200, "text/event-stream")
    assert seen.headers["cache-control"] == "no-cache, no-transform"
    assert seen.body == stream


def test_event_stream_with_a_length_is_byte_identical(scripted: Scripted) -> None:
    stream = EVENT_STREAMS["CRLF, priming event first"]

    def answer(exchange: Exchange) -> None:
        exchange.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(stream), stream)
        )

    scripted.upstream.answer = answer
    assert post(scripted.port, legacy_call("add")).body == stream


@pytest.mark.parametrize("status", [200, 400, 404, 429, 500])
def test_json_answer_is_byte_identical(scripted: Scripted, status: int) -> None:
    body = b'{ "jsonrpc":"2.0","id" : 1,\r\n "error":{"code":-32601,"message":"na\xc3\xafve"}}\n'

    def answer(exchange: Exchange) -> None:
        exchange.send(
            b"HTTP/1.1 %d Whatever\r\ncontent-type: application/json\r\nretry-after: 7\r\n"
            b"content-length: %d\r\n\r\n%b" % (status, len(body), body)
        )

    scripted.upstream.answer = answer
    seen = post(scripted.port, call("add"), call_headers("add"))
    assert (seen.status, seen.headers["retry-after"], seen.body) == (status, "7", body)


def test_compressed_answer_is_byte_identical(scripted: Scripted) -> None:
    body = gzip.compress(RESULT)
    scripted.upstream.answer = lambda exchange: exchange.send_json(body, b"content-encoding: gzip")
    seen = post(scripted.port, call("add"), [*call_headers("add"), ("accept-encoding", "gzip")])
    assert (seen.headers["content-encoding"], seen.body) == ("gzip", body)


def test_each_event_arrives_before_the_next_is_sent(
    scripted: Scripted, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A proxy that buffers would never deliver the first event: the second is sent only once it was seen."""
    events = 20
    seen = threading.Semaphore(0)
    index = scripted.next_exchange()

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        for number in range(events):
            exchange.send_chunk(b"data: %d\n\n" % number)
            assert seen.acquire(timeout=5), f"event {number} did not arrive in 5 s"
        exchange.end_chunks()

    scripted.upstream.answer = answer
    arrived: list[float] = []
    with Connection(scripted.port) as client:
        client.post(call("add"), call_headers("add"))
        response = client.head()
        for number in range(events):
            assert response.read1(1000) == b"data: %d\n\n" % number
            arrived.append(time.monotonic())
            seen.release()
        assert response.read() == b""
    sent = scripted.upstream.exchange(index).sent_at[1 : events + 1]
    delays = [1000 * (there - here) for here, there in zip(sent, arrived, strict=True)]
    with capsys.disabled():
        print(
            f"\n  first event {delays[0]:.1f} ms after the upstream's flush, slowest of {events}: {max(delays):.1f} ms"
        )
    record_property("first_event_ms", delays[0])
    assert max(delays) < 1000, "speed is printed, not asserted; a second is not a question of speed"


def test_client_that_hangs_up_mid_stream_is_seen_upstream(scripted: Scripted) -> None:
    closed = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(b"data: 1\n\n")
        if exchange.peer_closes_within(5):
            closed.set()

    scripted.upstream.answer = answer
    with Connection(scripted.port) as client:
        client.post(call("add"), call_headers("add"))
        assert client.head().read1(100) == b"data: 1\n\n"
    assert closed.wait(5), "the upstream was left with the open stream"


def test_client_that_hangs_up_before_the_answer_is_seen_upstream(scripted: Scripted) -> None:
    arrived, closed = threading.Event(), threading.Event()

    def answer(exchange: Exchange) -> None:
        arrived.set()
        if exchange.peer_closes_within(5):
            closed.set()

    scripted.upstream.answer = answer
    with Connection(scripted.port) as client:
        client.post(call("add"), call_headers("add"))
        assert arrived.wait(5)
    assert closed.wait(5), "the upstream went on working for a client that had left"


def test_upstream_that_breaks_off_mid_stream_is_seen_by_the_client(scripted: Scripted) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(b"data: 1\n\n")
        raise ConnectionError("the script ends the connection in the middle of the body")

    scripted.upstream.answer = answer
    with Connection(scripted.port) as client:
        client.post(call("add"), call_headers("add"))
        response = client.head()
        assert response.read1(100) == b"data: 1\n\n"
        with pytest.raises((IncompleteRead, ConnectionError)):
            response.read()


def test_long_stream_takes_no_memory(scripted: Scripted) -> None:
    event = b"data: " + b"x" * 65_536 + b"\n\n"
    count = 2000

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        for _ in range(count):
            exchange.send_chunk(event)
        exchange.end_chunks()

    scripted.upstream.answer = answer
    before = scripted.gateway.resident_bytes()
    peak = received = 0
    with Connection(scripted.port) as client:
        client.post(call("add"), call_headers("add"))
        response = client.head()
        while piece := response.read1(1 << 20):
            received += len(piece)
            peak = max(peak, scripted.gateway.resident_bytes())
    assert received == count * len(event)
    assert peak - before < 32 << 20, f"{(peak - before) >> 20} MiB more for a stream of {received >> 20} MiB"


def test_slow_tool_outlives_the_default_route_timeout(scripted: Scripted) -> None:
    """Envoy's default would answer 504 after 15 s."""

    def answer(exchange: Exchange) -> None:
        time.sleep(15.5)
        exchange.send_json(RESULT)

    scripted.upstream.answer = answer
    with Connection(scripted.port, seconds=20) as client:
        client.post(call("add"), call_headers("add"))
        assert client.answer().body == RESULT
