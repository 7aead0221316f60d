"""mcp_sse.wasm at a real Envoy: heads of event streams, rules, trace context, and how streams are measured."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY
from e2e.messages import call, call_headers, legacy_call
from e2e.raw import HOST, Connection, post, request_head
from e2e.upstream import Exchange, ScriptedUpstream

SSE_YAML = REPOSITORY / "envoy" / "sse.yaml"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RESULT = b'{"jsonrpc":"2.0","id":1,"result":{}}'
LARGE_STREAM = 100 * 1024 * 1024
MOST_GROWTH = 32 * 1024 * 1024
"""Buffers of sockets and of Envoy; a stream that was held would take several times this."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as scripted:
        yield scripted


@pytest.fixture(scope="module")
def envoy(packaging: str, upstream: ScriptedUpstream) -> Iterator[Envoy]:
    ports = {"mcp_servers": [upstream.port]}
    settings = {"mcp_sse": {"sse": {"endpoint": {"prefix": "/servers/a"}}}}
    with Envoy(SSE_YAML, upstreams=ports, settings=settings) as running:
        yield running


def test_the_head_of_a_stream_keeps_everybody_from_holding_it(
    envoy: Envoy, upstream: ScriptedUpstream
) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start_events(b'etag: "1"', b"cache-control: no-cache", b"server: planted")
        exchange.send_chunk(b"data: " + RESULT + b"\n\n")
        exchange.end_chunks()

    upstream.answer = answer
    answered = post(envoy.port, legacy_call("add"), [("accept-encoding", "gzip")])
    assert answered.status == 200
    assert answered.headers["content-type"] == "text/event-stream"
    assert answered.headers["x-accel-buffering"] == "no"
    assert answered.headers["cache-control"] == "no-cache, no-transform"
    assert answered.headers["etag"] is None
    assert answered.body == b"data: " + RESULT + b"\n\n"
    assert upstream.requests()[-1].header("accept-encoding") is None


def test_a_document_keeps_its_head(envoy: Envoy, upstream: ScriptedUpstream) -> None:
    upstream.answer = lambda exchange: exchange.send_json(RESULT, b'etag: "1"')
    answered = post(envoy.port, legacy_call("add"))
    assert answered.headers["etag"] == '"1"'
    assert answered.headers["content-length"] == str(len(RESULT))
    assert answered.headers["x-accel-buffering"] is None


def test_a_rule_tells_the_server_the_tool_and_no_client_can(
    envoy: Envoy, upstream: ScriptedUpstream
) -> None:
    upstream.answer = lambda exchange: exchange.send_json(RESULT)
    post(envoy.port, call("add"), [*call_headers("add"), ("x-tool", "forged")])
    assert upstream.requests()[-1].header("x-tool") == b"add"
    post(envoy.port, {"jsonrpc": "2.0", "id": 1, "method": "ping"}, [("X-Tool", "forged")])
    assert upstream.requests()[-1].header("x-tool") is None


def test_the_trace_of_a_message_is_that_of_its_request(envoy: Envoy, upstream: ScriptedUpstream) -> None:
    upstream.answer = lambda exchange: exchange.send_json(RESULT)
    message = call("add")
    message["params"]["_meta"] |= {"traceparent": TRACE, "tracestate": "vendor=1"}
    post(envoy.port, message, call_headers("add"))
    assert upstream.requests()[-1].header("traceparent") == TRACE.encode()
    assert upstream.requests()[-1].header("tracestate") == b"vendor=1"
    other = TRACE.replace("0af", "1af")
    post(envoy.port, message, [*call_headers("add"), ("traceparent", other)])
    assert upstream.requests()[-1].header("traceparent") == other.encode()


def test_events_pass_as_they_come(envoy: Envoy, upstream: ScriptedUpstream) -> None:
    upstream.answer = lambda exchange: exchange.start_events()
    with Connection(envoy.port) as connection:
        before = len(upstream.requests())
        connection.post(legacy_call("slow"))
        server = upstream.exchange(before)
        response = connection.head()
        for piece in (b"da", b"ta: 1\n", b"\n: ping\n\n", b"event: x\r\n", b"data: \xc3", b"\xa4\r\n\r\n"):
            server.send_chunk(piece)
            assert response.read1(100) == piece
        server.end_chunks()
        assert response.read() == b""


def test_an_endpoint_leads_back_through_the_gateway(envoy: Envoy, upstream: ScriptedUpstream) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(b"event: endpoint\ndata: /messages?session_id=1\n\n")
        exchange.send_chunk(b"event: message\ndata: " + RESULT + b"\n\n")
        exchange.end_chunks()

    upstream.answer = answer
    with Connection(envoy.port) as connection:
        connection.send(request_head("GET", [HOST, ("accept", "text/event-stream")], "/sse"))
        body = connection.answer().body
    assert body == (
        b"event: endpoint\ndata: /servers/a/messages?session_id=1\n\nevent: message\ndata: " + RESULT + b"\n\n"
    )


def test_streams_are_measured(envoy: Envoy, upstream: ScriptedUpstream) -> None:
    def events(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(b": hello\n\ndata: 1\n\ndata: " + RESULT + b"\n\n")
        exchange.end_chunks()

    def mistyped(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(RESULT)
        exchange.end_chunks()

    def events_so_far() -> int:
        return envoy.stats("mcp_sse_events$").get("wasmcustom.mcp_sse_events", 0)

    envoy.await_stat("wasmcustom.mcp_sse_events", lambda _: True)
    before = events_so_far()
    upstream.answer = events
    post(envoy.port, legacy_call("add"))
    envoy.await_stat("wasmcustom.mcp_sse_events", lambda now: now >= before + 2)
    upstream.answer = mistyped
    post(envoy.port, legacy_call("add"))
    envoy.await_stat("wasmcustom.mcp_sse_mistyped.body.json", lambda now: now == 1)
    outcomes = {labels["outcome"] for labels, _ in envoy.samples("mcp_sse_streams")}
    assert {"complete", "mistyped"} <= outcomes
    # Histograms are told with Envoy's flush, every five seconds.
    deadline = time.monotonic() + 15
    while not (counted := envoy.samples("mcp_sse_first_event_milliseconds_count")) or not counted[0][1]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_large_stream_takes_no_memory(envoy: Envoy, upstream: ScriptedUpstream) -> None:
    event = b"data: " + json.dumps({"jsonrpc": "2.0", "method": "x", "params": "y" * 60_000}).encode() + b"\n\n"
    count = LARGE_STREAM // len(event)

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        for _ in range(count):
            exchange.send_chunk(event)
        exchange.end_chunks()

    upstream.answer = answer
    before = most = envoy.resident_bytes()
    received = 0
    with Connection(envoy.port, seconds=60.0) as connection:
        connection.post(legacy_call("large"))
        response = connection.head()
        while piece := response.read1(1 << 20):
            received += len(piece)
            most = max(most, envoy.resident_bytes())
    assert received == count * len(event)
    assert most - before < MOST_GROWTH, f"{(most - before) >> 20} MiB"
