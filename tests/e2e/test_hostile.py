"""Hostile requests at a real Envoy with one worker, each followed by a normal call on the same VM."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import EnvoyConfig
from e2e.messages import call, call_headers, initialize, legacy_call
from e2e.raw import HOST, MEDIA, Answer, Connection, Header, post, request_head
from e2e.servers import McpServer

BODY = json.dumps(call("add", {"a": 1, "b": 2})).encode()
LEGACY_BODY = json.dumps(legacy_call("add", {"a": 1, "b": 2})).encode()
CALL: list[Header] = [HOST, *MEDIA, *call_headers("add")]


@dataclass(frozen=True)
class Attack:
    """What is sent, and the statuses that may come back; `code` is that of the JSON-RPC error, if any."""

    data: bytes
    statuses: set[int]
    code: int | None = None
    pieces: bool = field(default=False)


def framed(headers: list[Header], body: bytes = BODY) -> bytes:
    return request_head("POST", [*headers, ("content-length", str(len(body)))]) + body


def chunked(headers: list[Header], body: bytes, size: int) -> bytes:
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return request_head("POST", [*headers, ("transfer-encoding", "chunked")]) + chunks + b"0\r\n\r\n"


def with_trailers(headers: list[Header], body: bytes) -> bytes:
    return (
        chunked(headers, body, len(body)).removesuffix(b"\r\n") + b"x-note: after\r\nmcp-name: other\r\n\r\n"
    )


def filler(count: int) -> list[Header]:
    return [(f"x-filler-{number}", "x") for number in range(count)]


def mirrored(name: bytes) -> list[Header]:
    return [
        HOST,
        *MEDIA,
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", name),
    ]


ATTACKS = {
    "non-UTF-8 value": Attack(framed([*CALL, ("x-note", b"a\xff\xfe")]), {200}),
    "non-UTF-8 in a mirrored header": Attack(framed(mirrored(b"add\xff")), {400}, -32020),
    "non-UTF-8 session id": Attack(
        framed([HOST, *MEDIA, ("mcp-session-id", b"\xff\xfe")], LEGACY_BODY), {404}
    ),
    "non-UTF-8 origin": Attack(framed([*CALL, ("origin", b"https://\xff")]), {403}),
    "non-UTF-8 owned header": Attack(framed([*CALL, ("x-mcp-principal", b"\xff")]), {200}),
    "HTTP/1.0 without Host": Attack(framed([*MEDIA]).replace(b"HTTP/1.1", b"HTTP/1.0", 1), {400, 426}),
    "HTTP/1.1 without Host": Attack(framed([*MEDIA]), {400}),
    "90 headers": Attack(framed([*CALL, *filler(80)]), {200}),
    "100 headers": Attack(framed([*CALL, *filler(92)]), {431}),
    "200 headers": Attack(framed([*CALL, *filler(200)]), {431}),
    "header of 50 KB": Attack(framed([*CALL, ("x-large", "x" * 50_000)]), {200}),
    "header of 60 KB": Attack(framed([*CALL, ("x-large", "x" * 61_440)]), {431}),
    "mirrored header of 50 KB": Attack(framed(mirrored(b"x" * 50_000)), {400}, -32020),
    "session id of 50 KB": Attack(
        framed([HOST, *MEDIA, ("mcp-session-id", "x" * 50_000)], LEGACY_BODY), {404}
    ),
    "empty body": Attack(framed(CALL, b""), {400}, -32700),
    "chunked, one byte at a time": Attack(chunked(CALL, BODY, 1), {200}, pieces=True),
    "chunked, with trailers": Attack(with_trailers(CALL, BODY), {200}),
    "another tool, with trailers": Attack(with_trailers(mirrored(b"other"), BODY), {400}, -32020),
    "body over the limit": Attack(framed(CALL, b" " * 1_048_577), {413}),
    "chunked body over the limit": Attack(chunked(CALL, b" " * 1_100_000, 65_536), {413}),
    "body over Envoy's own buffer": Attack(chunked(CALL, b" " * 3_000_000, 65_536), {413}),
    "gzip body": Attack(framed([*CALL, ("content-encoding", "gzip")], gzip.compress(BODY)), {415}),
    "two session ids": Attack(
        framed([HOST, *MEDIA, ("mcp-session-id", "a"), ("mcp-session-id", "b")], LEGACY_BODY), {400}, -32600
    ),
    "two content types": Attack(framed([*CALL, ("content-type", "text/plain")]), {400, 415}),
    "megabyte of brackets": Attack(framed(CALL, b"[" * 1_000_000), {400}),
    "many keys": Attack(framed(CALL, json.dumps({f"k{n}": n for n in range(40_000)}).encode()), {400}),
    "path with an encoded slash": Attack(framed(CALL).replace(b" /mcp ", b" /x%2f..%2fmcp ", 1), {400}),
}


@pytest.fixture(scope="module")
def target(session_yaml: Path, python_server: McpServer) -> Iterator[Envoy]:
    """One worker, so one VM: what kills it kills every later request."""

    def accept_old_and_rare(config: EnvoyConfig) -> None:
        config.connection_manager()["http_protocol_options"] = {
            "accept_http_10": True,
            "enable_trailers": True,
        }

    upstreams = {"mcp_servers": [python_server.port]}
    with Envoy(session_yaml, upstreams=upstreams, edit=accept_old_and_rare, concurrency=1) as envoy:
        yield envoy
        assert "panicked" not in envoy.log_text()
        reloads = envoy.stats("wasm.*(reload|fail)")
        assert not any(reloads.values()), f"a VM was lost: {reloads}"


def attack(port: int, attempt: Attack) -> Answer:
    with Connection(port) as client:
        try:
            if attempt.pieces:
                client.send_pieces((attempt.data[at : at + 1] for at in range(len(attempt.data))), 0)
            else:
                client.send(attempt.data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was sent: the answer is there already
        return client.answer()


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_and_then_a_normal_call(name: str, target: Envoy) -> None:
    attempt = ATTACKS[name]
    before = forwarded(target)
    answer = attack(target.port, attempt)
    assert answer.status in attempt.statuses, answer.body[:300]
    assert forwarded(target) - before == (answer.status == 200), "what is refused must not reach the server"
    if attempt.code is not None:
        assert answer.error_code == attempt.code
    if answer.status == 200:
        assert answer.json()["result"]["content"][0]["text"] == "3"
    assert_serves(target)


def forwarded(target: Envoy) -> int:
    """Requests that went to the server so far."""
    name = "cluster.mcp_servers.upstream_rq_total"
    return target.stats(f"^{name}$")[name]


def assert_serves(target: Envoy) -> None:
    """Both eras still work."""
    assert post(target.port, BODY, call_headers("add")).json()["result"]["content"][0]["text"] == "3"
    session = post(target.port, initialize()).headers["mcp-session-id"]
    answer = post(target.port, legacy_call("add", {"a": 2, "b": 2}), [("mcp-session-id", session)])
    assert answer.json()["result"]["content"][0]["text"] == "4"


def test_body_that_never_ends_is_given_up(session_yaml: Path, python_server: McpServer) -> None:
    settings = {"mcp_session": {"admission": {"body_timeout": "1s"}}}
    with Envoy(session_yaml, upstreams={"mcp_servers": [python_server.port]}, settings=settings) as target:
        with Connection(target.port, seconds=8) as client:
            client.send(request_head("POST", [*CALL, ("content-length", "1000")]) + BODY)
            assert client.answer().status == 408
        with Connection(target.port) as client:
            client.send(request_head("POST", [*CALL, ("content-length", "1000")]))
        time.sleep(2.5)
        assert "allow_on_headers_stop_iteration" not in target.log_text(), (
            "a client that left is no reason for alarm"
        )
        assert_serves(target)


def test_clients_that_leave_mid_body_leave_nothing_behind(target: Envoy) -> None:
    for _ in range(200):
        with Connection(target.port) as client:
            client.send(request_head("POST", [*CALL, ("content-length", "1000")]) + BODY)
    assert_serves(target)
    target.await_stat("http.mcp.downstream_rq_active", lambda active: active == 0)


def test_without_the_flag_a_request_is_answered_and_the_flag_is_named(
    session_yaml: Path, python_server: McpServer
) -> None:
    """Without `allow_on_headers_stop_iteration` Envoy never shows a held request's body to the filter."""

    def forget_flag(config: EnvoyConfig) -> None:
        del config.http_filters()[0]["typed_config"]["config"]["allow_on_headers_stop_iteration"]

    settings = {"mcp_session": {"admission": {"body_timeout": "1s"}}}
    upstreams = {"mcp_servers": [python_server.port]}
    with Envoy(session_yaml, upstreams=upstreams, settings=settings, edit=forget_flag) as target:
        with Connection(target.port, seconds=8) as client:
            client.post(BODY, call_headers("add"))
            assert client.answer().status in {408, 503}
        assert "allow_on_headers_stop_iteration" in target.log_text()
