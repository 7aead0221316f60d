"""`"log": "exchanges"` at a real Envoy: one line of each exchange once it is over, by real clients too."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.identity import AUDIENCE, ISSUER, Issuer
from e2e.legacy import LegacySession
from e2e.messages import call, call_headers
from e2e.raw import HOST, Connection, TextHeader, post, request_head
from e2e.servers import McpServer
from e2e.test_clients import Tourist
from e2e.upstream import Exchange, ScriptedUpstream

GATEWAY_YAML = REPOSITORY / "envoy" / "gateway.yaml"
CALLERS = Issuer()
EXCHANGES = {"telemetry": {"log": "exchanges"}}
EVENT = b'data: {"jsonrpc":"2.0","id":1,"result":{"content":[]}}\n\n'
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
LINE = re.compile(r"\{\"[^\n]*\"event\":[^\n]*\}")


def lines(envoy: Envoy, count: int, seconds: float = 5.0) -> list[dict[str, Any]]:
    """The lines so far, once there are so many: Envoy flushes its log now and then."""
    deadline = time.monotonic() + seconds
    while len(found := [json.loads(line) for line in LINE.findall(envoy.log_text())]) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(found)} lines of {count}: {found}")
        time.sleep(0.05)
    return found


def trust_callers(config: EnvoyConfig) -> None:
    issuer = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"keys": [CALLERS.key]}}
    issuer["tenant_claim"] = "org.id"
    config.change_settings("mcp_gateway", {"auth": {"issuers": [issuer]}, **EXCHANGES})


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def gateway(upstream: ScriptedUpstream) -> Iterator[Envoy]:
    """Of its own for each test, with a log of its own."""
    with Envoy(GATEWAY_YAML, upstreams={"mcp_servers": [upstream.port]}, edit=trust_callers) as envoy:
        yield envoy


def caller(*headers: TextHeader) -> Sequence[TextHeader]:
    claims = {"org": {"id": "acme"}, "client_id": "planted-app", "scope": "mcp:read"}
    return [CALLERS.bearer("planted-ann", **claims), *headers]


def events(exchange: Exchange) -> None:
    exchange.start_events()
    exchange.send_chunk(EVENT)
    time.sleep(0.3)
    exchange.end_chunks()


def test_a_stream_has_one_line_once_it_is_over(gateway: Envoy, upstream: ScriptedUpstream) -> None:
    upstream.answer = events
    headers = caller(("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"))
    post(gateway.port, call("add", {"secret": "planted-argument"}), [*call_headers("add"), *headers])
    [line] = lines(gateway, 1)
    assert 300 <= line.pop("duration_ms") < 10_000
    assert re.fullmatch(r"[A-Za-z0-9_-]{20,}", line.pop("user.hash"))
    assert line.pop("http.request.body.size") > 100
    assert line.pop("charged")["caller-cap"] == 1
    assert line == {
        "event": "forwarded",
        "era": "modern",
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "add",
        "http.response.status_code": 200,
        "http.response.body.size": len(EVENT),
        "ending": "complete",
        "tenant": "acme",
        "agent": "planted-app",
        "trace_id": TRACE,
    }
    assert "planted-ann" not in gateway.log_text() and "planted-argument" not in gateway.log_text()


def test_who_leaves_is_told_of_when_they_do(gateway: Envoy, upstream: ScriptedUpstream) -> None:
    upstream.answer = lambda exchange: exchange.start_events()
    with Connection(gateway.port) as connection:
        connection.send(request_head("GET", [HOST, ("accept", "text/event-stream"), *caller()]))
        assert connection.head().status == 200
        time.sleep(0.3)
        assert not LINE.findall(gateway.log_text()), "it is not over"
    [line] = lines(gateway, 1)
    assert (line["ending"], line["mcp.method.name"]) == ("cut", "none")
    assert line["http.response.status_code"] == 200


def test_a_refusal_has_one_line_and_a_dead_server_its_status(
    gateway: Envoy, upstream: ScriptedUpstream
) -> None:
    def broken(_: Exchange) -> None:
        raise ConnectionError

    upstream.answer = broken
    post(gateway.port, call("delete_it"), [*call_headers("delete_it"), *caller()])
    post(gateway.port, call("add"), [*call_headers("add"), *caller()])
    time.sleep(0.3)
    refused, failed = lines(gateway, 2)
    assert (refused["event"], refused["error.type"]) == ("refused", "forbidden")
    assert refused["detail"] == "rule nobody_deletes"
    assert (refused["tenant"], refused["http.response.status_code"]) == ("acme", 403)
    assert (failed["event"], failed["error.type"]) == ("forwarded", "503")
    assert failed["http.response.status_code"] == 503


def test_a_body_that_never_comes_is_counted(session_yaml: Path, upstream: ScriptedUpstream) -> None:
    settings = {"mcp_session": {"admission": {"body_timeout": "1s"}, **EXCHANGES}}
    with Envoy(session_yaml, upstreams={"mcp_servers": [upstream.port]}, settings=settings) as envoy:
        with Connection(envoy.port) as connection:
            head = [HOST, ("content-type", "application/json"), ("content-length", "50")]
            connection.send(request_head("POST", head) + b"{")
            assert connection.answer().status == 408
        [line] = lines(envoy, 1)
        assert (line["error.type"], line["http.response.status_code"]) == ("body_timeout", 408)
        reasons = [labels.get("error_type") for labels, _ in envoy.samples("mcp_requests")]
        assert reasons == ["body_timeout"]


def test_real_clients_have_a_line_for_each_message(session_yaml: Path, python_server: McpServer) -> None:
    settings = {"mcp_session": EXCHANGES}
    upstreams = {"mcp_servers": [python_server.port]}
    with Envoy(session_yaml, upstreams=upstreams, settings=settings, concurrency=2) as envoy:
        for mode in ("legacy", "2026-07-28"):
            client = Tourist("tour_mcp2.py", mode, "tour-mcp2")
            client.tour(envoy.url, [{"tool": "add", "arguments": {"a": 1, "b": 2}}])
        exchanges = len(envoy.settled_log())
        told = lines(envoy, exchanges)
        assert len(told) == exchanges
        adds = [line for line in told if line.get("gen_ai.tool.name") == "add"]
        assert sorted(line["era"] for line in adds) == ["legacy", "modern"]
        assert ["session" in line for line in adds if line["era"] == "legacy"] == [True]


@pytest.mark.parametrize(("component", "shown"), [("", 0), ("wasm:info", 1)])
def test_lines_show_at_the_level_info_of_the_module(
    session_yaml: Path, python_server: McpServer, component: str, shown: int
) -> None:
    with Envoy(
        session_yaml,
        upstreams={"mcp_servers": [python_server.port]},
        settings={"mcp_session": EXCHANGES},
        log_level="warning",
        component_log_level=component,
    ) as envoy:
        LegacySession.open(envoy.port).call("add", a=1, b=2)
        envoy.settled_log()
        time.sleep(0.5)
        found = [line for line in lines(envoy, 0) if line.get("gen_ai.tool.name") == "add"]
        assert len(found) == shown
