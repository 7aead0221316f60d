"""Event streams at a real Envoy end when the token does that opened them; what clients see of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.messages import call, call_headers
from e2e.raw import HOST, Connection, TextHeader, request_head
from e2e.servers import McpServer
from e2e.test_auth_lists import PLUGIN, adding
from e2e.test_clients import OLD_PYTHON
from e2e.upstream import Exchange, ScriptedUpstream

PACKAGINGS = ["gateway"]  # slow

KEY = ec.generate_private_key(ec.SECP256R1())
JWK = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "1", "alg": "ES256"}
SETTINGS: dict[str, Any] = {
    "admission": {"paths": ["/mcp"]},
    "auth": {
        "issuers": [
            {
                "issuer": "https://issuer.example",
                "audiences": ["https://mcp.example.com/mcp"],
                "clock_skew": "0s",
                "jwks": {"keys": [JWK]},
            }
        ],
        "export_key": "ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ==",
    },
}
ENDING_PATIENCE = 20
CALL_SECONDS = 18
CLIENTS = REPOSITORY / "tests" / "clients"


def bearer(seconds: int) -> TextHeader:
    """A token that holds for so long."""
    now = int(time.time())
    claims = {"iss": "https://issuer.example", "aud": "https://mcp.example.com/mcp", "sub": "ann"}
    token = jwt.encode({**claims, "iat": now, "exp": now + seconds}, KEY, "ES256", headers={"kid": "1"})
    return "authorization", f"Bearer {token}"


def load_auth(config: EnvoyConfig) -> None:
    config.set_module(PLUGIN, REPOSITORY / "dist" / "mcp_auth.wasm")
    config.replace_settings(PLUGIN, SETTINGS)


def read_to_the_cut(connection: Connection) -> tuple[bytes, bool]:
    """All that comes on the stream, and whether it was cut."""
    response = connection.head()
    assert response.status == 200
    body = b""
    try:
        while piece := response.read1():
            body += piece
    except (IncompleteRead, ConnectionError):
        return body, True
    return body, not response.isclosed()


def ticking(exchange: Exchange) -> None:
    """Comments ten times a second, for far longer than any test."""
    exchange.start_events()
    for count in range(400):
        exchange.send_chunk(b": %d\n\n" % count)
        time.sleep(0.1)


def silent(exchange: Exchange) -> None:
    exchange.start_events()
    exchange.send_chunk(b": open\n\n")
    time.sleep(60)


@pytest.fixture(scope="module")
def scripted(session_yaml: Path) -> Iterator[tuple[Envoy, ScriptedUpstream]]:
    with ScriptedUpstream() as upstream:
        with Envoy(session_yaml, upstreams={"mcp_servers": [upstream.port]}, edit=load_auth) as envoy:
            yield envoy, upstream


def test_a_call_ends_with_an_error_for_it(scripted: tuple[Envoy, ScriptedUpstream]) -> None:
    envoy, upstream = scripted
    upstream.answer = ticking
    started = time.time()
    with Connection(envoy.port) as client:
        client.post(call("count", id="a b"), [*call_headers("count"), bearer(3)])
        body, cut = read_to_the_cut(client)
    took = time.time() - started
    events = body.split(b"\n\n")
    assert events[0] == b": 0" and events[-1] == b""
    kind, data = events[-2].split(b"\n")
    assert kind == b"event: message"
    error = json.loads(data.removeprefix(b"data: "))
    assert error == {
        "jsonrpc": "2.0",
        "id": "a b",
        "error": {"code": 40100, "message": "The token expired"},
    }
    assert all(event.startswith(b": ") for event in events[:-2])
    assert cut and 2 <= took < 6


def test_a_stream_opened_by_get_ends_with_a_notification(scripted: tuple[Envoy, ScriptedUpstream]) -> None:
    envoy, upstream = scripted
    upstream.answer = ticking
    with Connection(envoy.port) as client:
        client.send(request_head("GET", [HOST, ("accept", "text/event-stream"), bearer(2)]))
        body, cut = read_to_the_cut(client)
    last = json.loads(body.split(b"\n\n")[-2].partition(b"data: ")[2])
    assert last["method"] == "notifications/message"
    assert last["params"] == {"level": "error", "logger": "gateway", "data": "The token expired"}
    assert cut


def test_an_idle_stream_is_cut(scripted: tuple[Envoy, ScriptedUpstream]) -> None:
    envoy, upstream = scripted
    upstream.answer = silent
    index = len(upstream.requests())
    started = time.time()
    with Connection(envoy.port, seconds=ENDING_PATIENCE + 15) as client:
        client.send(request_head("GET", [HOST, ("accept", "text/event-stream"), bearer(2)]))
        body, cut = read_to_the_cut(client)
    took = time.time() - started
    assert (body, cut) == (b": open\n\n", True)
    assert ENDING_PATIENCE < took < ENDING_PATIENCE + 6
    assert upstream.exchange(index).peer_closes_within(5), "the upstream is free as well"


def test_a_token_that_holds_ends_nothing(scripted: tuple[Envoy, ScriptedUpstream]) -> None:
    envoy, upstream = scripted

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        for _ in range(30):
            exchange.send_chunk(b"data: {}\n\n")
            time.sleep(0.1)
        exchange.end_chunks()

    upstream.answer = answer
    with Connection(envoy.port) as client:
        client.post(call("count"), [*call_headers("count"), bearer(60)])
        assert client.answer().body == b"data: {}\n\n" * 30


def long_call(program: str, interpreter: str | Path, url: str, mode: str) -> subprocess.Popen[str]:
    steps = [{"tool": "count", "arguments": {"to": 600, "pause_ms": 100}}]
    argv = [str(interpreter), str(CLIENTS / program), url, mode, json.dumps(steps)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_real_clients_learn_why_their_call_ended(session_yaml: Path, python_server: McpServer) -> None:
    """All at once, in the middle of a call that reports progress, since a token that holds long enough for
    Envoy to start is a long time to wait."""
    clients = [
        ("tour_mcp2.py", sys.executable, "legacy"),
        ("tour_mcp2.py", sys.executable, "2026-07-28"),
        ("tour_mcp1.py", OLD_PYTHON, "legacy"),
        ("tour_sdk1.mjs", "node", "legacy"),
        ("tour_client2.mjs", "node", "auto"),
    ]

    def edit(config: EnvoyConfig) -> None:
        load_auth(config)
        config.http_filters().insert(0, adding(bearer(CALL_SECONDS)))

    with Envoy(session_yaml, upstreams={"mcp_servers": [python_server.port]}, edit=edit) as envoy:
        running = [
            long_call(program, interpreter, envoy.url, mode) for program, interpreter, mode in clients
        ]
        try:
            for client, process in zip(clients, running, strict=True):
                seen, said = process.communicate(timeout=CALL_SECONDS + 15)
                assert seen, f"{client}\n{said[-3000:]}"
                [step] = json.loads(seen)["seen"]
                assert "The token expired" in step["error"], f"{client}\n{step}"
        finally:
            for process in running:
                process.kill()
