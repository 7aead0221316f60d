"""Lists at a real Envoy show what the caller may use, and real clients of real servers can go on from there."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.legacy import LegacySession
from e2e.messages import legacy, modern, modern_headers
from e2e.raw import HOST, Connection, TextHeader, post, request_head
from e2e.servers import McpServer, http_and_sse, stateless
from e2e.test_clients import (
    LEGACY_TOURISTS,
    MODERN_TOURISTS,
    PROBING_TOURISTS,
    PYTHON_STEPS,
    PYTHON_TEXTS,
    STATELESS_STEPS,
    TYPESCRIPT_STEPS,
    Step,
    Tourist,
)
from e2e.upstream import Exchange, ScriptedUpstream

PACKAGINGS = ["gateway"]  # slow

PLUGIN = "mcp_session"
API_KEY = "an-api-key-of-the-tests"
KEY_HEADER: TextHeader = ("x-api-key", API_KEY)
TOOLS = ["add", "count", "break_stream", "echo", "trigger-long-running-operation"]
SETTINGS: dict[str, Any] = {
    "admission": {"paths": ["/mcp", "/sse", "/messages/"]},
    "auth": {
        "api_keys": [
            {"hash": f"sha256:{hashlib.sha256(API_KEY.encode()).hexdigest()}", "principal": "tests"}
        ],
        "rules": [
            {"action": "allow", "methods": ["*/list", "logging/setLevel"]},
            {"action": "allow", "methods": ["tools/call"], "names": TOOLS},
            {"action": "allow", "methods": ["resources/read"], "names": ["note://*"]},
        ],
        "export_key": "ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ==",
    },
}
TOOL_LIST = (
    b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"add"},{"name":"secret"},{"name":"count"}]}}'
)
FILTERED = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"add"},{"name":"count"}]}}'


def load_auth(config: EnvoyConfig, credentials: TextHeader | None = KEY_HEADER) -> None:
    """Puts the auth module in the place of the session module; the gateway itself adds the credentials, so
    that clients need not know of them."""
    config.set_module(PLUGIN, REPOSITORY / "dist" / "mcp_auth.wasm")
    config.replace_settings(PLUGIN, SETTINGS)
    if credentials is not None:
        config.http_filters().insert(0, adding(credentials))


def adding(header: TextHeader) -> dict[str, Any]:
    """A filter that gives every request this header."""
    key, value = header
    append = {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        "name": "envoy.filters.http.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": {"request_mutations": [{"append": append}]},
        },
    }


def in_front_of(session_yaml: Path, port: int) -> Envoy:
    return Envoy(session_yaml, upstreams={"mcp_servers": [port]}, edit=load_auth)


@pytest.fixture(scope="module")
def python_gateway(session_yaml: Path, python_server: McpServer) -> Iterator[Envoy]:
    with in_front_of(session_yaml, python_server.port) as envoy:
        yield envoy


@pytest.fixture(scope="module")
def typescript_gateway(session_yaml: Path, typescript_server: McpServer) -> Iterator[Envoy]:
    with in_front_of(session_yaml, typescript_server.port) as envoy:
        yield envoy


@pytest.fixture(scope="module")
def scripted(session_yaml: Path) -> Iterator[tuple[Envoy, ScriptedUpstream]]:
    with ScriptedUpstream() as upstream, in_front_of(session_yaml, upstream.port) as envoy:
        yield envoy, upstream


def allowed(steps: list[Step]) -> list[Step]:
    return [step for step in steps if step.get("tool") in TOOLS or "resource" in step]


@pytest.mark.parametrize("tourist", LEGACY_TOURISTS + MODERN_TOURISTS, ids=str)
def test_python_server(tourist: Tourist, python_gateway: Envoy) -> None:
    steps = allowed(PYTHON_STEPS)
    seen = tourist.tour(python_gateway.url, steps)
    assert seen["tools"] == ["add", "break_stream", "count"]
    texts = dict(zip(map(json.dumps, PYTHON_STEPS), PYTHON_TEXTS, strict=True))
    assert [step["text"] for step in seen["seen"]] == [texts[json.dumps(step)] for step in steps]


@pytest.mark.parametrize("tourist", LEGACY_TOURISTS + PROBING_TOURISTS, ids=str)
def test_typescript_server(tourist: Tourist, typescript_gateway: Envoy) -> None:
    seen = tourist.tour(typescript_gateway.url, allowed(TYPESCRIPT_STEPS))
    assert seen["tools"] == ["echo", "trigger-long-running-operation"]
    assert [step["text"].split()[0] for step in seen["seen"]] == ["Echo:", "Long"]


@pytest.mark.parametrize("tourist", LEGACY_TOURISTS + PROBING_TOURISTS, ids=str)
def test_server_without_sessions(tourist: Tourist, session_yaml: Path, tmp_path: Path) -> None:
    with stateless(tmp_path) as server, in_front_of(session_yaml, server.port) as envoy:
        seen = tourist.tour(envoy.url, STATELESS_STEPS)
    assert seen["tools"] == ["add", "count"]
    assert [step["text"] for step in seen["seen"]] == ["3", "counted to 3"]


def test_transport_of_2024(session_yaml: Path, tmp_path: Path) -> None:
    """Every answer comes on the one stream that was opened by GET."""
    tourist = Tourist("tour_mcp1.py", "sse", "tour-mcp1")
    steps = [step for step in allowed(PYTHON_STEPS) if step.get("tool") != "break_stream"]
    with http_and_sse(tmp_path) as server, in_front_of(session_yaml, server.port) as envoy:
        seen = tourist.tour(f"http://127.0.0.1:{envoy.port}/sse", steps)
    assert seen["tools"] == ["add", "break_stream", "count"]
    assert [step["text"] for step in seen["seen"]] == ["3", "counted to 3", "A note on gateways."]


def test_lists_of_both_eras(python_gateway: Envoy) -> None:
    session = LegacySession.open(python_gateway.port)
    old = {
        method: session.post(legacy(method)).json()["result"]
        for method in ["tools/list", "prompts/list", "resources/templates/list"]
    }
    assert sorted(tool["name"] for tool in old["tools/list"]["tools"]) == ["add", "break_stream", "count"]
    assert old["prompts/list"]["prompts"] == []
    assert [entry["uriTemplate"] for entry in old["resources/templates/list"]["resourceTemplates"]] == [
        "note://{topic}"
    ]
    answer = post(python_gateway.port, modern("tools/list"), modern_headers("tools/list"))
    new = answer.json()["result"]
    assert sorted(tool["name"] for tool in new["tools"]) == ["add", "break_stream", "count"]
    assert new["cacheScope"] == "private"
    length = answer.headers["content-length"]
    assert length is None or int(length) == len(answer.body)


@pytest.mark.parametrize("size", [1, 7, 1 << 20], ids=["1 byte", "7 bytes", "whole"])
@pytest.mark.parametrize("framing", ["length", "chunks", "events"])
def test_any_framing(scripted: tuple[Envoy, ScriptedUpstream], framing: str, size: int) -> None:
    envoy, upstream = scripted
    before = b'id: 1\r\nretry: 5\r\ndata: \r\n\r\n: ping\r\n\r\ndata: {"jsonrpc":"2.0","method":"n"}\r\n\r\n'
    events = framing == "events"
    body = before + b"id: 2\r\ndata: " + TOOL_LIST + b"\r\n\r\n" if events else TOOL_LIST

    def answer(exchange: Exchange) -> None:
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        kind = b"text/event-stream" if events else b"application/json"
        head = b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\n"
        if framing == "length":
            exchange.send(head + b"content-length: %d\r\n\r\n" % len(body))
            for piece in pieces:
                exchange.send(piece)
        else:
            exchange.send(head + b"transfer-encoding: chunked\r\n\r\n")
            for piece in pieces:
                exchange.send_chunk(piece)
            exchange.end_chunks()

    upstream.answer = answer
    seen = post(envoy.port, legacy("tools/list"))
    expect = before + b"id: 2\r\ndata: " + FILTERED + b"\r\n\r\n" if events else FILTERED
    assert (seen.status, seen.body) == (200, expect)


def test_an_event_goes_on_when_it_is_complete(scripted: tuple[Envoy, ScriptedUpstream]) -> None:
    envoy, upstream = scripted
    go_on = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(b"data: 1\n\ndata: " + TOOL_LIST[:20])
        assert go_on.wait(5)
        exchange.send_chunk(TOOL_LIST[20:] + b"\n\n")
        exchange.end_chunks()

    upstream.answer = answer
    with Connection(envoy.port) as client:
        client.send(request_head("GET", [HOST, ("accept", "text/event-stream")]))
        stream = client.head()
        go_on.set()
        assert stream.read() == b"data: " + FILTERED + b"\n\n", "what is no message is left out"


@pytest.mark.parametrize(
    "body", [TOOL_LIST[:-1], TOOL_LIST.replace(b'"id"', b'"Result":{},"id"'), b"\xff" + TOOL_LIST]
)
def test_what_cannot_be_read_is_withheld(scripted: tuple[Envoy, ScriptedUpstream], body: bytes) -> None:
    envoy, upstream = scripted
    upstream.answer = lambda exchange: exchange.send_json(body)
    seen = post(envoy.port, legacy("tools/list", id="a b"))
    assert (seen.status, seen.error_code, seen.json()["id"]) == (200, 50200, "a b")
    assert b"secret" not in seen.body


def test_a_compressed_answer_is_asked_not_to_come_and_withheld(
    scripted: tuple[Envoy, ScriptedUpstream],
) -> None:
    envoy, upstream = scripted
    index = len(upstream.requests())
    upstream.answer = lambda exchange: exchange.send_json(gzip.compress(TOOL_LIST), b"content-encoding: gzip")
    seen = post(envoy.port, legacy("tools/list"), [("accept-encoding", "gzip")])
    assert upstream.exchange(index).request.header("accept-encoding") is None
    assert (seen.status, seen.error_code, seen.json()["id"]) == (200, 50200, 1)
    assert seen.headers["content-encoding"] is None
